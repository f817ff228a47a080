"""The columns of the table `points`: to add one, add it here, and its field to a record."""

from __future__ import annotations

from typing import Any

from ainerd_agent.catalog.codec.columns import INTEGER, NUMBER, SMALL_INTEGER, TEXT, TRUTH, Column

UNLIKE = "unlike the maps that the model was trained on"
"""Ends what is said of a map's problems; after it come the reasons, where they are known."""


def marked(reasons: str) -> str:
    """What is said of a map that is unlike the training."""
    return f"{UNLIKE}: {reasons}" if reasons else UNLIKE


def own_and_reasons(problems: str) -> tuple[str, str]:
    """What is said of a map itself, and why it is unlike the training: the inverse of joining both by a semicolon."""
    own, _, reasons = problems.rpartition(UNLIKE)
    return own.removesuffix("; "), reasons.removeprefix(": ")


"""In `problems`, of a map whose cluster and neighbours cannot be trusted."""

NOT_FITTED = "not fitted"
"""In `fit_problems`, of a measurement whose g2 was not fitted."""


def _of_measurement(name: str, meaning: str, field: str, units: str = "", **more: Any) -> Column:
    about: dict[str, Any] = {"kind": NUMBER, "name": name, "meaning": meaning, "field": field, "units": units}
    return Column(**(about | more))


def _of_bins(name: str, meaning: str, field: str, units: str = "", **more: Any) -> Column:
    return _of_measurement(name, meaning, field, units, per_bin=True, **more)


_FITS = tuple(
    _of_bins(f"fit_{name}", meaning, f"fingerprints.relaxations.{name}", units, since="1.2")
    for name, meaning, units in (
        ("tau", "relaxation time of the field, g1, fitted to g2 of the map", "s"),
        ("tau_error", "standard uncertainty of `fit_tau`", "s"),
        ("exponent", "of the fit: below 1 stretched, above 1 compressed", ""),
        ("exponent_error", "standard uncertainty of `fit_exponent`", ""),
        ("contrast", "of the fit, at lag 0", ""),
        ("contrast_error", "standard uncertainty of `fit_contrast`", ""),
        ("baseline", "of the fit, 1 where nothing correlates", ""),
        ("baseline_error", "standard uncertainty of `fit_baseline`", ""),
    )
)

_AGEING = tuple(
    _of_bins(name, meaning, f"fingerprints.ageing.{field}", units, optional=True, since="2.0")
    for name, field, units, meaning in (
        ("ageing_rate", "rate", "1/s", "d(ln tau) / d(age) of fits at each age, positive where the dynamics slow down"),
        ("ageing_rate_error", "rate_error", "1/s", "standard uncertainty of `ageing_rate`"),
        (
            "one_tau",
            "one_tau",
            "",
            "probability of such fits if there is one relaxation time: small where not",
        ),
    )
)

_NOISE = tuple(
    _of_bins(
        f"noise_{name}", f"logarithm of the noise of the map {where}, in units of the contrast",
        f"analysis.noise.{name}", optional=True, since="2.0",
    )
    for name, where in (
        ("near", "at short lags"),
        ("far", "at long lags"),
        ("near_4", "at short lags, of means over 4 x 4 pixels"),
        ("far_4", "at long lags, of means over 4 x 4 pixels"),
        ("near_16", "at short lags, of means over 16 x 16 pixels"),
        ("far_16", "at long lags, of means over 16 x 16 pixels"),
        ("frames", "that whole rows share"),
    )
)  # fmt: skip
"""The latest columns: the table of a run that was begun before them is written anew with its next measurement."""

