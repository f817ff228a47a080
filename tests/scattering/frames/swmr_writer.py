"""A detector's file writer in a process of its own: follows commands on stdin, and says so on stdout.

Each line is JSON: {"do": "create", "path": ...}, "swmr", {"do": "append", "n": 3}, {"do": "reserve", "n": 3},
{"do": "fill", "n": 3}, {"do": "in_events", "n": 3}, "close". With "per_event" in "create" there is also a stack of
movies of so many frames, which "in_events" fills frame by frame. Frame k of every file is `frame(k)`, its number
100 + k, its time k / 10.
"""

from __future__ import annotations

import json
import sys

import h5py
import hdf5plugin
import numpy as np

SHAPE = (60, 70)


def frame(k: int) -> np.ndarray:
    return np.random.default_rng(k).poisson(0.5, SHAPE).astype(np.uint32)


def main() -> None:
    file, written = None, 0
    for line in sys.stdin:
        told = json.loads(line)
        do, n = told["do"], told.get("n", 0)
        if do == "create":
            file, written = h5py.File(told["path"], "w", libver="latest"), 0
            chunks = (told.get("chunk", 1), *SHAPE)
            options = {"maxshape": (None, *SHAPE), "chunks": chunks, **hdf5plugin.Bitshuffle(cname="lz4")}
            file.create_dataset("entry/data", (0, *SHAPE), "u4", **options)
            if per_event := told.get("per_event"):
                options |= {"maxshape": (None, per_event, *SHAPE), "chunks": (1, *chunks)}
                file.create_dataset("entry/events", (0, per_event, *SHAPE), "u4", **options)
            for name, kind in (("id", "i4"), ("time", "f8")):
                file.create_dataset(f"entry/{name}", (0,), kind, maxshape=(None,), chunks=(16,))
        elif do == "swmr":
            file.swmr_mode = True
        elif do == "in_events":
            events = file["entry/events"]
            for k in range(written, written + n):
                event, at = divmod(k, events.shape[1])
                events.resize(event + 1, axis=0)
                events[event, at] = frame(k)
            written += n
            events.flush()
        elif do == "close":
            file.close()
        else:
            data, ids, times = (file[f"entry/{name}"] for name in ("data", "id", "time"))
            if do in ("append", "reserve"):  # "reserve" makes room and writes no frame
                for each in (data, ids, times):
                    each.resize(len(each) + n, axis=0)
            if do in ("append", "fill"):
                for k in range(written, written + n):
                    data[k], ids[k], times[k] = frame(k), 100 + k, k / 10
                written += n
            for each in (data, ids, times):
                each.flush()
        print("done", flush=True)


if __name__ == "__main__":
    main()
