"""Run a piece of work in a process of its own, and measure its time and its memory there.

    python benchmarks/measuring.py MODULE FUNCTION '{"argument": ...}'

does the work and prints its result as one line of JSON; `in_child` calls that. Each process starts fresh: no method
profits from, or pays for, what another one left in memory. `OPENBLAS_CORETYPE` is unset, because it halves the speed of
matrix products where it names an older processor.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import importlib.util
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
SLOW = 30.0
"""Calls that take longer than so many seconds are not repeated."""


def n_processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))


def in_child(
    module: str,
    function: str,
    *,
    threads: int,
    limit: float | None = None,
    variables: dict[str, str] | None = None,
    **arguments: Any,
) -> dict[str, Any]:
    """Result of `module.function(**arguments)` in a new process, or {"failed": why}.

    Parameters
    ----------
    threads : int
        Processors that the process may use, and threads of BLAS, numba and torch.
    limit : float, optional
        Seconds.
    variables : dict, optional
        Further environment variables.
    """
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    environment |= dict.fromkeys(THREAD_VARIABLES, str(threads)) | (variables or {})
    command = [sys.executable, str(Path(__file__)), module, function, json.dumps({"threads": threads, **arguments})]
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=limit)
    except subprocess.TimeoutExpired:
        return {"failed": f"stopped after {limit:.0f} s"}
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"ended with {done.returncode}"
        return {"failed": last if done.returncode > 0 else f"crashed with signal {-done.returncode}"}
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def resident(what: str = "VmRSS") -> int:
    """Bytes of memory that this process holds ("VmRSS"), or held at most ("VmHWM")."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(what):
            return int(line.split()[1]) * 1024
    raise OSError(f"no {what} in /proc/self/status")


def with_peak(work: Callable[[], Any]) -> tuple[Any, int]:
    """Do the work; give its result, and by how much the memory of this process grew meanwhile at most, in bytes.

    Linux keeps the highest resident memory of a process and forgets it on request, so that nothing has to be sampled,
    and the memory of numba, BLAS and torch is counted. What was freed before is given back first, or the work would
    find room in it that is not counted.
    """
    gc.collect()
    if hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = resident()
    result = work()
    return result, resident("VmHWM") - before


def measure(work: Callable[[], Any], repeats: int) -> tuple[Any, dict[str, Any]]:
    """Call the work once for its memory, then `repeats` times for its time.

    Returns
    -------
    result
        Of the first call.
    dict
        "seconds" (list; only that of the first call where it is slow), "memory" (bytes, growth during the first call),
        "process" (bytes, highest of the whole process).
    """
    start = time.perf_counter()
    result, memory = with_peak(work)
    first = time.perf_counter() - start
    seconds = [timed(work) for _ in range(repeats)] if first < SLOW and repeats > 0 else [first]
    return result, {"seconds": seconds, "memory": memory, "process": resident("VmHWM")}


def timed(work: Callable[[], Any]) -> float:
    """Seconds that the work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def limit_memory() -> None:
    """Let a method that needs more memory than there is fail by itself, instead of taking the machine down."""
    available = next(
        int(line.split()[1]) * 1024
        for line in Path("/proc/meminfo").read_text().splitlines()
        if line.startswith("MemAvailable")
    )
    resource.setrlimit(resource.RLIMIT_DATA, (int(0.95 * available), resource.RLIM_INFINITY))


def machine(threads: int) -> dict[str, str]:
    """What the figures were measured on and with, in the order of a sentence."""
    models = [line.split(":")[1] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    versions = {}
    for name in ("numpy", "scipy", "numba", "torch"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "missing"
    return {
        "processor": " ".join(models[0].split()) if models else platform.machine(),
        "processors": str(n_processors()),
        "threads": str(threads),
        "memory": f"{memory:.0f} GB",
        "system": platform.system(),
        "Python": platform.python_version(),
        **versions,
        "GPU": gpu_name() or "none",
    }


def gpu_name() -> str | None:
    """The GPU that torch sees."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def _to_json(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)


def main() -> None:
    """Do what the arguments say."""
    module, function, given = sys.argv[1:]
    arguments = json.loads(given)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments["threads"]])
    result = getattr(importlib.import_module(module), function)(**arguments)
    print("\n" + json.dumps(result, default=_to_json))


if __name__ == "__main__":
    main()
