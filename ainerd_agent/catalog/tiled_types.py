"""What of Tiled's client the catalog uses. Tiled itself is untyped; its classes satisfy these protocols."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import httpx
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray


class Context(Protocol):
    """The connection to a server, which all nodes of a client share."""

    api_uri: httpx.URL
    http_client: httpx.Client
    api_key: str | None


class Query(Protocol):
    """A condition that the server evaluates, of `tiled.queries`."""

    def encode(self) -> dict[str, Any]:
        """The parameters of the condition."""
        ...


class Spec(Protocol):
    """What a node conforms to."""

    name: str
    version: str | None


class Node(Protocol):
    """Anything in the tree of a server."""

    context: Context
    item: dict[str, Any]
    metadata: Mapping[str, Any]
    specs: Sequence[Spec]
    path_parts: Sequence[str]
    structure_clients: Any
    uri: str

    def metadata_copy(self) -> tuple[dict[str, Any], list[Any]]:
        """Metadata and specs, to be changed at will."""
        ...

    def patch_metadata(
        self,
        metadata_patch: Any = None,
        specs_patch: Any = None,
        *,
        content_type: str = ...,
        drop_revision: bool = False,
    ) -> None:
        """Change metadata and specs."""
        ...


class Table(Node, Protocol):
    """Rows with columns."""

    columns: Sequence[str]

    def read(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """All rows, or some columns of them."""
        ...

    def write(self, table: pd.DataFrame) -> None:
        """Replace all rows."""
        ...

    def append_partition(self, partition: int, table: pa.Table) -> None:
        """Add rows."""
        ...

    def structure(self) -> Any:
        """With the columns as `arrow_schema_decoded`."""
        ...


class Array(Node, Protocol):
    """An array in chunks."""

    shape: tuple[int, ...]

    def read(self, slice: Any = ...) -> NDArray[np.float32]:
        """The array, or a part of it."""
        ...

    def patch(self, array: NDArray[Any], offset: tuple[int, ...], extend: bool = False) -> None:
        """Overwrite a part, or add one."""
        ...


class Container(Node, Protocol):
    """A node with children, or what a search found in it."""

    def __getitem__(self, key: str | tuple[str, ...]) -> Any:
        """A child, or a descendant."""
        ...

    def __iter__(self) -> Iterator[str]:
        """Keys."""
        ...

    def __len__(self) -> int:
        """How many children."""
        ...

    def keys(self) -> Any:
        """Keys, also by slices."""
        ...

    def values(self) -> Any:
        """Children, also by slices."""
        ...

    def items(self) -> Iterable[tuple[str, Any]]:
        """Keys and children."""
        ...

    def search(self, query: Query) -> Container:
        """What fits a condition."""
        ...

    def sort(self, *order: tuple[str, int]) -> Container:
        """The same in another order."""
        ...

    def subscribe(self) -> Any:
        """A subscription to changes, not started yet."""
        ...

    def create_container(self, key: str, **options: Any) -> Container:
        """Make a container in this one."""
        ...

    def create_appendable_table(self, schema: pa.Schema, **options: Any) -> Table:
        """Make a table in this container."""
        ...

    def write_table(self, table: Any, **options: Any) -> Table:
        """Make a table in this container, with its rows."""
        ...

    def write_array(self, array: NDArray[Any], **options: Any) -> Array:
        """Make an array in this container."""
        ...

    def delete_contents(self, keys: str | list[str], recursive: bool = False, external_only: bool = True) -> None:
        """Delete children."""
        ...
