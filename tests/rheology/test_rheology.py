from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ainerd_agent.errors import MapError, RheologyError
from ainerd_agent.latent import load_latents
from ainerd_agent.records import RheometerSamples
from ainerd_agent.rheology import (
    cessation_time,
    order_slow_to_fast,
    read_rheology,
    relate,
    stress_during,
    stress_minima,
)

REAL = Path(__file__).resolve().parents[2] / ".." / "shared" / "real"
needs_real = pytest.mark.skipif(
    not (REAL / "ainerd_rheology.csv").is_file(), reason="the AI-NERD relaxation is not beside the project"
)


def samples(time, stress, rate=None, viscosity=None) -> RheometerSamples:
    time, stress = np.asarray(time, dtype=float), np.asarray(stress, dtype=float)
    rate = np.zeros_like(time) if rate is None else np.asarray(rate, dtype=float)
    viscosity = np.ones_like(time) if viscosity is None else np.asarray(viscosity, dtype=float)
    return RheometerSamples(time=time, shear_stress=stress, shear_rate=rate, viscosity=viscosity)


class TestStressDuring:
    def test_averages_the_readings_inside_with_both_ends(self):
        read = samples([0, 1, 2, 3, 4], [10, 20, 40, 60, 1000], rate=[5, 1, 2, 3, 5], viscosity=[9, 1, np.nan, 3, 9])
        stress = stress_during(read, 1.0, 3.0)
        assert stress.mean == pytest.approx(40.0)
        assert stress.std == pytest.approx(np.std([20, 40, 60]))
        assert stress.shear_rate == pytest.approx(2.0)
        assert stress.viscosity == pytest.approx(2.0)
        assert stress.n_samples == 3

    @pytest.mark.parametrize(("start", "stop", "expected"), [(1.2, 1.4, 20.0), (1.6, 1.9, 40.0), (4.5, 5.0, 1000.0)])
    def test_takes_the_nearest_reading_where_none_is_inside(self, start, stop, expected):
        stress = stress_during(samples([0, 1, 2, 3, 4], [10, 20, 40, 60, 1000]), start, stop)
        assert stress.mean == expected
        assert stress.n_samples == 0

    def test_is_unknown_beyond_the_tolerance(self):
        read = samples([0.0, 1.0], [10, 20])
        assert np.isnan(stress_during(read, 2.5, 3.0).mean)
        assert stress_during(read, 2.5, 3.0, tolerance=1.5).mean == 20

    def test_is_unknown_without_readings(self):
        stress = stress_during(RheometerSamples.empty(), 0.0, 1.0)
        assert np.isnan([stress.mean, stress.std, stress.shear_rate, stress.viscosity]).all()
        assert stress.n_samples == 0

    def test_passes_over_readings_without_a_stress(self):
        stress = stress_during(samples([0, 1, 2], [10, np.nan, 30]), 0, 2)
        assert stress.mean == pytest.approx(20.0)
        assert stress.n_samples == 2

    @given(
        readings=st.lists(
            st.tuples(st.floats(0, 100), st.floats(-1e6, 1e6, allow_subnormal=False)), min_size=1, max_size=30
        ),
        start=st.floats(-10, 110),
        length=st.floats(0, 50),
    )
    def test_stays_within_the_readings_it_used(self, readings, start, length):
        time, stress = np.array(sorted(readings)).T
        result = stress_during(samples(time, stress), start, start + length, tolerance=1.0)
        inside = stress[(time >= start) & (time <= start + length)]
        assert result.n_samples == len(inside)
        if np.isnan(result.mean):
            assert not len(inside)
            assert np.maximum(start - time, time - start - length).min() > 1.0
        else:
            used = inside if len(inside) else stress
            slack = 1e-9 * (1 + np.abs(used).max())
            assert used.min() - slack <= result.mean <= used.max() + slack
            assert 0 <= result.std <= np.ptp(used) + slack


