"""Files of latent models: where they are, what they hold, and the card beside each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import torch

from ainerd_agent.errors import ModelError
from ainerd_agent.latent.kinds import KindModel
from ainerd_agent.latent.repeats import RepeatModel

SHIPPED = ("paper-v1", "lag-v1", "ages-v1")
"""Models that come with the package. The last one is used where none is named."""

FORMATS = ("1", "2")
"""Of the file. 1 had the paper's architecture only, and no limits of what is familiar."""

_Part = TypeVar("_Part", RepeatModel, KindModel)


def card_of(path: Path | str | None = None) -> Path:
    """File of the card (.json) of a model: how it was made, and how good it is; `path` as for `Encoder.load`."""
    return model_file(path).with_suffix(".json")


def model_file(path: Path | str | None) -> Path:
    """File of a model: a path as it is, or that of a shipped model by its name; by default the one that is used."""
    if path is None or str(path) in SHIPPED:
        return Path(str(files("ainerd_agent.latent") / "weights" / f"{path or SHIPPED[-1]}.safetensors"))
    return Path(path)


def configuration_of(about: Mapping[str, str], latent: int) -> dict[str, Any]:
    """Arguments of the network; a list of JSON is a tuple."""
    if about["format"] == "1":
        return {"channels": tuple(json.loads(about["channels"])), "latent": latent}
    found = json.loads(about["configuration"])
    return {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}


def compare_with_card(source: Path, sha256: str) -> None:
    """Refuse weights whose SHA-256 is not that on the card beside them, where there is a card."""
    card = source.with_suffix(".json")
    try:
        told = json.loads(card.read_text()).get("weights_sha256", sha256)
    except FileNotFoundError:
        return
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(f"the model card {card} cannot be read: {error}") from error
    if told != sha256:
        raise ModelError(
            f"{source} is not the file that its card {card} tells of (SHA-256 {sha256[:12]}..., the card says "
            f"{str(told)[:12]}...): get the model again, or take the card away if you changed the weights yourself"
        )


def part_of(model: type[_Part], name: str, about: Mapping[str, str], tensors: dict[str, torch.Tensor]) -> _Part | None:
    """A part of the model's file, whose tensors are taken out; None where the file has none."""
    own = {key.removeprefix(f"{name}."): tensors.pop(key) for key in [*tensors] if key.startswith(f"{name}.")}
    if name not in about:
        return None
    made = model(**json.loads(about[name]))
    made.load_state_dict(own)
    made.eval()
    return made
