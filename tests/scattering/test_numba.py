"""Threads that compile kernels at once do not meet in numba's tables of types."""

import subprocess
import sys


def test_every_type_is_known_before_the_first_kernel_is_compiled(tmp_path):
    script = """
import numpy as np
import ainerd_agent.scattering.correlation.two_time
from numba.core.typing.typeof import typeof_impl

before = set(typeof_impl.registry)
ainerd_agent.scattering.correlation.two_time.two_time(
    np.ones((70, 4, 5), np.uint16), np.ones((4, 5), int), size=32
)
print(sorted(str(each) for each in set(typeof_impl.registry) - before))
"""
    answer = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert answer.stdout.strip() == "[]"
