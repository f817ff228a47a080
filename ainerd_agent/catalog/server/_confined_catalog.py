"""The catalog of the embedded server: Tiled's, but what leads out of the session's folders is refused.

Addresses come in by three ways (a new node, another source of data, the key of a node, of which Tiled makes the name of
a file) and matter again when an asset is handed out or deleted. Reads and writes are confined by the adapters.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from fastapi import HTTPException
from sqlalchemy import select
from tiled.catalog import orm
from tiled.catalog.adapter import (
    STRUCTURES,
    CatalogArrayAdapter,
    CatalogContainerAdapter,
    CatalogNodeAdapter,
    Context,
)
from tiled.structures.core import StructureFamily
from tiled.utils import path_from_uri

from ainerd_agent.catalog.server._confinement import (
    EXTERNAL,
    OUTSIDE,
    RefusedError,
    SessionFolders,
    as_uri,
    inside,
)


class SessionContext(Context):  # type: ignore[misc]  # Tiled is untyped
    """What all nodes of one server share."""

    def __init__(self, *args: Any, folders: SessionFolders, updates: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.folders = folders
        self._updates = updates

    async def startup(self) -> None:
        await super().startup()
        # Given here, not by a name in Tiled's register, which all servers of a process share.
        self.streaming_cache = self._updates


class ConfinedNode(CatalogNodeAdapter):  # type: ignore[misc]
    """A node that checks each address before Tiled stores it or follows it."""

    async def lookup_adapter(self, segments: list[str]) -> Any:
        return _confined(await super().lookup_adapter(segments))

    async def create_node(
        self,
        structure_family: Any,
        metadata: Any,
        key: str | None = None,
        specs: Any = None,
        data_sources: Any = None,
        access_tags: Any = None,
    ) -> Any:
        if key in {".", ".."}:
            raise RefusedError("A node cannot be called . or .. here: choose another name.", 422)
        for data_source in data_sources or ():
            self._decode_addresses(data_source)
            self._check_addresses(data_source)
            if data_source.management != EXTERNAL:
                if data_source.assets:
                    raise RefusedError("Where the server writes is for the server to say: leave out the assets.")
                self.context.folders.check_place([*await self.path_segments(), *([key] if key else [])])
        return await super().create_node(structure_family, metadata, key, specs, data_sources, access_tags)

    async def put_data_source(self, data_source: Any, patch: Any) -> None:
        ours = {each.id: each for each in self.node.data_sources or ()}
        if data_source.id not in ours:
            raise HTTPException(404, f"No data_source {data_source.id} on this node.")
        before = ours[data_source.id]
        changed = (before.management, before.mimetype) != (data_source.management, data_source.mimetype)
        if changed and {before.management, data_source.management} != {EXTERNAL}:
            raise RefusedError("Who manages data, and the format of what the server wrote, cannot be changed.")
        self._decode_addresses(data_source)
        self._check_addresses(data_source)
        await super().put_data_source(data_source, patch)

    async def get_adapter(self) -> Any:
        return await self._explained(super().get_adapter)

    async def asset_by_id(self, asset_id: int) -> Any:
        asset = await super().asset_by_id(asset_id)
        if asset is None or not asset.data_uri.startswith("file:"):
            return asset
        return asset.model_copy(update={"data_uri": as_uri(self.context.folders.asset(asset.data_uri))})

    async def asset_file(self, asset_id: int, member: Path | None) -> Path:
        """The file of an asset, or a member of an asset that is a folder. Raises HTTPException."""
        asset = await self.asset_by_id(asset_id)
        if asset is None:
            raise HTTPException(404, f"This node has no asset {asset_id}.")
        if not asset.data_uri.startswith("file:"):
            raise HTTPException(400, "Only assets that are files are handed out.")
        place: Path = path_from_uri(asset.data_uri)
        if place.is_dir() != (member is not None):
            raise HTTPException(400, "relative_path goes with an asset that is a folder, and with no other.")
        file = place if member is None else (place / member).resolve()
        if not inside(file, place):
            raise RefusedError(OUTSIDE)
        if not file.is_file():
            raise HTTPException(404, "There is no such file.")
        return file

    async def delete(self, recursive: bool = False, external_only: bool = True) -> Any:
        await self._check_deletion()
        return await super().delete(recursive, external_only)

    async def delete_asset(self, asset_id: int, external_only: bool = True) -> Any:
        await self._check_deletion()
        return await super().delete_asset(asset_id, external_only)

    async def _explained(self, call: Callable[..., Awaitable[Any]], *args: Any, **options: Any) -> Any:
        """Call Tiled. Where it finds by name alone that a file lies outside, it fails; answer that it is refused."""
        try:
            return await call(*args, **options)
        except RuntimeError:
            for data_source in await self.data_sources(include_assets=True):
                self._check_addresses(data_source)
            raise

    def _decode_addresses(self, data_source: Any) -> None:
        if data_source.management == EXTERNAL:
            for asset in data_source.assets:
                asset.data_uri = self.context.folders.decoded(asset.data_uri)

    def _check_addresses(self, data_source: Any) -> None:
        for asset in data_source.assets:
            self.context.folders.confined(asset.data_uri, data_source.management)
        if data_source.management == EXTERNAL:
            adapter = self.context.adapters_by_mimetype.get(data_source.mimetype)
            if adapter is not None:
                adapter.check_parameters(data_source)

    async def _check_deletion(self) -> None:
        """Tiled deletes the files of what it wrote. An older server may have taken others for such."""
        statement = (
            select(orm.Asset.data_uri, orm.DataSource.management)
            .select_from(orm.DataSourceAssetAssociation)
            .join(orm.DataSource, orm.DataSource.id == orm.DataSourceAssetAssociation.data_source_id)
            .join(orm.Asset, orm.Asset.id == orm.DataSourceAssetAssociation.asset_id)
            .join(orm.NodesClosure, orm.NodesClosure.descendant == orm.DataSource.node_id)
            .where(orm.NodesClosure.ancestor == self.node.id, orm.DataSource.management != EXTERNAL)
            .distinct()
        )
        async with self.context.session() as database:
            for uri, management in (await database.execute(statement)).all():
                self.context.folders.confined(uri, management)


class ConfinedContainer(ConfinedNode, CatalogContainerAdapter):  # type: ignore[misc]
    """A container whose children are confined, too."""

    async def items_page(self, *args: Any, **options: Any) -> Any:
        items, cursor = await super().items_page(*args, **options)
        return [(key, _confined(child)) for key, child in items], cursor

    async def items_range(self, *args: Any, **options: Any) -> Any:
        return [(key, _confined(child)) for key, child in await super().items_range(*args, **options)]


class ConfinedArray(ConfinedNode, CatalogArrayAdapter):  # type: ignore[misc]
    """An array, of which Tiled may read some files of a sequence only, without `get_adapter`."""

    async def read(self, *args: Any, **options: Any) -> Any:
        return await self._explained(super().read, *args, **options)

    async def read_block(self, *args: Any, **options: Any) -> Any:
        return await self._explained(super().read_block, *args, **options)


_CONFINED: dict[Any, Any] = {
    family: type(f"Confined{known.__name__}", (ConfinedNode, known), {}) for family, known in STRUCTURES.items()
} | {StructureFamily.container: ConfinedContainer, StructureFamily.array: ConfinedArray}


def _confined(found: Any) -> Any:
    """The confined class of a node of the catalog; what lies within a file stays as it is."""
    if not isinstance(found, CatalogNodeAdapter) or isinstance(found, ConfinedNode):
        return found
    return _CONFINED[found.structure_family](found.context, found.node)
