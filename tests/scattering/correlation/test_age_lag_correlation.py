"""The correlation over age and lag against brute force in double precision, with the same averaging."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ainerd_agent.errors import BinError, FrameError
from ainerd_agent.records import PhotonEvents
from ainerd_agent.scattering.correlation._engine.age_lag_fold import dense_level
from ainerd_agent.scattering.correlation._engine.age_lag_sums import UNITS, AgeLagSums, lags_of, shift_of
from ainerd_agent.scattering.correlation.age_lag_correlation import AgeLagCorrelation, Ages, frame_of
from ainerd_agent.scattering.correlation.computation import Computation
from ainerd_agent.scattering.correlation.g2 import subdivide
from ainerd_agent.scattering.correlation.normalisation import Normalisation
from ainerd_agent.scattering.correlation.two_time_stream import TwoTimeStream

LABELS = np.repeat([0, 1, 1, 2, 2, 2], 8).reshape(6, 8)
RINGS = np.tile(np.repeat([1, 2], 4), (6, 1))


def movie(n_frames, seed=0, dtype=np.uint16, mean=2.0):
    """Photons on speckle that stands still, on a beam that breathes."""
    rng = np.random.default_rng(seed)
    beam = mean + np.sin(np.arange(n_frames) / 40)
    speckle = rng.gamma(2.0, 0.5, size=LABELS.shape)
    return rng.poisson(beam[:, None, None] * speckle).astype(dtype)


def brute_force(counts, good, static, n_ages, window=None):
    """A (n_ages, n_lags) of one bin, and its lags: `counts` (T, n), `static` (n,)."""
    n_frames = len(counts)
    begins, ends = window or (0, n_frames)
    d = np.where(good[:, None], counts / static - 1, 0.0)
    columns, lags, level = [], [], 0
    while level == 0 or 8 << level <= n_frames:
        step = 1 << level
        n = -(-n_frames // step)
        pad = n * step - n_frames
        summed = np.pad(d, ((0, pad), (0, 0))).reshape(n, step, -1).sum(axis=1)
        weight = np.pad(good.astype(float), (0, pad)).reshape(n, step).sum(axis=1)
        unit = 1 << shift_of(n_frames, level)
        for lag in range(8 if level else 1, 16):
            product, pairs = np.zeros(n_ages), np.zeros(n_ages)
            for begin in range(0, n, unit):
                first, stop = max(begin, lag), min(begin + unit, n)
                inside = (first - lag) * step >= begins and min(stop * step, n_frames) <= ends
                if first < stop and inside:
                    middle = ((first + stop) / 2 - lag / 2) * step - begins
                    age = min(int(middle / (ends - begins) * n_ages), n_ages - 1)
                    later = np.arange(first, stop)
                    product[age] += (summed[later] * summed[later - lag]).sum()
                    pairs[age] += (weight[later] * weight[later - lag]).sum()
            if pairs.any():
                with np.errstate(invalid="ignore"):
                    columns.append(product / (pairs * counts.shape[1]))
                lags.append(lag * step)
        level += 1
    return np.stack(columns, axis=1), np.array(lags)


def correlated(blocks, n_frames, ages, **options):
    stream = TwoTimeStream(LABELS, n_frames, size=16, normalisation=Normalisation(**options), ages=ages)
    for block in blocks:
        stream.add(block)
    return stream.result().age_lag


def cut(frames, size):
    return [frames[start : start + size] for start in range(0, len(frames), size)]


@settings(max_examples=40, deadline=None)
@given(
    n_frames=st.integers(2, 700),
    block=st.integers(1, 300),
    n_ages=st.integers(1, 20),
    n_groups=st.integers(1, 4),
    dtype=st.sampled_from([np.uint16, np.float32]),
    bad=st.sets(st.integers(0, 699), max_size=40),
    known=st.booleans(),
    seed=st.integers(0, 5),
)
def test_equals_brute_force(n_frames, block, n_ages, n_groups, dtype, bad, known, seed):
    frames = movie(n_frames, seed, dtype)
    good = ~np.isin(np.arange(n_frames), list(bad))
    if good.sum() < 2 or any(frames[good][:, each == LABELS].sum() == 0 for each in (1, 2)):
        return
    found = correlated(
        cut(frames, block),
        n_frames if known else None,
        Ages(n_ages=n_ages, n_groups=n_groups),
        bad_frames=np.flatnonzero(~good),
    )
    for number in (1, 2):
        counts = frames[:, number == LABELS].astype(np.float64)
        expected, lags = brute_force(counts, good, np.full(counts.shape[1], counts[good].mean()), n_ages)
        np.testing.assert_array_equal(found.lags, lags)
        np.testing.assert_allclose(found.values[number - 1], expected, atol=1e-12)


def test_a_long_movie_in_single_precision_is_right_to_a_millionth():
    frames = movie(40_000, mean=200.0)
    found = {}
    for precision in ("single", "double"):
        stream = TwoTimeStream(LABELS, len(frames), size=16, ages=Ages(), computation=Computation(precision=precision))
        stream.add(frames)
        found[precision] = stream.result().age_lag.values
    np.testing.assert_allclose(found["single"], found["double"], atol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint32])
def test_counts_of_other_types(dtype):
    frames = movie(300)
    found = correlated([frames.astype(dtype)], 300, Ages(n_ages=4, n_groups=2))
    np.testing.assert_array_equal(found.values, correlated([frames], 300, Ages(n_ages=4, n_groups=2)).values)


@pytest.mark.parametrize("wrong", [np.nan, -1.0, np.inf])
def test_what_are_no_counts_is_refused(wrong):
    frames = movie(60, dtype=np.float32)
    frames[30, 2, 2] = wrong
    with pytest.raises(FrameError, match="frame 30"):
        correlated([frames], 60, Ages())


def test_rings_have_their_own_mean():
    frames = movie(300)
    found = correlated([frames], 300, Ages(n_ages=4, n_groups=2), static=RINGS)
    ring_means = np.zeros(LABELS.shape)
    for ring in (1, 2):
        ring_means[ring == RINGS] = frames[:, (ring == RINGS) & (LABELS > 0)].mean()
    for number in (1, 2):
        here = number == LABELS
        expected, _ = brute_force(frames[:, here].astype(float), np.ones(300, bool), ring_means[here], 4)
        np.testing.assert_allclose(found.values[number - 1], expected, atol=1e-12)


def test_many_rings_share_bands_whose_pixels_weigh_by_their_intensity():
    """Cells of a few pixels each would cost more than everything else."""
    rng = np.random.default_rng(8)
    labels = np.ones((24, 30), dtype=int)
    rings = 1 + np.tile(np.arange(30) // 3, (24, 1))
    beam = 1 + 0.3 * np.sin(np.arange(500) / 30)
    brightness = np.linspace(0.5, 4, 30)[None, :] * rng.gamma(3.0, 1 / 3, labels.shape)
    frames = rng.poisson(3 * beam[:, None, None] * brightness).astype(np.uint16)
    stream = TwoTimeStream(
        labels, 500, size=16, normalisation=Normalisation(static=rings), ages=Ages(n_ages=4, n_groups=2)
    )
    stream.add(frames)
    found = stream.result().age_lag
    static = np.zeros(labels.shape)
    for ring in range(1, 11):
        static[rings == ring] = frames[:, rings == ring].mean()
    band = np.array([0, 0, 0, 1, 1, 1, 1, 2, 2, 2])[rings - 1]
    group = subdivide(labels, 2, (4, 16)) - 1
    total, weight = 0, 0
    for each in range(3):
        for half in range(2):
            here = (band == each) & (group == half)
            s, counts = static[here], frames[:, here].astype(float)
            intensity = counts.sum(axis=1) / s.sum()
            for lag in (1, 6):
                mean = (
                    (counts[lag:] * counts[:-lag]).sum(axis=1) / (s**2).sum() - intensity[lag:] - intensity[:-lag] + 1
                )
                if lag == 6:
                    # units of two frames, as the sections of age are made of
                    middle = (np.arange(lag, 500) // 2 * 2 + 1.0) - lag / 2
                    total = total + here.sum() * np.array([mean[(middle * 4 // 500) == age].mean() for age in range(4)])
            weight += here.sum()
    np.testing.assert_allclose(found.values[0, :, 5], total / weight, atol=1e-12)
    plain = (frames[1:] / static - 1) * (frames[:-1] / static - 1)
    assert abs(plain.mean() / found.values[0, :, 0].mean() - 1) < 0.05


def test_frames_divided_by_their_mean():
    """The beam that breathes is gone, and speckle that stands still correlates alike at all ages and lags."""
    found = correlated([movie(2000, mean=20.0)], 2000, Ages(n_ages=4, n_groups=2), normalise="frame")
    assert np.nanstd(found.values, axis=(1, 2)).max() < 0.02
    assert np.nanmin(found.values) > 0.2


def test_flat_field_dead_time_and_mask():
    frames = movie(400)
    flat = np.random.default_rng(5).uniform(0.5, 2.0, LABELS.shape)
    mask = np.zeros(LABELS.shape, bool)
    mask[1, 2] = mask[4, 4] = True
    dead = 0.01
    found = correlated([frames], 400, Ages(n_ages=3, n_groups=2), flat_field=flat, mask=mask, dead_time=dead)
    corrected = frames / (1 - dead * frames) / flat
    for number in (1, 2):
        here = (number == LABELS) & ~mask
        counts = corrected[:, here]
        expected, _ = brute_force(counts, np.ones(400, bool), np.full(counts.shape[1], counts.mean()), 3)
        np.testing.assert_allclose(found.values[number - 1], expected, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(
    n_frames=st.integers(2, 500),
    block=st.integers(1, 200),
    mean=st.sampled_from([1.1, 2.0]),
    bad=st.sets(st.integers(0, 499), max_size=10),
    normalise=st.sampled_from(["static", "frame"]),
)
def test_events_are_as_dense_frames(n_frames, block, mean, bad, normalise):
    frames = movie(n_frames, mean=mean)
    frames[:, 2:, 0] = 1
    bad = [each for each in bad if each < n_frames]
    if n_frames - len(bad) < 2:
        return
    t, pixel = np.nonzero(frames.reshape(n_frames, -1))
    count = frames.reshape(n_frames, -1)[t, pixel]
    # an event may come in parts
    t, pixel, count = np.repeat(t, 2), np.repeat(pixel, 2), np.stack([np.ones_like(count), count - 1], axis=1).ravel()
    t, pixel, count = t[count > 0], pixel[count > 0], count[count > 0]
    blocks = []
    for start in range(0, n_frames, block):
        stop = min(start + block, n_frames)
        inside = (t >= start) & (t < stop)
        blocks.append(PhotonEvents(t[inside].astype(np.int64), pixel[inside].astype(np.int32), count[inside], stop))
    options = {"bad_frames": bad, "normalise": normalise}
    dense = correlated([frames], n_frames, Ages(n_ages=5, n_groups=2), **options)
    sparse = correlated(blocks, n_frames, Ages(n_ages=5, n_groups=2), **options)
    np.testing.assert_allclose(sparse.values, dense.values, atol=1e-6)
    np.testing.assert_allclose(sparse.errors, dense.errors, atol=1e-6)


def as_events(frames, block):
    t, pixel = np.nonzero(frames.reshape(len(frames), -1))
    count = frames.reshape(len(frames), -1)[t, pixel]
    for start in range(0, len(frames), block):
        first, last = np.searchsorted(t, [start, start + block])
        part = slice(first, last)
        stop = min(start + block, len(frames))
        yield PhotonEvents(t[part].astype(np.int64), pixel[part].astype(np.int32), count[part], stop)


@pytest.mark.parametrize("mean", [0.002, 0.03, 0.5])
@pytest.mark.parametrize("bad", [[], range(1000, 1500), range(2040, 3000)])
def test_few_events_are_correlated_as_many_are(mean, bad):
    """In pairs at short lags, as samples at long ones."""
    rng = np.random.default_rng(4)
    frames = rng.poisson(mean, (3000, *LABELS.shape)).astype(np.uint16)
    frames[:, 2:, 0] = rng.poisson(0.5, (3000, 4))  # some pixels see much more
    frames[10] = 1
    ages = Ages(n_ages=4, n_groups=2)
    dense = correlated([frames], 3000, ages, bad_frames=bad)
    for block in (500, 3000):
        sparse = correlated(as_events(frames, block), 3000, ages, bad_frames=bad)
        np.testing.assert_allclose(sparse.values, dense.values, atol=1e-9)
        np.testing.assert_allclose(sparse.errors, dense.errors, atol=1e-9)


def test_few_events_are_taken_in_pairs():
    assert dense_level(np.ones(1000, int), 1000, 8) > 3
    assert dense_level(np.full(1000, 500), 1000, 8) == 0
    assert dense_level(np.zeros(1000, int), 1000, 8) == 7


@pytest.mark.parametrize("kind", ["dense", "events"])
def test_on_a_device_of_torch(kind):
    frames = movie(777)
    bad = [3, 4, 5, 300, 301, 776]
    found = []
    for device in (None, "cpu"):
        stream = TwoTimeStream(
            LABELS,
            777,
            size=16,
            normalisation=Normalisation(bad_frames=bad),
            computation=Computation(device=device),
            ages=Ages(n_ages=6, n_groups=2),
        )
        for start in range(0, 777, 100):
            part = frames[start : start + 100]
            if kind == "events":
                t, pixel = np.nonzero(part.reshape(len(part), -1))
                count = part.reshape(len(part), -1)[t, pixel]
                part = PhotonEvents((t + start).astype(np.int64), pixel.astype(np.int32), count, start + len(part))
            stream.add(part)
            if start == 300:
                stream.partial()
        found.append(stream.result().age_lag)
    np.testing.assert_allclose(found[1].values, found[0].values, atol=1e-12)
    np.testing.assert_allclose(found[1].errors, found[0].errors, atol=1e-12)


def test_frames_that_never_came_have_no_pairs():
    frames = movie(200)
    numbers = np.r_[0:60, 130:190, 199]
    stream = TwoTimeStream(LABELS, 200, size=16, ages=Ages(n_ages=10, n_groups=2))
    stream.add(frames[numbers], numbers)
    found = stream.result().age_lag
    missing = np.setdiff1d(np.arange(200), numbers)
    expected = correlated([frames], 200, Ages(n_ages=10, n_groups=2), bad_frames=missing)
    np.testing.assert_array_equal(found.values, expected.values)
    assert np.isnan(found.values[:, 4, 0]).all()
    assert np.isfinite(found.values[:, 1, 0]).all()
    assert found.n_pairs[4, 0] == 0


def test_a_look_at_the_movie_while_it_goes_on_changes_nothing():
    frames = movie(900)
    plain = correlated([frames], 900, Ages())
    stream = TwoTimeStream(LABELS, 900, size=16, ages=Ages())
    for block in cut(frames, 77):
        stream.add(block)
        looked = stream.partial()
    np.testing.assert_array_equal(looked.age_lag.values, plain.values)
    np.testing.assert_array_equal(stream.result().age_lag.values, plain.values)


def test_a_partial_map_is_that_of_the_frames_so_far():
    """Its static image and its ages are those of the frames that came, and of the whole exposure."""
    frames = movie(1000)
    stream = TwoTimeStream(LABELS, 1000, size=16, ages=Ages(n_ages=10, n_groups=2))
    stream.add(frames[:503])
    found = stream.partial().age_lag
    assert np.isnan(found.values[:, 6:]).all()
    assert np.isfinite(found.values[:, :5, 0]).all()
    counts = frames[:503, LABELS == 1].astype(float)
    d = counts / counts.mean() - 1
    first = (d[1:] * d[:-1]).mean(axis=1)[:99].mean()
    np.testing.assert_allclose(found.values[0, 0, 0], first, atol=0.01)


@pytest.mark.parametrize(("n_frames", "window"), [(900, (0, 300)), (900, (212, 700)), (3000, (1600, 2800))])
def test_a_part_of_a_movie_from_its_sums(n_frames, window):
    frames = movie(n_frames, mean=4.0)
    stream = TwoTimeStream(LABELS, n_frames, size=16, ages=Ages(n_groups=2))
    stream.add(frames)
    stream.result()
    found = stream.age_lag(window, n_ages=5)
    for number in (1, 2):
        counts = frames[:, number == LABELS].astype(float)
        static = np.full(counts.shape[1], counts[slice(*window)].mean())
        expected, lags = brute_force(counts, np.ones(n_frames, bool), static, 5, window)
        np.testing.assert_array_equal(found.lags, lags)
        np.testing.assert_allclose(found.values[number - 1], expected, atol=0.01)
    alone = correlated([frames[slice(*window)]], window[1] - window[0], Ages(n_ages=1, n_groups=2))
    once = stream.age_lag(window, n_ages=1)
    np.testing.assert_allclose(once.values[:, 0, :15], alone.values[:, 0, :15], atol=0.02)
    assert found.ages[0] == window[0] + (window[1] - window[0]) / 10


def test_a_part_that_is_not_there_is_refused():
    stream = TwoTimeStream(LABELS, 300, size=16, ages=Ages())
    stream.add(movie(300))
    with pytest.raises(FrameError, match="result"):
        stream.age_lag((0, 100))
    stream.result()
    for window in ((-1, 100), (100, 100), (200, 301)):
        with pytest.raises(FrameError, match="within the 300 frames"):
            stream.age_lag(window)
    with pytest.raises(FrameError, match="shorter than"):
        stream.age_lag((101, 103))


def test_g2_is_the_mean_of_all_pairs():
    frames = movie(600)
    found = correlated([frames], 600, Ages(n_ages=7, n_groups=3))
    once = correlated([frames], 600, Ages(n_ages=1, n_groups=3))
    g2 = found.g2()
    np.testing.assert_allclose(g2.g2 - 1, once.values[:, 0], atol=1e-12)
    np.testing.assert_allclose(g2.error, once.errors[:, 0], atol=1e-12)
    np.testing.assert_array_equal(g2.lags, found.lags)


def test_c2_is_the_same_with_and_without():
    frames = movie(500)
    both = []
    for ages in (None, Ages()):
        stream = TwoTimeStream(LABELS, 500, size=64, normalisation=Normalisation(bad_frames=[7, 8, 9, 100]), ages=ages)
        for block in cut(frames, 133):
            stream.add(block)
        both.append(stream.result())
    np.testing.assert_allclose(both[1].c2, both[0].c2, atol=1e-6)
    np.testing.assert_allclose(both[1].contrast, both[0].contrast, atol=1e-9)
    assert both[0].age_lag is None


def test_bad_pixels_are_left_out():
    rng = np.random.default_rng(3)
    labels = np.ones((40, 40), dtype=int)
    clean = rng.poisson(2.0, (400, 40, 40)).astype(np.uint16)
    spoilt = clean.copy()
    spoilt[:, 7, 7] = 65535
    spoilt[:, 20, 20] = 500
    mask = np.zeros(labels.shape, bool)
    mask[7, 7] = mask[20, 20] = True
    result = []
    for frames, options in ((spoilt, {"bad_pixels": "detect"}), (clean, {"mask": mask})):
        stream = TwoTimeStream(labels, 400, size=32, normalisation=Normalisation(**options), ages=Ages(n_groups=1))
        stream.add(frames)
        result.append(stream.result().age_lag.values)
    np.testing.assert_allclose(result[0], result[1], atol=1e-12)


def test_groups_of_a_bin_that_is_smaller_than_their_number():
    labels = np.zeros((6, 8), dtype=int)
    labels[2, 3] = 1
    frames = movie(100)
    stream = TwoTimeStream(labels, 100, size=16, ages=Ages())
    stream.add(frames)
    found = stream.result().age_lag
    assert found.groups.shape[1] == 1
    assert np.isnan(found.errors).all()
    assert np.isfinite(found.values[0, :, 0]).all()


def test_two_frames_have_one_lag():
    found = correlated([movie(2)], 2, Ages())
    assert found.lags.tolist() == [1]
    assert np.isfinite(found.values).any(axis=1).all()


def test_there_is_a_unit_for_each_sample_of_each_window():
    """Kernels do not look whether they write beyond the end."""
    for n_frames in range(2, 1200):
        sums = AgeLagSums.empty(1, 1, n_frames)
        for level, shift in enumerate(sums.shifts):
            window = n_frames // (16 << level)
            assert 16 * window + 15 >> shift < sums.products.shape[1]


def test_units_are_no_more_than_are_kept():
    for n_frames in (2, 1000, 1024, 1025, 100_000):
        for level in range(10):
            n_units = -(-n_frames // (1 << (level + shift_of(n_frames, level))))
            assert 1 <= n_units <= UNITS
            assert shift_of(n_frames, level) == 0 or n_units > UNITS // 2


@pytest.mark.parametrize("wrong", [{"n_ages": 0}, {"n_groups": 0}])
def test_refuses(wrong):
    with pytest.raises(BinError, match="at least 1"):
        Ages(**wrong)


def test_a_group_with_a_pixel_that_left_a_trace_is_left_out():
    """A stream cannot have its frames again: the pixel that is found late stays in the products of its group."""
    frames = np.random.default_rng(0).poisson(2.0, (400, 30, 30)).astype(np.uint16)
    frames[200:, 9, 9] = 400
    options = Normalisation(bad_pixels="detect")
    stream = TwoTimeStream(np.ones((30, 30), int), 400, size=32, normalisation=options, ages=Ages(n_groups=4))
    for block in cut(frames, 100):
        stream.add(block)
    result = stream.result()
    assert result.bad_pixels.in_part.all()
    assert sorted((result.age_lag.weights[0] > 0).tolist()) == [False, True, True, True]
    assert np.nanmax(np.abs(result.age_lag.values[..., :5])) < 0.1


def test_a_part_of_a_movie_with_a_pixel_that_left_a_trace_has_the_intensity_of_the_others():
    """When it counted is not known: it must not be spread over the movie evenly."""
    clean = np.random.default_rng(0).poisson(2.0, (800, 30, 30)).astype(np.uint16)
    clean[400:] *= 2
    frames = clean.copy()
    frames[500:, 9, 9] = 4000
    found = []
    for each in (clean, frames):
        options = Normalisation(bad_pixels="detect")
        stream = TwoTimeStream(np.ones((30, 30), int), 800, size=32, normalisation=options, ages=Ages(n_groups=4))
        for block in cut(each, 100):
            stream.add(block)
        stream.result()
        found.append(stream.age_lag((0, 400), n_ages=1).values[0, 0, :10])
    np.testing.assert_allclose(found[1], found[0], atol=0.003)


def averaged(curve, n_levels=8, error=1e-3):
    """What is found at each lag of a curve without noise: the mean over the lags between the frames of two sums."""
    lags, level = lags_of(n_levels)
    values = []
    for lag, summed in zip(lags, 1 << level, strict=True):
        steps = np.arange(1 - summed, summed)
        values.append(np.average(curve(lag + steps), weights=summed - np.abs(steps)))
    shape = (1, 1, len(lags))
    return AgeLagCorrelation(
        values=np.reshape(values, shape),
        errors=np.full(shape, error),
        groups=np.reshape(values, (1, *shape)),
        weights=np.ones((1, 1)),
        n_pairs=np.ones((1, len(lags))),
        ages=np.zeros(1),
        lags=lags.astype(float),
        width=np.sqrt((4.0**level - 1) / 6),
        summed=1 << level,
    )


def test_the_bias_of_averaging_is_told():
    def decay(lag):
        return 0.3 * np.exp(-2 * lag / 200.0)

    found = averaged(decay, error=5e-4)
    off = found.values[0, 0] - decay(found.lags)
    inside = found.lags < 400
    np.testing.assert_allclose(found.bias[0, 0, inside], off[inside], rtol=0.1, atol=2e-6)
    assert found.biased[0, 0, off > 6e-5].all()
    assert (off > 6e-5).any()
    assert not found.biased[0, 0, inside & (off < 4e-5)].any()


def test_oscillations_that_averaging_damps_are_marked():
    def fringes(lag):
        return 0.3 * np.cos(2 * np.pi * 0.013 * lag)

    found = averaged(fringes, error=3e-3)
    off = np.abs(found.values[0, 0] - fringes(found.lags))
    assert found.biased[0, 0, off > 3e-4].all()
    assert not found.biased[0, 0, :15].any()
    np.testing.assert_allclose(found.values[0, 0], fringes(found.lags) * found.damping(0.013), atol=1e-12)


def test_one_frame_is_known_where_the_first_lag_is_missing():
    for first in (0, 2):
        lags = lags_of(5)[0][first:] * 0.25
        assert frame_of(lags) == 0.25
    assert frame_of(np.array([0.5])) == 0.5
