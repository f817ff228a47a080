"""Fingerprints to analysis: the one way for live, replayed and ingested maps."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from ainerd_agent.latent.atlas.atlas import Atlas
from ainerd_agent.latent.encoder import Encoder, Encoding
from ainerd_agent.records import Analysis, Fingerprints, FloatArray, MapStack, ShearStress

_log = logging.getLogger(__name__)

TELLS_LESS = (
    "does not tell the kind of dynamics and how probable a repeat is: those columns stay empty, and its novelty is in "
    "one unit for all. Models from version 0.2 on do"
)
"""What is said of an older model."""


class Analyst:
    """Encodes measurements, assigns clusters, and tells how new they are against those before.

    Parameters
    ----------
    encoder : Encoder
        What it does not tell, such as the kind of dynamics by a model of version 0.1, is None in the analyses; that is
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

        Many at a time are encoded faster than one by one, with the same result.

        Raises
        ------
        MapError
            Maps that cannot be encoded; none of the measurements counts as seen then.
        """
        maps = np.concatenate([each.c2 for each in fingerprints])
        contrast = np.concatenate([each.contrast for each in fingerprints])
        return self.judge(fingerprints, stresses, encoding_of(self.encoder, maps, contrast))

    def judge(
        self, fingerprints: Sequence[Fingerprints], stresses: Sequence[ShearStress], encoding: Encoding
    ) -> list[Analysis]:
        """As `analyse`, of maps whose `encoding_of` is known; the maps themselves are not looked at."""
        clusters = self.encoder.clusters
        cluster, distance = clusters.predict(encoding.latents)
        cluster_probability = clusters.probability(encoding.latents)
        unlike = None
        if (limits := self.encoder.familiarity) is not None:
            unlike = limits.unlike(encoding.misfit, distance)
            self._advise(fingerprints, limits.advice(encoding.misfit, distance))
        kinds = None
        if self.encoder.kinds is not None:
            kinds = self.encoder.kinds.predict(encoding.latents, encoding.noise, unlike)
        analyses, first = [], 0
        for each, stress in zip(fingerprints, stresses, strict=True):
            part = slice(first, first + len(each.bins))
            first = part.stop
            newness = self.atlas.judge(
                encoding.latents[part], each.bins.azimuth, each.bins.q, noise=encoding.noise[part]
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
                    cluster_probability=None if cluster_probability is None else cluster_probability[part],
                    kind=None if kinds is None else kinds.kind[part],
                    kind_probability=None if kinds is None else kinds.probability[part],
                    repeat_probability=newness.repeat_probability,
                )
            )
        return analyses

    def _advise(self, fingerprints: Sequence[Fingerprints], advice: str | None) -> None:
        """Say it once a run: at every measurement nobody would read it."""
        runs = {each.origin.raw_uid for each in fingerprints} - self._advised
        if advice is not None and runs:
            self._advised |= runs
            _log.warning("Run %s: %s", ", ".join(sorted(runs)), advice)


def encoding_of(encoder: Encoder, maps: MapStack, contrast: FloatArray) -> Encoding:
    """Encode maps (n, size, size) of this package, whose contrast (n,) their frames told.

    Where counts were too few to tell, the map has to.
    """
    return encoder.measure(maps, contrast=np.where(contrast > 0, contrast, np.nan))
