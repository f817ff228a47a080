"""A long run leaves nothing behind in the analysis: neither of what is analysed nor of what fails."""

from __future__ import annotations

import gc
from collections import Counter

import numpy as np
import pytest

from ainerd_agent.callbacks import AnalysisCallback, Assembler, Failure, analysis, detector_stream, open_run
from ainerd_agent.latent import Analyst, Encoder
from ainerd_agent.records import Analysis, Bins
from ainerd_agent.scattering import TwoTimeOptions
from ainerd_agent.scattering.geometry.partition import Partition
from ainerd_agent.settings import Settings
from tests.callbacks.made_runs import POSITION_KEYS, T0, MadeRun, array_key, write_hdf5

KEPT = 6
SETTLED, END = 40, 100
"""Measurements after which the lists of latest ones are full, and at the end."""


class Forgetful:
    """A writer that keeps nothing."""

    def open_run(self, run):
        pass

    def append(self, raw_uid, fingerprints, analyses):
        pass

    replace = append

    def record_failure(self, raw_uid, seq_num, message, **about):
        pass

    def close_run(self, raw_uid, status):
        pass


def kinds_of_objects():
    """How many objects of ours, and tensors, there are."""
    gc.collect()
    kinds = (type(each) for each in gc.get_objects())
    return Counter(kind.__name__ for kind in kinds if str(kind.__module__).startswith(("ainerd_agent", "torch")))


@pytest.mark.situation("ten thousand measurements of one run", "memory stays, but for latents in the atlas")
def test_nothing_stays_of_a_measurement(tmp_path, monkeypatch, caplog):
    caplog.set_level("CRITICAL")  # what is said of failures is kept by pytest
    for module, name in (
        (analysis, "KEPT_OUTCOMES"), (detector_stream, "KEPT_PARTS"), (open_run, "MOST_REMEMBERED"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, KEPT)
    frames = np.random.default_rng(2).poisson(20, (END, 16, 6, 5)).astype(np.float32)
    frames[::5, 3, 2, 2] = np.nan  # these fail
    run = MadeRun()
    run.stream("primary", {"detector": array_key(frames.shape[1:], external="STREAM:"), **POSITION_KEYS})
    resource = run.stream_asset(write_hdf5(tmp_path / "long.h5", frames.reshape(-1, 6, 5)))
    labels = np.ones((6, 5), np.int32)
    one_bin = Partition(labels, labels, Bins(q=np.array([0.02]), azimuth=np.array([0.0]), n_pixels=np.array([30])))
    told: Counter[type] = Counter()
    callback = AnalysisCallback(
        Assembler(Settings()), lambda shape: one_bin, Analyst(Encoder.load()), Forgetful(),
        options=TwoTimeOptions(size=64), on_outcome=lambda outcome: told.update([type(outcome)]),
    )  # fmt: skip
    before: Counter[str] = Counter()
    for k in range(END):
        if k == SETTLED:
            before = kinds_of_objects()
        run.rows(resource, "primary", k, k + 1)
        run.event("primary", {"stage-x": float(k), "stage-y": 1.0}, T0 + k + 1.0, seq_num=k + 1)
        while run.documents:
            callback(*run.documents.pop(0))
    grown = kinds_of_objects() - before
    assert told == {Failure: END // 5, Analysis: END - END // 5}
    assert {kind: n for kind, n in grown.items() if n >= (END - SETTLED) / 4} == {}
