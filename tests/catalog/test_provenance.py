from __future__ import annotations

import platform

from hypothesis import given
from hypothesis import strategies as st

from ainerd_agent.catalog.provenance import credit, maker_of, withdrawn


def test_each_measurement_is_credited_once() -> None:
    made = credit([], 0, 1.0)
    assert made == []
    made = credit(made, 2, 5.0)
    assert [(entry["begin"], entry["end"], entry["n_measurements"]) for entry in made] == [(5.0, 5.0, 2)]
    assert made[0]["machine"] == platform.node()
    assert "numpy " in made[0]["packages"]
    assert credit(made, 2, 9.0) == made
    (entry,) = credit(made, 3, 9.0)
    assert (entry["begin"], entry["end"], entry["n_measurements"]) == (5.0, 9.0, 3)


def test_another_machine_is_another_entry() -> None:
    made = [{**credit([], 2, 1.0)[0], "machine": "elsewhere"}]
    made = credit(made, 3, 4.0)
    assert [entry["n_measurements"] for entry in made] == [2, 1]
    assert [maker_of(made, place)["machine"] for place in range(3)] == ["elsewhere"] * 2 + [platform.node()]
    assert maker_of((), 0) == {}
    assert maker_of(made, 3) == {}


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.data())
def test_who_made_the_others_stays_credited_with_them(counts: list[int], data: st.DataObject) -> None:
    made = [{"machine": str(place), "n_measurements": count} for place, count in enumerate(counts)]
    places = data.draw(st.sets(st.integers(0, sum(counts) - 1)))
    before = [maker_of(made, place)["machine"] for place in range(sum(counts))]
    left = withdrawn(made, places)
    expected = [machine for place, machine in enumerate(before) if place not in places]
    assert [maker_of(left, place)["machine"] for place in range(len(expected))] == expected
    assert sum(entry["n_measurements"] for entry in left) == len(expected)
    assert [entry["n_measurements"] for entry in made] == counts
