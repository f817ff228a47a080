"""One record, obeyed by every correlation alike."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ainerd_agent.errors import BinError, FrameError
from ainerd_agent.records import NumberedFrames, PhotonEvents
from ainerd_agent.scattering import (
    Ages,
    Computation,
    Normalisation,
    Selection,
    TwoTimeStream,
    exact_g2,
    g2_of_maps,
    resize_matrix,
    two_time,
    whole_two_time,
)
from ainerd_agent.scattering.correlation._engine.layout import PixelLayout
from ainerd_agent.scattering.correlation._engine.mean_counts import ring_means

LABELS = np.repeat([0, 1, 1, 2, 2, 2], 10).reshape(6, 10)
RINGS = np.tile(np.repeat([1, 2], 5), (6, 1))


def movie(n_frames=40, seed=0, mean=4.0, dtype=np.uint16):
    return np.random.default_rng(seed).poisson(mean, size=(n_frames, *LABELS.shape)).astype(dtype)


def streamed(frames, normalisation, n_frames=None, **options):
    stream = TwoTimeStream(LABELS, n_frames, normalisation=normalisation, **options)
    stream.add(frames)
    return stream.result()


def whole(frames, normalisation, **options):
    options.setdefault("precision", "double")
    return np.stack([each.c2 for each in whole_two_time(frames, LABELS, normalisation=normalisation, **options)])


def at_ages(frames, normalisation):
    ages = Ages(n_ages=2, n_groups=2)
    return streamed(frames, normalisation, size=8, ages=ages).age_lag.values


EVERY = {
    "two_time": lambda frames, normalisation: two_time(frames, LABELS, size=8, normalisation=normalisation),
    "stream of unknown length": lambda frames, normalisation: streamed(frames, normalisation, size=8).c2,
    "full resolution": whole,
    "exact g2": lambda frames, normalisation: exact_g2(frames, LABELS, normalisation=normalisation, n_groups=4).g2,
    "over age and lag": at_ages,
}
every = pytest.mark.parametrize("correlate", [pytest.param(way, id=name) for name, way in EVERY.items()])
exactly = pytest.mark.parametrize(
    "correlate", [pytest.param(EVERY[name], id=name) for name in ("full resolution", "exact g2")]
)


@settings(max_examples=40, deadline=None)
@given(
    normalise=st.sampled_from(["static", "frame", "both"]),
    static=st.sampled_from([None, "rings", "image"]),
    flat=st.booleans(),
    masked=st.sets(st.integers(0, 59), max_size=6),
    dead_time=st.sampled_from([0.0, 0.01]),
    bad=st.sets(st.integers(0, 39), max_size=8),
    seed=st.integers(0, 1000),
)
def test_every_correlation_normalises_alike(normalise, static, flat, masked, dead_time, bad, seed):
    rng = np.random.default_rng(seed)
    mask = np.zeros(LABELS.shape, dtype=bool)
    mask.flat[list(masked)] = True
    normalisation = Normalisation(
        static={None: None, "rings": RINGS, "image": rng.uniform(1, 3, LABELS.shape)}[static],
        normalise=normalise,
        mask=mask,
        flat_field=rng.uniform(0.8, 1.2, LABELS.shape) if flat else None,
        dead_time=dead_time,
        bad_frames=bad,
    )
    frames = movie(seed=seed)
    full = whole(frames, normalisation)
    exact = exact_g2(frames, LABELS, normalisation=normalisation, n_groups=4)
    np.testing.assert_allclose(exact.g2, g2_of_maps(full).g2, atol=1e-9)
    good = np.setdiff1d(np.arange(40), list(bad))
    result = streamed(frames, normalisation, 40, size=40, computation=Computation(precision="double"))
    assert result.bad_frames.tolist() == sorted(bad)
    resize = resize_matrix(40, 40).toarray()
    np.testing.assert_allclose(resize, np.eye(40), atol=1e-12)  # so that both maps are of the same frames
    for at in good:
        np.testing.assert_allclose(result.c2[:, at, good], full[:, at, good], atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(dead_time=st.sampled_from([0.001, 0.02]), normalise=st.sampled_from(["static", "both"]), seed=st.integers(0, 99))
def test_a_dead_time_is_corrected_by_all(dead_time, normalise, seed):
    frames = movie(60, seed)
    before = frames / (1 - dead_time * frames)
    for name, correlate in EVERY.items():
        found = correlate(frames, Normalisation(dead_time=dead_time, normalise=normalise))
        expected = correlate(before, Normalisation(normalise=normalise))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5, err_msg=name)


@every
def test_the_record_is_obeyed_and_what_does_not_fit_is_refused(correlate):
    frames = movie()
    frames[:, 2, 3] = 65535
    with pytest.raises(FrameError, match="ceiling"):
        correlate(frames, Normalisation())
    mask = np.zeros(LABELS.shape, dtype=bool)
    mask[2, 3] = True
    np.testing.assert_array_equal(
        correlate(frames, Normalisation(mask=mask)), correlate(movie(), Normalisation(mask=mask))
    )
    with pytest.raises(FrameError, match=r"ceiling of 3 counts"):
        correlate(movie(), Normalisation(saturation=3))
    with pytest.raises(FrameError, match="no photon was counted in bin 1"):
        correlate(movie() * 0, Normalisation())
    with pytest.raises(FrameError, match="more than the dead time allows"):
        correlate(movie(mean=4.0), Normalisation(dead_time=0.2))
    for wrong in ({"mask": mask[1:]}, {"flat_field": np.ones((2, 2))}, {"static": np.zeros(LABELS.shape)}):
        with pytest.raises(BinError):
            correlate(movie(), Normalisation(**wrong))


@every
@pytest.mark.parametrize("normalise", ["static", "frame", "both"])
def test_what_stands_in_a_bad_frame_does_not_matter(correlate, normalise):
    frames = movie(dtype=np.float32)
    normalisation = Normalisation(bad_frames=[3, 7], normalise=normalise)
    expected = correlate(frames, normalisation)
    frames[3, 2, 2], frames[7] = np.nan, -1
    np.testing.assert_array_equal(correlate(frames, normalisation), expected)
    with pytest.raises(FrameError, match="frame 3 holds 1 readings"):
        correlate(frames, replace(normalisation, bad_frames=[7]))


@exactly
def test_bad_frames_are_detected_by_the_reduced_maps_only(correlate):
    with pytest.raises(ValueError, match="must be their numbers"):
        correlate(movie(), Normalisation(bad_frames="detect"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"normalise": "both ways"}, "normalise must be"),
        ({"dead_time": 1.0}, "dead_time"),
        ({"loss": 0.0}, "must lie between"),
        ({"bad_frames": "guess"}, 'frame numbers or "detect"'),
        ({"bad_frames": [-1]}, "integers from 0"),
        ({"bad_frames": [1.5]}, "integers from 0"),
        ({"bad_frames": np.zeros(40, dtype=bool)}, "integers from 0"),
    ],
)
def test_what_means_nothing_is_refused_at_once(wrong, message):
    with pytest.raises(ValueError, match=message):
        Normalisation(**wrong)


def test_numbers_of_bad_frames_may_be_given_once():
    normalisation = Normalisation(bad_frames=iter([2, 5]))
    for _ in range(2):
        assert streamed(movie(), normalisation, 40, size=8).bad_frames.tolist() == [2, 5]


def test_two_time_takes_fields_of_records_and_records():
    frames = movie()
    found = two_time(frames, LABELS, size=16, static=RINGS, bad_frames=[4], precision="double", threads=1)
    normalisation, computation = Normalisation(static=RINGS, bad_frames=[4]), Computation(precision="double", threads=1)
    np.testing.assert_array_equal(
        found, two_time(frames, LABELS, size=16, normalisation=normalisation, computation=computation)
    )
    np.testing.assert_array_equal(
        found, two_time(frames, LABELS, size=16, normalisation=Normalisation(static=RINGS), bad_frames=[4], threads=1)
    )
    with pytest.raises(TypeError, match="statc"):
        two_time(frames, LABELS, statc=RINGS)
    with pytest.raises(ValueError, match='"single" or "double"'):
        two_time(frames, LABELS, precision="half")


class Dropping:
    """A source that lost frames and says which are left."""

    def __init__(self, frames, kept):
        self.frames, self.kept, self.shape = frames, kept, frames.shape

    def blocks(self, needed=None):
        for part in np.array_split(self.kept, 5):
            yield NumberedFrames(self.frames[part], part, None)


@settings(max_examples=20, deadline=None)
@given(dropped=st.sets(st.integers(0, 38), max_size=10), room=st.integers(0, 5000))
def test_dropped_frames_are_bad_frames_at_full_resolution(dropped, room):
    frames = movie()
    source = Dropping(frames, np.setdiff1d(np.arange(40), list(dropped)))
    options = {"selection": Selection(window=(2, 38)), "max_bytes": 36**2 * 8 + room}
    expected = whole(frames, Normalisation(bad_frames=dropped), **options)
    np.testing.assert_array_equal(whole(source, Normalisation(), **options), expected)


def test_numbered_frames_are_taken_as_they_come():
    frames, kept = movie(60), np.setdiff1d(np.arange(60), [0, 5, 6])
    one, other = (TwoTimeStream(LABELS, 60, size=8) for _ in range(2))
    one.add(NumberedFrames(frames[kept], kept, None))
    other.add(frames[kept], kept)
    np.testing.assert_array_equal(one.result().c2, other.result().c2)


class Events:
    shape = (40, *LABELS.shape)

    def __init__(self, events):
        self.events = events

    def blocks(self):
        yield self.events


@pytest.mark.parametrize(
    ("frame", "pixel", "count", "message"),
    [
        ([0, 2, 1], [11, 12, 13], [1, 1, 1], "sort the events"),
        ([0, 1, 90], [11, 12, 13], [1, 1, 1], "outside of the block"),
        ([0, 1, 2], [11, 60, 13], [1, 1, 1], "another detector"),
        ([0, 1, 2], [11, 12, 13], [1, -1, 1], "must not be negative"),
        ([0, 1, 2], [11, 12], [1, 1, 1], "as many frames as pixels"),
    ],
)
def test_events_that_cannot_be_trusted_are_refused_by_all(frame, pixel, count, message):
    events = PhotonEvents(np.array(frame), np.array(pixel), np.array(count), 40)
    with pytest.raises(FrameError, match=message):
        TwoTimeStream(LABELS, None).add(events)
    with pytest.raises(FrameError, match=message):
        whole(Events(events), Normalisation())
    right = PhotonEvents(np.array([0]), np.array([11]), np.array([1]), 40)
    for add in (
        TwoTimeStream(LABELS, 40, normalisation=Normalisation(dead_time=0.1)).add,
        lambda given: whole(Events(given), Normalisation(dead_time=0.1)),
    ):
        with pytest.raises(FrameError, match="dead time of photon events"):
            add(right)


@given(seed=st.integers(0, 10_000), n_groups=st.integers(1, 3), more=st.booleans())
def test_ring_means_are_those_of_the_pixels(seed, n_groups, more):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2 * n_groups + 1, size=(9, 11))
    labels.flat[: 2 * n_groups + 1] = np.arange(2 * n_groups + 1)
    rings = rng.integers(1, 5, size=labels.shape)
    counts = rng.poisson(2.0, size=(*((3,) if more else ()), *labels.shape)).astype(float) + 0.5
    counts[..., rings == 4] = 0  # without a single count
    layout = PixelLayout.of(labels, rings)
    ordered = counts.reshape(*counts.shape[:-2], -1)[..., layout.pixels]
    found = ring_means(layout, np.add.reduceat(ordered, layout.cells[:-1], axis=-1), n_groups)
    for cell, (number, ring) in enumerate(zip(layout.cell_bin, layout.cell_ring, strict=True)):
        chosen = (labels > 0) & (rings == ring)
        if ring == 4:
            chosen = (labels > 0) & ((labels - 1) // n_groups == number // n_groups)
        np.testing.assert_allclose(found[..., cell], counts[..., chosen].mean(axis=-1))
