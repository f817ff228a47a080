"""What a model has to reach before it is shipped."""

from __future__ import annotations

LEAST_AUC = 0.95
"""Mean over the kinds of `ainerd_agent.latent.same_g2`."""

LEAST_OVER_G2 = 0.02
"""R-precision above that of the discriminant of g2, on the same experiments and archive."""


def refusal(model: str, *, auc: float, retrieval: float, g2: float) -> str | None:
    """Why a model must not be shipped, in one sentence; None where it may.

    Parameters
    ----------
    model : str
    auc : float
        Mean AUC of pairs of one g2.
    retrieval, g2 : float
        Leak-free R-precision of the model, and of the discriminant of g2. NaN is refused.
    """
    reasons = []
    if not auc >= LEAST_AUC:
        reasons.append(f"its AUC on pairs of one g2 is {auc:.3f} and must be {LEAST_AUC} or more")
    if not retrieval - g2 >= LEAST_OVER_G2:
        reasons.append(
            f"its leak-free retrieval is {retrieval:.3f}, {retrieval - g2:+.3f} from the {g2:.3f} of g2's "
            f"discriminant, and must be {LEAST_OVER_G2} or more above"
        )
    return f"{model} must not be shipped: {'; '.join(reasons)}" if reasons else None
