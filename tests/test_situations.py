from tests.situations import PAGE, page, rows


def test_the_page_is_what_the_tests_say():
    assert PAGE.read_text() == page(), "write it again: python -m tests.situations"


def test_every_row_has_words_for_both():
    for what, happens, _ in rows():
        assert what
        assert happens
        assert "|" not in what + happens
