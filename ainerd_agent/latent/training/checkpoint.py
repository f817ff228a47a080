"""What a training needs to go on after it was killed, in a safetensors file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ainerd_agent.errors import ModelError

Recipe = dict[str, object]
"""Settings of a training, as JSON has them."""

SCHEDULED = ("lr", "betas")
"""What a schedule changes of an optimiser, and computes from what it was."""


def save_checkpoint(
    path: Path,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    *,
    recipe: Recipe,
    history: object,
) -> None:
    """Write all that the next part of a training needs; never half a file.

    Parameters
    ----------
    recipe : dict
        Settings of the training, as JSON has them; a checkpoint serves no other.
    history : object
        What was found so far, as JSON has it.
    """
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    for number, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{number}.{name}": torch.as_tensor(value) for name, value in state.items()}
    about = {
        "plan": json.dumps(recipe),  # under the name that checkpoints have had from the beginning
        "history": json.dumps(history),
        "steps": str(schedule.last_epoch),
        "scheduled": json.dumps({name: optimiser.param_groups[0][name] for name in SCHEDULED}),
    }
    unfinished = path.with_name(f"{path.name}.unfinished")
    save_file({name: value.contiguous() for name, value in tensors.items()}, unfinished, metadata=about)
    unfinished.rename(path)


def load_checkpoint(
    path: Path,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    *,
    recipe: Recipe,
) -> Any:
    """Put a training into the state that was saved, and return its history.

    Raises
    ------
    ModelError
        No checkpoint, or one of another training.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        if json.loads(about["plan"]) != recipe:
            raise ModelError(
                f"{path} was written by a training with other settings ({about['plan']}, now {json.dumps(recipe)}): "
                "go on with those, or begin again without it"
            )
        network.load_state_dict(_under(tensors, "network."))
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in _under(tensors, "optimiser.").items():
            number, key = name.split(".")
            state.setdefault(int(number), {})[key] = value
        optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
        optimiser.param_groups[0] |= json.loads(about["scheduled"])
        schedule.last_epoch = int(about["steps"])
        return json.loads(about["history"])
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise ModelError(f"{path} is not a checkpoint of this training: {error}") from error


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
