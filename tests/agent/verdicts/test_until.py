import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ainerd_agent.agent.verdicts.until import Until

errors = st.none() | st.floats(0.001, 0.9)


@given(
    tau=errors,
    contrast=errors,
    share=st.floats(0.01, 1),
    damaged=st.sampled_from(["warn", "stop", "ignore"]),
    looks=st.sets(st.floats(0.001, 1), min_size=1, max_size=5).map(lambda shares: tuple(sorted(shares))),
)
def test_it_comes_back_from_a_start_document(tau, contrast, share, damaged, looks):
    until = Until(tau=tau, contrast=contrast, share=share, damaged=damaged, looks=looks)
    assert Until.from_plain(json.loads(json.dumps(until.as_plain()))) == until


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"tau": 0.0}, "relative error of tau"),
        ({"tau": float("nan")}, "relative error of tau"),
        ({"contrast": 1.5}, "relative error of contrast"),
        ({"share": 0.0}, "share of bins"),
        ({"damaged": "shrug"}, "warn, stop, ignore"),
        ({"drift": -1.0}, "drift"),
        ({"looks": ()}, "rising shares"),
        ({"looks": (0.5, 0.2)}, "rising shares"),
        ({"looks": (0.5, 1.5)}, "rising shares"),
    ],
)
def test_what_cannot_be_meant_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        Until(**given)


def test_what_is_no_request_is_refused():
    with pytest.raises(ValueError, match="cannot be read"):
        Until.from_plain({"precision": 0.1})