class TestReadRheology:
    def write(self, folder: Path, text: str) -> Path:
        path = folder / "rheometer.csv"
        path.write_text(text)
        return path

    def test_reads_columns_in_any_order_and_sorts_by_time(self, tmp_path):
        path = self.write(
            tmp_path,
            "shear_stress,torque, time ,viscosity,shear_rate\n300,1,20,,0\n\n200,1,10,inf,0\n100,spare,0,50,2\n",
        )
        read = read_rheology(path)
        np.testing.assert_array_equal(read.time, [0, 10, 20])
        np.testing.assert_array_equal(read.shear_stress, [100, 200, 300])
        np.testing.assert_array_equal(read.shear_rate, [2, 0, 0])
        np.testing.assert_array_equal(read.viscosity, [50, np.inf, np.nan])

    def test_names_the_missing_columns(self, tmp_path):
        with pytest.raises(RheologyError, match=r"lacks the columns shear_rate, viscosity; it has: time, shear_stress"):
            read_rheology(self.write(tmp_path, "time,shear_stress\n0,1\n"))

    @pytest.mark.parametrize("wrong", ["high", "", "nan"])
    def test_names_the_line_that_is_not_a_number(self, tmp_path, wrong):
        text = f"time,shear_rate,shear_stress,viscosity\n0,1,2,3\n\n1,1,{wrong},3\n"
        with pytest.raises(RheologyError, match="line 4: shear_stress"):
            read_rheology(self.write(tmp_path, text))

    def test_names_the_line_that_ends_early(self, tmp_path):
        with pytest.raises(RheologyError, match="line 2: shear_stress"):
            read_rheology(self.write(tmp_path, "time,shear_rate,shear_stress,viscosity\n0,1\n"))

    @pytest.mark.parametrize(
        ("text", "message"), [("", "it has: none"), ("time,shear_rate,shear_stress,viscosity\n", "no readings")]
    )
    def test_refuses_an_empty_table(self, tmp_path, text, message):
        with pytest.raises(RheologyError, match=message):
            read_rheology(self.write(tmp_path, text))

    def test_refuses_what_is_not_text(self, tmp_path):
        path = tmp_path / "rheometer.csv"
        path.write_bytes(bytes(range(256)))
        with pytest.raises(RheologyError, match="not a text file"):
            read_rheology(path)

    def test_refuses_what_is_not_there(self, tmp_path):
        with pytest.raises(RheologyError, match="There is no rheometer table"):
            read_rheology(tmp_path / "nowhere.csv")
        with pytest.raises(RheologyError, match="cannot be read"):
            read_rheology(tmp_path)


class TestCessationTime:
    def test_is_the_last_reading_of_the_flow(self):
        assert cessation_time(samples([0, 1, 2, 3, 4], np.ones(5), rate=[30, -100, 1.5, 0.5, 1e-7])) == 2

    def test_needs_a_flow(self):
        with pytest.raises(RheologyError, match="no flow"):
            cessation_time(samples([0, 1], [1, 1]))
        with pytest.raises(RheologyError, match="no flow"):
            cessation_time(RheometerSamples.empty())

    def test_needs_its_end(self):
        with pytest.raises(RheologyError, match=r"still flowed at the last rheometer reading \(1 s\)"):
            cessation_time(samples([0, 1], [1, 1], rate=[3, 3]))


class TestStressMinima:
    time = np.arange(0.0, 1000.0, 5.0)

    def curve(self, time, *dips, depth=5.0):
        return 100 + 50 * np.exp(-time / 60) - sum(depth * np.exp(-(((time - dip) / 25) ** 2)) for dip in dips)

    def test_finds_dips_in_a_noisy_relaxation(self):
        noise = np.random.default_rng(1).normal(0, 0.2, len(self.time))
        found = stress_minima(samples(self.time, self.curve(self.time, 400, 700) + noise), after=0)
        np.testing.assert_allclose(found, [400, 700], atol=10)

    def test_finds_them_in_uneven_readings(self):
        generator = np.random.default_rng(2)
        time = np.sort(np.concatenate([generator.uniform(0, 200, 200), generator.uniform(200, 1000, 100)]))
        stress = self.curve(time, 400, 700) + generator.normal(0, 0.2, len(time))
        np.testing.assert_allclose(stress_minima(samples(time, stress), after=0), [400, 700], atol=20)

    @pytest.mark.parametrize("n", [50, 500, 5000])
    def test_finds_nothing_in_noise(self, n):
        generator = np.random.default_rng(n)
        for _ in range(20):
            time = np.sort(generator.uniform(0, n, n))
            assert not len(stress_minima(samples(time, 80 + generator.normal(0, 3, n)), after=-1))

    def test_finds_nothing_where_the_stress_only_falls(self):
        time = np.concatenate([np.arange(0, 10, 0.1), np.arange(10, 1000, 7)])
        assert not len(stress_minima(samples(time, self.curve(time)), after=-1))
        assert not len(stress_minima(samples(time, np.full_like(time, 3.3)), after=-1))

    def test_ignores_what_came_before(self):
        read = samples(self.time, self.curve(self.time, 400, 700))
        np.testing.assert_allclose(stress_minima(read, after=500), [700], atol=5)

    def test_copes_with_few_readings(self):
        assert stress_minima(RheometerSamples.empty(), after=0).shape == (0,)
        assert stress_minima(samples([1, 2, 3, 4], [3, 1, 3, 1]), after=0).shape == (0,)

    @needs_real
    def test_finds_the_four_minima_of_the_real_relaxation(self):
        read = read_rheology(REAL / "ainerd_rheology.csv")
        stopped = cessation_time(read)
        assert stopped == 199
        # The first is the shallowest (0.56 Pa, seven times the noise); the drift later on stays below 0.3 Pa.
        np.testing.assert_allclose(stress_minima(read, after=stopped), [549, 799, 1059, 1719])


