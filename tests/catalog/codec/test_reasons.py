"""Why a map is unlike the training is told after what is said of the map itself."""

from hypothesis import given
from hypothesis import strategies as st

from ainerd_agent.catalog.codec.point_columns import UNLIKE, marked, own_and_reasons

WORDS = st.text(alphabet="abc ;:,'0123456789-").map(str.strip).filter(lambda text: UNLIKE not in text)


@given(
    own=WORDS.filter(lambda text: not text.endswith(";")), reasons=WORDS.filter(lambda text: not text.startswith(":"))
)
def test_problems_are_read_as_they_were_written(own, reasons):
    assert own_and_reasons("; ".join(filter(None, (own, marked(reasons))))) == (own, reasons)


def test_what_older_catalogs_say_has_no_reasons():
    assert own_and_reasons(f"signal to noise 1.2; {UNLIKE}") == ("signal to noise 1.2", "")
    assert own_and_reasons(UNLIKE) == ("", "")
