"""Data that are folders of many files, opened one by one: each is resolved when it is opened, not the whole folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import zarr
from tiled.adapters.awkward import AwkwardBuffersAdapter
from tiled.adapters.zarr import ZarrArrayAdapter, ZarrGroupAdapter
from tiled.storage import DirectoryContainer
from tiled.structures.core import StructureFamily
from zarr.storage import LocalStore

from ainerd_agent.catalog.server._confinement import EXTERNAL, OUTSIDE, RefusedError, inside


def open_zarr(path: Path, data_source: Any, node: Any) -> Any:
    """A Zarr array or group, as Tiled's adapter gives it. Raises RefusedError."""
    external = data_source.management == EXTERNAL
    found = zarr.open(_ConfinedStore(path, read_only=external), mode="r" if external else "r+")
    described = {"metadata": node.metadata_, "specs": node.specs}
    if node.structure_family == StructureFamily.container:
        return ZarrGroupAdapter(found, **described)
    return ZarrArrayAdapter(found, structure=data_source.structure, **described)


def open_awkward(path: Path, data_source: Any, node: Any) -> Any:
    """An awkward array, as Tiled's adapter gives it. Raises RefusedError."""
    return AwkwardBuffersAdapter(
        _ConfinedBuffers(path), data_source.structure, metadata=node.metadata_, specs=node.specs
    )


class _ConfinedBuffers(DirectoryContainer):  # type: ignore[misc]  # Tiled is untyped
    """Buffers by their names, which come from the client."""

    def __getitem__(self, key: str) -> bytes:
        return bytes(super().__getitem__(self._checked(key)))

    def __setitem__(self, key: str, value: bytes) -> None:
        super().__setitem__(self._checked(key), value)

    def __delitem__(self, key: str) -> None:
        super().__delitem__(self._checked(key))

    def _checked(self, key: str) -> str:
        if not inside(self.directory / key, self.directory):
            raise RefusedError(OUTSIDE)
        return key


class _ConfinedStore(LocalStore):
    """Chunks by their keys. A link among them may have come after the folder was registered."""

    def get_sync(self, key: str, **options: Any) -> Any:
        return super().get_sync(self._checked(key), **options)

    def set_sync(self, key: str, value: Any) -> None:
        super().set_sync(self._checked(key), value)

    async def get(self, key: str, *args: Any, **options: Any) -> Any:
        return await super().get(self._checked(key), *args, **options)

    async def get_partial_values(self, prototype: Any, key_ranges: Iterable[tuple[str, Any]]) -> Any:
        return await super().get_partial_values(prototype, [(self._checked(key), part) for key, part in key_ranges])

    async def set(self, key: str, value: Any) -> None:
        await super().set(self._checked(key), value)

    async def set_if_not_exists(self, key: str, value: Any) -> None:
        await super().set_if_not_exists(self._checked(key), value)

    def delete_sync(self, key: str) -> None:
        super().delete_sync(self._checked(key))

    async def delete(self, key: str) -> None:
        await super().delete(self._checked(key))

    async def delete_dir(self, prefix: str) -> None:
        await super().delete_dir(self._checked(prefix))

    def _checked(self, key: str) -> str:
        if not inside(self.root / key, self.root):
            raise RefusedError(OUTSIDE)
        return key
