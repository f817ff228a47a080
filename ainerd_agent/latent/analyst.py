"""Fingerprints to analysis: the one way for live, replayed and ingested maps."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ainerd_agent.latent.atlas.atlas import Atlas
from ainerd_agent.latent.encoder import Encoder
from ainerd_agent.latent.encoding import Encoding
from ainerd_agent.latent.faults import Fault
from ainerd_agent.latent.reasons import Reasons, advice_for, reasons_of
from ainerd_agent.latent.short_lags import short_lags_or_none
from ainerd_agent.records import Analysis, Fingerprints, FloatArray, MapNoise, MapStack, ShearStress

NOT_FINITE = Fault("not finite: NaN or infinite values")

_log = logging.getLogger(__name__)

TELLS_LESS = (
    "has no kinds of dynamics and no probabilities of repeats: those columns stay empty, and its novelty is in "
    "one unit for all. Models from version 0.2 on do"
)
"""What is said of an older model."""


class Analyst:
    """Encodes measurements, assigns clusters, and tells how new they are against those before.

    Parameters
    ----------
    encoder : Encoder
        What it lacks, such as the kind of dynamics by a model of version 0.1, is None in the analyses; that is
        said once.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.atlas = Atlas(encoder.repeatability, repeats=encoder.repeats)
        self._advised: set[str] = set()
        if encoder.kinds is None or encoder.repeats is None:
            _log.info("The model %s %s", encoder.name, TELLS_LESS)

    def analyse(self, fingerprints: Sequence[Fingerprints], stresses: Sequence[ShearStress]) -> list[Analysis]:
        """Analyse measurements in order; each counts as seen for the next.

        But for those whose exposure ended early: they are compared with what was seen, and do not count as seen. What
        is measured again to its full count would not be new else.

        Many at a time are encoded faster than one by one, with the same result.

        Raises
        ------
        MapError
            Maps that cannot be encoded; none of the measurements counts as seen then.
        """
        maps = np.concatenate([each.c2 for each in fingerprints])
        contrast = np.concatenate([each.contrast for each in fingerprints])
        short = np.concatenate([short_lags_or_none(each.age_lag, each.contrast) for each in fingerprints])
        return self.judge(fingerprints, stresses, encoding_of(self.encoder, maps, contrast, short))

    def judge(
        self, fingerprints: Sequence[Fingerprints], stresses: Sequence[ShearStress], encoding: Encoding
    ) -> list[Analysis]:
        """As `analyse`, of maps whose `encoding_of` is known; the maps themselves are not looked at."""
        clusters = self.encoder.clusters
        cluster, distance = clusters.predict(encoding.latents)
        cluster_probability = clusters.probability(encoding.latents)
        taken = [each.origin.exposure.frames for each in fingerprints for _ in range(len(each.bins))]
        reasons = reasons_of(self.encoder, encoding, distance, taken)
        self._advise(fingerprints, reasons)
        unlike = None if reasons is None else np.array([bool(why) for why in reasons])
        kinds = None
        if self.encoder.kinds is not None:
            kinds = self.encoder.kinds.predict(encoding.latents, encoding.noise, unlike)
        analyses, first = [], 0
        for each, stress in zip(fingerprints, stresses, strict=True):
            part = slice(first, first + len(each.bins))
            first = part.stop
            newness = self.atlas.judge(
                encoding.latents[part],
                each.bins.azimuth,
                each.bins.q,
                noise=encoding.noise[part],
                joins=not each.origin.exposure.ended_early,
            )
            analyses.append(
                Analysis(
                    origin=each.origin,
                    latents=encoding.latents[part],
                    cluster=cluster[part],
                    centre_distance=distance[part],
                    novelty=newness.novelty,
                    reconstruction_error=encoding.reconstruction_error[part],
                    stress=stress,
                    unlike=None if unlike is None else unlike[part],
                    reasons=_in_words(reasons, part),
                    cluster_probability=None if cluster_probability is None else cluster_probability[part],
                    kind=None if kinds is None else kinds.kind[part],
                    kind_probability=None if kinds is None else kinds.probability[part],
                    repeat_probability=newness.repeat_probability,
                    noise=MapNoise.of(encoding.noise[part]),
                )
            )
        return analyses

    def _advise(self, fingerprints: Sequence[Fingerprints], reasons: Reasons | None) -> None:
        """Say it once a run: at every measurement nobody would read it."""
        advice = None if reasons is None else advice_for(reasons)
        runs = {each.origin.raw_uid for each in fingerprints} - self._advised
        if advice is not None and runs:
            self._advised |= runs
            _log.warning("Run %s: %s", ", ".join(sorted(runs)), advice)


def _in_words(reasons: Reasons | None, part: slice) -> tuple[str, ...] | None:
    """The reasons for the maps of one measurement; None where there are none at all."""
    told = () if reasons is None else tuple("; ".join(each) for each in reasons[part])
    return told if any(told) else None


def encoding_of(encoder: Encoder, maps: MapStack, contrast: FloatArray, short: FloatArray | None = None) -> Encoding:
    """Encode maps (n, size, size) of this package, with the contrast (n,) of their frames and short lags (n, N_SHORT).

    Where counts were too few for a contrast, it is estimated from the map. A map that is not finite counts as an empty
    one and is marked, so that it costs itself and not those beside it; `MapError` where none is finite.
    """
    known = np.where(contrast > 0, contrast, np.nan)
    useless = np.asarray(~np.isfinite(maps).all(axis=(1, 2)))
    if not useless.any() or useless.all():
        return encoder.measure(maps, contrast=known, short_lags=short)
    found = encoder.measure(np.where(useless[:, None, None], np.float32(0), maps), contrast=known, short_lags=short)
    pairs = zip(found.faults, useless, strict=True)
    return replace(found, faults=tuple((NOT_FINITE,) if bad else each for each, bad in pairs))
