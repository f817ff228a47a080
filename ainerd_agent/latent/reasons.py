"""Why maps are marked: what is wrong with them, and what the model does not know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ainerd_agent.latent.encoder import Encoder
from ainerd_agent.latent.encoding import Encoding
from ainerd_agent.latent.familiarity import CANNOT_DRAW, FAR
from ainerd_agent.records import FloatArray

Reasons = Sequence[tuple[str, ...]]
"""Of each map, in words; none, as a rule."""


def reasons_of(
    encoder: Encoder, encoding: Encoding, distance: FloatArray, n_frames: Sequence[int | None] | None = None
) -> Reasons | None:
    """Why each map is marked; None where neither the maps nor limits of the model were looked at.

    Parameters
    ----------
    encoder : Encoder
        Without limits of its own, reasons come from the maps alone.
    encoding : Encoding
    distance : ndarray, shape (n,)
        Of the latents to the centres.
    n_frames : sequence of int or None, optional
        Of the movie that each map was made of: frames are numbered in it. Otherwise they are rows of the map.
    """
    limits = encoder.familiarity
    if limits is None and not encoding.faults:
        return None
    frames = [None] * len(distance) if n_frames is None else n_frames
    faults = encoding.faults or ((),) * len(distance)
    own = [
        tuple(fault.words(encoding.side, taken) for fault in each) for each, taken in zip(faults, frames, strict=True)
    ]
    unknown = ((),) * len(distance) if limits is None else limits.reasons(encoding.excess, distance)
    return [(*told, *new) for told, new in zip(own, unknown, strict=True)]


def advice_for(reasons: Reasons) -> str | None:
    """Advice for the log, where some maps are marked."""
    marked = [each for each in reasons if each]
    if not marked:
        return None
    told = ", ".join(
        f"{reason} ({count} map{'s' if count > 1 else ''})"
        for reason, count in Counter(reason for each in marked for reason in each).most_common()
    )
    advice = (
        f"{len(marked)} of {len(reasons)} maps are marked: {told}. Do not trust their clusters and neighbours, "
        "and look at the maps."
    )
    if any(reason in (CANNOT_DRAW, FAR) for each in marked for reason in each):
        advice += " If such maps are sound, fine-tune the model on them: ainerd train --from MODEL"
    return advice