POINT_COLUMNS = (
    # Which point it is, and where and when it was measured.
    _of_measurement("raw_uid", "run, the key in /raw and /xpcs", "origin.raw_uid", kind=TEXT),
    _of_measurement("stream", "stream of its events", "origin.stream", kind=TEXT, since="2.0"),
    _of_measurement("seq_num", "number of its first event in that stream, from 1", "origin.seq_num", kind=INTEGER),
    _of_measurement(
        "last_seq_num", "number of its last event, the same where it is one", "origin.last_seq_num", kind=INTEGER,
        since="2.0",
    ),
    Column(name="bin", kind=SMALL_INTEGER, meaning="azimuthal bin, from 1"),
    _of_measurement("time", "start of the exposure, since 1970-01-01 UTC", "origin.start", "s"),
    _of_measurement("stop", "end of the exposure, since 1970-01-01 UTC", "origin.stop", "s", since="2.0"),
    _of_measurement("elapsed", "from the start of the run to the start of the exposure", "origin.elapsed", "s"),
    # How long was counted.
    _of_measurement(
        "frames", "frames that were taken", "origin.exposure.frames", kind=INTEGER, optional=True, since="2.0"
    ),
    _of_measurement(
        "frame_time", "from one frame to the next", "origin.exposure.frame_time", "s", optional=True,
        since="2.0",
    ),
    _of_measurement(
        "seconds_counted", "how long was counted", "origin.exposure.counted", "s", optional=True,
        since="2.0",
    ),
    _of_measurement(
        "seconds_planned", "how long was to be counted", "origin.exposure.planned", "s", optional=True,
        since="2.0",
    ),
    _of_measurement(
        "ended", "why the exposure ended: planned, converged, recognised, damaged, stopped", "origin.exposure.ended",
        kind=TEXT, since="2.0",
    ),
    _of_measurement(
        "look", "at which look it was ended, from 1; null for one that came to its end", "origin.exposure.look",
        kind=INTEGER, optional=True, since="2.0",
    ),
    _of_measurement("duration", "what a side of the map spans", "fingerprints.duration", "s", since="2.0"),
    # Which bin it is.
    _of_bins("q", "mean momentum transfer of the bin", "fingerprints.bins.q", "1/nm"),
    _of_bins("azimuth", "centre of the bin, from the detector's +x towards +y", "fingerprints.bins.azimuth", "deg"),
    # What the model says.
    _of_bins("cluster", "kind of dynamics by rate, 0 is the slowest", "analysis.cluster", kind=SMALL_INTEGER),
    _of_bins(
        "cluster_probability", "that a repeat falls into the same cluster", "analysis.cluster_probability",
        optional=True, since="2.0",
    ),
    _of_bins(
        "kind", "kind of dynamics: equilibrium, ageing, intermittent, oscillating, flowing, unknown", "analysis.kind",
        kind=TEXT, optional=True, since="2.0",
    ),
    _of_bins(
        "kind_probability", "of that kind, or of the likeliest where it is unknown", "analysis.kind_probability",
        optional=True, since="2.0",
    ),
    _of_bins(
        "centre_distance", "distance of the latent vector to the centre of its cluster", "analysis.centre_distance"
    ),
    _of_bins(
        "novelty", "distance to the nearest latent seen before, in units of what repeats have there",
        "analysis.novelty",
    ),
    _of_bins(
        "repeat_probability", "that a repeat of the nearest map seen before lies as far away",
        "analysis.repeat_probability",
        optional=True, since="2.0",
    ),
    _of_bins("reconstruction_error", "mean squared difference of map and reconstruction",
        "analysis.reconstruction_error",),
    _of_bins(
        "unlike", "whether the map is unlike all that the model was trained on", "analysis.unlike", kind=TRUTH,
        optional=True, since="2.0",
    ),
    _of_measurement(
        "recognised_as", "what the measurement was taken for, where it ended for that", "analysis.recognised_as",
        kind=TEXT, since="2.0",
    ),
    _of_measurement("p_new", "probability that it would have been new", "analysis.p_new", since="2.0"),
    # The rheometer.
    _of_measurement("shear_stress", "mean over the exposure", "analysis.stress.mean", "Pa"),
    _of_measurement("shear_stress_std", "standard deviation over the exposure", "analysis.stress.std", "Pa"),
    _of_measurement("shear_rate", "mean over the exposure", "analysis.stress.shear_rate", "1/s"),
    _of_measurement("viscosity", "mean over the exposure", "analysis.stress.viscosity", "Pa s"),
    _of_measurement(
        "stress_samples", "readings within the exposure, 0 where the nearest one was used", "analysis.stress.n_samples",
        kind=INTEGER, default=0, since="2.0",
    ),
    # What the map says.
    _of_bins("tau", "until C2, averaged over age, has fallen to 1/e of the contrast", "fingerprints.tau", "s"),
    _of_bins("contrast", "C2 at the shortest lag", "fingerprints.contrast"),
    _of_bins("mean_counts", "photons per pixel and frame", "fingerprints.mean_counts", since="1.1"),
    _of_bins(
        "snr", "contrast in standard deviations of the noise of a point of the map", "fingerprints.quality.snr",
        since="1.1",
    ),
    _of_measurement(
        "bad_share", "share of the frames that were left out", "fingerprints.quality.bad_share", since="1.1"
    ),
    _of_measurement(
        "intensity_drift", "relative change of the intensity over the exposure", "fingerprints.quality.drift",
        since="1.1",
    ),
    _of_bins(
        "problems",
        "what is doubtful about the map or its labels, or was left out or corrected, in words; empty where nothing is",
        "fingerprints.quality.problems", kind=TEXT, since="1.1",
    ),
    *_FITS,
    _of_bins(
        "fit_problems", "why the fit or its errors cannot be trusted, in words; empty for a good one",
        "fingerprints.relaxations.problems", kind=TEXT, default=NOT_FITTED, since="1.2",
    ),
    *_AGEING,
    *_NOISE,
)  # fmt: skip
