"""What a model has to reach."""

import re

import pytest

from ainerd_agent.latent.release_gate import refusal


def test_a_model_that_reaches_both_passes():
    assert refusal("good", auc=0.95, retrieval=0.26, g2=0.23) is None


@pytest.mark.parametrize(
    ("figures", "reason"),
    [
        ({"auc": 0.949, "retrieval": 0.3, "g2": 0.2}, "AUC on pairs of one g2 is 0.949"),
        ({"auc": 0.99, "retrieval": 0.24, "g2": 0.23}, "leak-free retrieval is 0.240, \\+0.010 from the 0.230"),
        ({"auc": float("nan"), "retrieval": 0.3, "g2": 0.2}, "AUC on pairs of one g2 is nan"),
        ({"auc": 0.99, "retrieval": float("nan"), "g2": 0.2}, "leak-free retrieval is nan"),
    ],
)
def test_another_is_refused_in_one_sentence(figures, reason):
    said = refusal("bad", **figures)
    assert said is not None
    assert re.search(reason, said)
    assert "\n" not in said
