"""Age-lag maps in the catalog: those of a live run, and those of runs whose movies differ in length and frame time."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import numpy as np
import pytest

from ainerd_agent.callbacks import AnalysisCallback, Assembler
from ainerd_agent.catalog import Catalog, DerivedWriter, SpooledWriter, TiledServer
from ainerd_agent.catalog.codec.point_columns import POINT_COLUMNS
from ainerd_agent.errors import CatalogError
from ainerd_agent.latent import Analyst, Encoder
from ainerd_agent.records import Ageing, Analysis, Bins, Fingerprints, Run
from ainerd_agent.scattering.files.aps_results import read_results
from ainerd_agent.scattering.fingerprint import LIVE
from ainerd_agent.scattering.fits.ages import fit_ages
from ainerd_agent.scattering.geometry.partition import Partition
from ainerd_agent.settings import Settings
from ainerd_agent.workflows.reprocess import encoders, reprocess
from tests.callbacks.made_runs import T0, MadeRun, array_key, validated, write_hdf5
from tests.catalog.codec.test_age_lag import aged, same
from tests.integration.conftest import FAULTS_APART, KilledError, Mortal
from tests.integration.derived_runs import MODEL, N_BINS, START, is_sound, measurement


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TiledServer]:
    with TiledServer(tmp_path_factory.mktemp("age lag")) as server:
        yield server


def pair(uid: str, number: int, frames: int = 20, frame_time: float | None = 0.1) -> tuple[Fingerprints, Analysis]:
    """A measurement with an age-lag map of known values."""
    f, (_, a) = aged(number, frames, frame_time), measurement(uid, number)
    origin = dataclasses.replace(f.origin, raw_uid=uid)
    return dataclasses.replace(f, origin=origin), dataclasses.replace(a, origin=origin)


def without(each: tuple[Fingerprints, Analysis]) -> tuple[Fingerprints, Analysis]:
    return dataclasses.replace(each[0], age_lag=None), each[1]


def append(writer: DerivedWriter | SpooledWriter, uid: str, *pairs: tuple[Fingerprints, Analysis]) -> None:
    writer.open_run(Run(uid=uid, time=START))
    for f, a in pairs:
        writer.append(uid, [f], [a])


def holds(catalog: Catalog, uid: str, *expected: tuple[Fingerprints, Analysis]) -> None:
    for f, _ in expected:
        same(catalog.age_lag(uid, f.origin.seq_num), f.age_lag)


MIXED = ((20, 0.1), (64, 1 / 3), (6, 0.1), (40, 0.001), (20, 0.1))


def test_movies_of_any_length_and_frame_time_read_back_on_their_own_axes(
    catalog: Catalog, writer: DerivedWriter
) -> None:
    pairs = [pair("mixed", n, *movie) for n, movie in enumerate(MIXED, 1)]
    append(writer, "mixed", *pairs)
    holds(catalog, "mixed", *pairs)
    maps = catalog["xpcs", "mixed"]
    assert tuple(maps["age_lag"].dims) == ("measurement", "bin", "what", "age", "age_lag")
    metadata = maps.metadata
    # The axes that a reader without this package finds
    stored, lags = maps["age_lag"].read(), np.array(metadata["age_lags"]) * metadata["frame_time"][1]
    assert pairs[1][0].age_lag is not None
    np.testing.assert_allclose(lags, pairs[1][0].age_lag.lags)
    np.testing.assert_array_equal(stored[1, :, 0], pairs[1][0].age_lag.values)
    assert np.isnan(stored[0, ..., lags.searchsorted(7) :]).all()  # 20 frames have 17 lags, 64 have more
    assert maps.maps("age_lag", 2, 1).shape == (2, *pairs[1][0].age_lag.values.shape[1:])
    is_sound(catalog, "mixed")


def test_many_at_once_are_as_one_after_the_other(catalog: Catalog, writer: DerivedWriter) -> None:
    pairs = [pair("bulk", n, *movie) for n, movie in enumerate(MIXED, 1)]
    writer.open_run(Run(uid="bulk", time=START))
    writer.append("bulk", [f for f, _ in pairs], [a for _, a in pairs])
    holds(catalog, "bulk", *pairs)


def test_measurements_without_a_map_are_none(catalog: Catalog, writer: DerivedWriter) -> None:
    pairs = [without(pair("some", 1)), pair("some", 2), without(pair("some", 3, 64)), pair("some", 4, 64)]
    append(writer, "some", pairs[0])
    assert catalog.age_lag("some", 1) is None
    with pytest.raises(CatalogError, match="holds no age_lag; it holds c2, g2"):
        catalog.maps("some").maps("age_lag", 1)
    append(catalog.writer(MODEL), "some", *pairs[1:])
    holds(catalog, "some", *pairs)
    with pytest.raises(CatalogError, match="of no measurement 9"):
        catalog.age_lag("some", 9)


def test_two_writers_and_retakes_of_other_lengths(catalog: Catalog, writer: DerivedWriter) -> None:
    other = catalog.writer(MODEL)
    pairs = [pair("two", 1), pair("two", 2), pair("two", 3, 64), pair("two", 4)]
    for number, each in enumerate(pairs):
        append(other if number % 2 else writer, "two", each)
    holds(catalog, "two", *pairs)
    retaken = [pair("two", 1, 50, 0.02), pairs[1], without(pairs[2]), pairs[3]]
    for place in (0, 2):
        other.replace("two", [retaken[place][0]], [retaken[place][1]])
    holds(catalog, "two", *retaken)
    append(writer, "two", pair("two", 5, 60, 7.0))
    holds(catalog, "two", *retaken, pair("two", 5, 60, 7.0))


def test_other_sections_of_age_are_refused_before_anything_changes(catalog: Catalog, writer: DerivedWriter) -> None:
    append(writer, "sections", pair("sections", 1))
    f, a = pair("sections", 2)
    eight = aged(2, 20, 0.1, n_ages=8).age_lag
    for write in (writer.append, writer.replace):
        with pytest.raises(CatalogError, match="8 sections of age other than the 4"):
            write("sections", [dataclasses.replace(f, age_lag=eight)], [a])
    append(writer, "sections", (f, a))
    holds(catalog, "sections", pair("sections", 1), (f, a))
    is_sound(catalog, "sections")


@pytest.mark.timeout(400)
def test_whatever_interrupts_a_writer_the_next_attempt_goes_on(catalog: Catalog, mortal: Mortal) -> None:
    """It is killed before one and another request: at the first map of a run, and at a longer one."""
    survived, n_whole = 0, 0
    while n_whole < 2:
        uid, n_whole = f"killed-{survived}", 0
        start = without(pair(uid, 1))
        append(catalog.writer(MODEL), uid, start)
        first, longer, last = pair(uid, 2), pair(uid, 3, 64), pair(uid, 4, 40, 0.5)
        for before, new in (((start,), first), ((start, first), longer)):
            writer, mortal.left = catalog.writer(MODEL), survived
            with suppress(KilledError):
                append(writer, uid, new)
                n_whole += 1
            mortal.left = math.inf
            holds(catalog, uid, *before)
            if new is longer:  # what comes next is another one, of yet another length
                append(catalog.writer(MODEL), uid, last)
                holds(catalog, uid, *before, last)
            append(catalog.writer(MODEL), uid, new)
            holds(catalog, uid, *before, new)
        survived += FAULTS_APART
    assert survived > 5
    is_sound(catalog, "killed")


def test_a_map_that_waited_is_delivered(catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    each = pair("waited", 1)
    ageing = Ageing(rate=np.array([0.5, np.nan, 2.0]), rate_error=np.full(N_BINS, 0.1), one_tau=np.full(N_BINS, 0.3))
    each = dataclasses.replace(each[0], ageing=ageing), each[1]
    spooled = SpooledWriter(catalog.writer(MODEL), tmp_path / "unsent")

    def away(*_: object, **__: object) -> None:
        raise httpx.ConnectError("nobody answers")

    with monkeypatch.context() as patch:
        patch.setattr(catalog.tiled.context.http_client, "send", away)
        append(spooled, "waited", each)
    assert SpooledWriter(catalog.writer(MODEL), tmp_path / "unsent").flush() == 0
    holds(catalog, "waited", each)
    (found,) = catalog.model(MODEL.name).records("waited").fingerprints
    assert found.ageing is not None
    np.testing.assert_array_equal(found.ageing.rate, ageing.rate)
    np.testing.assert_array_equal(catalog.points(raw_uid="waited")["one_tau"], ageing.one_tau)


def test_a_run_that_was_begun_before_the_columns_gets_them(
    catalog: Catalog, writer: DerivedWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    ageing = Ageing(rate=np.full(N_BINS, 0.5), rate_error=np.full(N_BINS, 0.1), one_tau=np.full(N_BINS, 0.3))
    before = tuple(column for column in POINT_COLUMNS if ".ageing." not in column.field)
    with monkeypatch.context() as patch:
        for module in ("points", "point_layout"):
            patch.setattr(f"ainerd_agent.catalog.codec.{module}.POINT_COLUMNS", before)
        patch.setattr("ainerd_agent.catalog.write.points.POINT_COLUMNS", before)
        append(writer, "begun", without(pair("begun", 1)))
    assert "one_tau" not in catalog["ainerd", MODEL.name, "begun", "points"].columns
    assert catalog.points(raw_uid="begun", columns=["one_tau", "tau"])["one_tau"].isna().all()
    is_sound(catalog, "begun")
    f, a = pair("begun", 2)
    append(catalog.writer(MODEL), "begun", (dataclasses.replace(f, ageing=ageing), a))
    points = catalog.points(raw_uid="begun")
    assert points["ageing_rate"].isna().tolist() == [True] * N_BINS + [False] * N_BINS
    assert points["one_tau"].tolist()[N_BINS:] == [0.3] * N_BINS
    assert points["tau"].tolist() == [0.5] * 2 * N_BINS
    is_sound(catalog, "begun")


def test_an_array_that_was_made_but_not_named_is_taken_up(catalog: Catalog, writer: DerivedWriter) -> None:
    """A writer died between the two; other lags were to come in it."""
    first, second, third = without(pair("made", 1)), pair("made", 2), pair("made", 3, 64)
    append(writer, "made", first)
    catalog["xpcs", "made"].write_array(np.ones((2, N_BINS, 2, 4, 40), np.float32), key="age_lag")
    append(catalog.writer(MODEL), "made", second, third)
    holds(catalog, "made", first, second, third)
    is_sound(catalog, "made")


def test_an_exported_measurement_has_its_own_map(catalog: Catalog, writer: DerivedWriter, tmp_path: Path) -> None:
    pairs = [pair("exported", 1), without(pair("exported", 2)), pair("exported", 3, 64, 0.02)]
    append(writer, "exported", *pairs)
    files = catalog.model(MODEL.name).export("exported", tmp_path / "run.h5")
    for file, (f, _) in zip(files, pairs, strict=True):
        found = read_results(file).age_lag
        assert (found is None) is (f.age_lag is None)
        if found is not None and f.age_lag is not None:
            np.testing.assert_allclose(found.values, f.age_lag.values, rtol=1e-6)
            np.testing.assert_allclose(found.errors, f.age_lag.errors)
            np.testing.assert_allclose(found.lags, f.age_lag.lags)
            np.testing.assert_allclose(found.ages, f.age_lag.ages)


LABELS = np.repeat(np.arange(1, N_BINS + 1), 10)[:, None] * np.ones(24, dtype=int)
STRIPES = Partition(
    LABELS, LABELS, Bins(q=np.full(N_BINS, 0.02), azimuth=np.zeros(N_BINS), n_pixels=np.full(N_BINS, 240))
)


def speckle(n: int, n_frames: int, seed: int) -> np.ndarray:
    """Movies (n, n_frames, H, W) of speckle that renews itself within ten frames."""
    rng = np.random.default_rng(seed)
    field = rng.standard_normal((2, n, n_frames, *LABELS.shape))
    keep = np.exp(-1 / 10)
    for t in range(1, n_frames):
        field[:, :, t] = keep * field[:, :, t - 1] + np.sqrt(1 - keep**2) * field[:, :, t]
    return rng.poisson((field**2).sum(axis=0)).astype(np.uint16)


def test_a_live_run_has_what_its_frames_give(catalog: Catalog, tmp_path: Path) -> None:
    """Two streams of one run, whose movies differ in length and frame time; then by another model."""
    streams = {"primary": (speckle(2, 200, 1), 0.01), "longer": (speckle(1, 700, 2), 0.002)}
    made = MadeRun()
    for name, (movies, frame_time) in streams.items():
        path = write_hdf5(tmp_path / f"{name}.h5", movies.reshape(-1, *movies.shape[2:]))
        made.frame_time = frame_time
        made.stream(name, {"detector": array_key(movies.shape[1:], external="STREAM:")})
        resource = made.stream_asset(path)
        for k in range(len(movies)):
            made.rows(resource, name, k, k + 1)
            made.event(name, {}, T0 + 4.0 * k + 2.5)
    encoder = Encoder.load()
    model = dataclasses.replace(MODEL, name="live", n_clusters=len(encoder.clusters))
    callback = AnalysisCallback(
        Assembler(Settings()), lambda _: STRIPES, Analyst(encoder), catalog.writer(model), prefetch=False
    )
    for name, doc in validated(made.stop()):
        callback(name, doc)

    points = catalog.points("live", raw_uid=made.uid)
    assert len(points) == 3 * N_BINS
    for name, (movies, frame_time) in streams.items():
        for k, frames in enumerate(movies):
            stream = LIVE.stream(STRIPES, len(frames), None)
            stream.add(frames)
            direct = stream.result().age_lag
            assert direct is not None
            direct = direct.in_seconds(frame_time)
            found = catalog.age_lag(made.uid, k + 1, name)
            assert found is not None
            np.testing.assert_array_equal(found.lags, direct.lags)
            same(found, direct.record())
            rows = points[(points["stream"] == name) & (points["seq_num"] == k + 1)]
            fits = fit_ages(direct)
            assert np.isfinite(fits.ageing_rate).all()
            np.testing.assert_allclose(rows["ageing_rate"], fits.ageing_rate, rtol=1e-9)
            np.testing.assert_allclose(rows["one_tau"], fits.one_tau, rtol=1e-9)
    assert catalog.age_lag(made.uid, 1, "longer").lags[0] == 0.002  # type: ignore[union-attr]

    with encoders(catalog, encoder) as (pool, encode):
        (done,) = reprocess(catalog, encoder, pool, encode, source="live", raw_uid=made.uid)
    assert (done.written, done.problem) == (3, "")
    columns = ["stream", "seq_num", "bin", "ageing_rate", "ageing_rate_error", "one_tau"]
    again = catalog.points(encoder.name, raw_uid=made.uid)
    assert again[columns].equals(points[columns])