class TestOrder:
    def test_puts_late_clusters_first_along_the_main_direction(self):
        centres = np.array([[0.0, 0.1], [10.0, 0.0], [5.0, -0.1]])
        cluster = np.array([0, 0, 2, 2, 1, 1])
        rising = np.arange(6.0)
        np.testing.assert_array_equal(order_slow_to_fast(centres, cluster, rising), [1, 2, 0])
        np.testing.assert_array_equal(order_slow_to_fast(centres, cluster, -rising), [0, 2, 1])

    def test_uses_time_for_the_direction_only(self):
        # Cluster 2 lies between the others, though on average it comes last.
        centres = np.array([[0.0], [10.0], [6.0]])
        cluster = np.array([0] * 20 + [1] * 20 + [2])
        time = np.array([0.0] * 20 + [50.0] * 20 + [100.0])
        np.testing.assert_array_equal(order_slow_to_fast(centres, cluster, time), [1, 2, 0])


class TestRelate:
    @pytest.fixture
    def aging(self):
        """Latents that drift along one direction for 10 times x 4 bins, and a rheometer that stops at 20 s."""
        generator = np.random.default_rng(3)
        times, bins = np.repeat(np.arange(10) * 10.0, 4), np.tile(np.arange(1, 5), 10)
        stages = np.minimum(times // 34, 2)
        latents = np.outer(stages, np.ones(64)) + generator.normal(0, 0.05, (40, 64))
        clock = np.arange(0.0, 101.0)
        rheometer = samples(clock, 200 - clock, rate=np.where(clock <= 20, 30.0, 0.0))
        return latents, times, bins, rheometer

    def test_joins_clusters_and_stress(self, aging):
        latents, times, bins, rheometer = aging
        relation = relate(latents, times, bins, rheometer, n_clusters=3)
        assert relation.time_offset == 20
        assert relation.n_clusters == 3
        np.testing.assert_array_equal(relation.cluster, 2 - np.minimum(times // 34, 2))
        within = times + 20 <= 100
        np.testing.assert_allclose(relation.shear_stress[within], 200 - (times[within] + 20))
        assert np.isnan(relation.shear_stress[~within]).all()
        np.testing.assert_allclose(relation.samples.time, rheometer.time - 20)

    def test_takes_the_given_offset(self, aging):
        relation = relate(*aging, n_clusters=2, time_offset=5.0)
        assert relation.time_offset == 5
        assert relation.shear_stress[0] == pytest.approx(195.0)

    def test_gives_minima_in_xpcs_time(self, aging):
        *points, rheometer = aging
        dip = rheometer.shear_stress - 30 * np.exp(-(((rheometer.time - 60) / 5) ** 2))
        relation = relate(*points, samples(rheometer.time, dip, rheometer.shear_rate), n_clusters=2)
        np.testing.assert_allclose(relation.minima, [40], atol=2)

    def test_makes_a_table(self, aging):
        frame = relate(*aging, n_clusters=3).to_frame()
        assert list(frame.columns) == ["start_time_s", "azimuthal_bin", "cluster", "shear_stress"]
        assert len(frame) == 40
        assert frame["azimuthal_bin"].dtype.kind == frame["cluster"].dtype.kind == "i"

    def test_refuses_what_cannot_be_related(self, aging):
        latents, times, bins, rheometer = aging
        with pytest.raises(MapError, match=r"shapes are \(40, 64\), \(39,\) and \(40,\)"):
            relate(latents, times[1:], bins, rheometer)
        with pytest.raises(MapError, match="40 different latents cannot form 41 clusters"):
            relate(latents, times, bins, rheometer, n_clusters=41)
        with pytest.raises(RheologyError, match="5000 to 5090 s of the rheometer are needed"):
            relate(latents, times, bins, rheometer, time_offset=5000)
        with pytest.raises(RheologyError, match="no shear stress"):
            relate(latents, times, bins, RheometerSamples.empty(), time_offset=0)

    @needs_real
    def test_shows_the_slowing_down_of_the_real_relaxation(self):
        latents, times, bins = load_latents(REAL / "ainerd_rheo_latents.npz")
        relation = relate(latents, times, bins, read_rheology(REAL / "ainerd_rheology.csv"))
        np.testing.assert_allclose(relation.minima, [350, 600, 860, 1520])
        early = relation.start_time < 300
        assert (relation.cluster[early] == 4).all()
        assert np.mean(relation.cluster[relation.start_time > 2000]) < 2.5
        # The paper's Fig. 3C: dynamics first slow down in the flow direction, not in the vorticity direction.
        onset = (relation.start_time > 300) & (relation.start_time < 850)
        flow = np.isin(relation.azimuthal_bin, [5, 14])
        vorticity = np.isin(relation.azimuthal_bin, [1, 9, 10, 18])
        assert relation.cluster[onset & flow].mean() < relation.cluster[onset & vorticity].mean() - 0.3


class TestLoadLatents:
    def save(self, folder: Path, **changed) -> Path:
        arrays = {
            "latents": np.zeros((6, 64), np.float32),
            "start_time_s": np.arange(6.0),
            "azimuthal_bin": np.arange(6),
        }
        path = folder / "latents.npz"
        np.savez(path, **{name: array for name, array in (arrays | changed).items() if array is not None})
        return path

    def test_reads_what_was_saved(self, tmp_path):
        latents, times, bins = load_latents(self.save(tmp_path, start_time_s=np.arange(6, dtype=np.int16)))
        assert (latents.shape, latents.dtype) == ((6, 64), np.float32)
        assert (times.dtype, bins.dtype) == (np.float64, np.int64)
        np.testing.assert_array_equal(times, np.arange(6))

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"azimuthal_bin": None}, "lacks the array azimuthal_bin; it has: latents, start_time_s"),
            ({"latents": np.zeros((5, 64))}, r"the shapes are \(5, 64\), \(6,\) and \(6,\)"),
            ({"latents": np.zeros(6)}, r"the shapes are \(6,\)"),
            ({"latents": np.full((6, 64), np.nan)}, "latents in .* has 384 values that are not finite"),
            ({"start_time_s": np.array(list("abcdef"))}, "start_time_s in .* not numbers"),
            ({"latents": np.array([[{}] * 64] * 6)}, "plain arrays"),
        ],
    )
    def test_says_what_is_wrong(self, tmp_path, changed, message):
        with pytest.raises(MapError, match=message):
            load_latents(self.save(tmp_path, **changed))

    def test_refuses_what_is_not_a_whole_archive(self, tmp_path):
        path = self.save(tmp_path)
        content = path.read_bytes()
        for damaged in (b"", b"time,stress\n", content[: len(content) // 2]):
            path.write_bytes(damaged)
            with pytest.raises(MapError, match=r"not a whole \.npz file"):
                load_latents(path)
        spoilt = bytearray(content)
        spoilt[600] ^= 0xFF
        path.write_bytes(spoilt)
        with pytest.raises(MapError, match=r"not a whole \.npz file"):
            load_latents(path)

    def test_refuses_other_files(self, tmp_path):
        with pytest.raises(MapError, match="There is no file of latents"):
            load_latents(tmp_path / "nowhere.npz")
        np.save(tmp_path / "bare.npy", np.zeros((6, 64)))
        with pytest.raises(MapError, match="one bare array"):
            load_latents(tmp_path / "bare.npy")


def test_a_minimum_after_a_sudden_drop_is_the_lowest_reading() -> None:
    """An avalanche: the stress falls within one reading and builds up again slowly."""
    time = np.arange(60.0)
    stress = np.full(60, 100.0)
    stress[30:] -= 12 * np.exp(-(time[30:] - 30) / 8)
    nothing = np.zeros(60)
    np.testing.assert_array_equal(stress_minima(RheometerSamples(time, stress, nothing, nothing), after=0.0), [30.0])
