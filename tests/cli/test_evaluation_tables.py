"""What `ainerd evaluate` prints."""

from pathlib import Path

import pytest
from rich.console import Console

from ainerd_agent.cli.evaluation_tables import DAMAGES_IN_WORDS, FIGURES_IN_WORDS, evaluation_tables
from ainerd_agent.latent.damage import DAMAGES
from ainerd_agent.workflows.evaluate import Evaluation


def printed(figures, on_card=None):
    found = Evaluation(
        model="mine", weights_sha256="0" * 64, figures=figures, on_card=on_card or {}, card=Path("mine.json")
    )
    console = Console(width=140)
    with console.capture() as said:
        for table in evaluation_tables(found):
            console.print(table)
    return said.get()


def test_figures_have_their_interval_and_stand_beside_the_card():
    said = printed({"retrieval": 0.484, "retrieval_low": 0.42, "retrieval_high": 0.6}, {"retrieval": 0.5})
    assert "0.484 (0.42 to 0.6)" in said
    assert "0.5 " in said
    assert "flag" not in said


def test_an_interval_that_is_not_known_is_not_shown():
    said = printed({"same_g2": 0.57, "same_g2_low": float("nan"), "same_g2_high": float("nan")})
    assert "0.57" in said
    assert "nan" not in said


@pytest.mark.parametrize("of", ["real", "simulated"])
def test_each_damage_has_a_row(of):
    figures = {f"false_alarms_{of}": 0.02} | {f"missed_{name}_{of}": 0.75 for name in DAMAGES}
    said = printed(figures)
    assert said.count("75%") == len(DAMAGES)
    assert f"{of} maps" in said
    assert set(DAMAGES_IN_WORDS) == set(DAMAGES)
    assert not set(figures) & set(FIGURES_IN_WORDS)
