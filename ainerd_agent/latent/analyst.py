"""Fingerprints to analysis: the one way for live, replayed and ingested maps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ainerd_agent.latent.atlas import Atlas
from ainerd_agent.latent.encoder import Encoder
from ainerd_agent.records import Analysis, Fingerprints, ShearStress


class Analyst:
    """Encodes measurements, assigns clusters, and tells how new they are against those before.

    Parameters
    ----------
    encoder : Encoder
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.atlas = Atlas(encoder.repeatability)

    def analyse(self, fingerprints: Sequence[Fingerprints], stresses: Sequence[ShearStress]) -> list[Analysis]:
        """Analyse measurements in order; each counts as seen for the next.

        Many at a time are encoded faster than one by one, with the same result.

        Raises
        ------
        MapError
            Maps that cannot be encoded; none of the measurements counts as seen then.
        """
        encoding = self.encoder.measure(np.concatenate([each.c2 for each in fingerprints]))
        cluster, distance = self.encoder.clusters.predict(encoding.latents)
        analyses, first = [], 0
        for each, stress in zip(fingerprints, stresses, strict=True):
            part = slice(first, first + len(each.bins))
            first = part.stop
            analyses.append(
                Analysis(
                    origin=each.origin,
                    latents=encoding.latents[part],
                    cluster=cluster[part],
                    centre_distance=distance[part],
                    novelty=self.atlas.add(encoding.latents[part], each.bins.azimuth, each.bins.q),
                    reconstruction_error=encoding.reconstruction_error[part],
                    stress=stress,
                )
            )
        return analyses
