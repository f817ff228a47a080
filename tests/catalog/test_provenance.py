from __future__ import annotations

import platform

from ainerd_agent.catalog.provenance import credit, maker_of


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
