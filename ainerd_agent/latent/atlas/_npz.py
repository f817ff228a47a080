"""Reading what the latent space keeps in files of its own."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ainerd_agent.errors import MapError, ModelError


@contextmanager
def reading(path: Path, what: str) -> Iterator[Any]:
    """Open an .npz file, without pickle; whatever goes wrong while it is read is raised as an error about `what`.

    Raises
    ------
    ModelError
        A file that is missing, damaged, or none of these.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            yield file
    except FileNotFoundError as error:
        raise ModelError(f"there is no {what} at {path}") from error
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        EOFError,
        zipfile.BadZipFile,
        MapError,
    ) as error:
        raise ModelError(f"{path} is not a readable {what}: {error}") from error
