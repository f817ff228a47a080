"""The containers of a catalog, and how to find them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ainerd_agent.catalog.schema import ANALYSES, MAPS, RAW, RAW_SPEC
from ainerd_agent.catalog.tiled_types import Container, Node, Query, Table
from ainerd_agent.errors import CatalogError


class UnknownModelError(CatalogError):
    """The catalog holds nothing by a model."""


STAGED = "-new"
"""Put behind the key of a table for that which is to take its place."""

COMPLETE, UNFINISHED = "complete", "unfinished"
"""In the metadata of such a table once all its rows are there, and of one in its place until they are."""

_PAGE = 100
"""Items that a server is asked for at once."""


def create_layout(root: Container) -> None:
    """Create /raw, /xpcs and /ainerd under `root`, where they are missing."""
    for key, specs in ((RAW, [RAW_SPEC]), (MAPS, []), (ANALYSES, [])):
        ensure_container(root, key, specs=specs)


def check_layout(root: Container) -> None:
    """Make sure that /raw, /xpcs and /ainerd are there.

    Raises
    ------
    CatalogError
        One of them is not.
    """
    if missing := [key for key in (RAW, MAPS, ANALYSES) if child(root, key) is None]:
        raise CatalogError(
            f"The Tiled server at {address_of(root)} holds no catalog of ours (it lacks /{', /'.join(missing)}): check "
            "the address, or create it with `connect(uri, create=True)`."
        )


def child(parent: Container, key: str) -> Any:
    """Look up the item `key` of a container; None where there is none."""
    try:
        return parent[key]
    except KeyError:
        return None


def table_of(container: Container, key: str) -> Table | None:
    """Look up a table; while it is written anew, what is about to take its place."""
    table: Table | None = child(container, key)
    if table is not None and not table.metadata.get(UNFINISHED):
        return table
    staged: Table | None = child(container, key + STAGED)
    if staged is not None and staged.metadata.get(COMPLETE):
        return staged
    found: Table | None = child(container, key)  # it may be in its place by now
    return found


def root_of(model: Container) -> Container:
    """The container that /ainerd is in, of `/ainerd/<model>`."""
    from tiled.client import from_context

    found: Container = from_context(model.context, node_path_parts=list(model.path_parts)[:-2])
    return found


def ensure_container(
    parent: Container, key: str, *, specs: list[tuple[str, str]], metadata: dict[str, Any] | None = None, **options: Any
) -> Container:
    """Look up or create the container `key` of `parent`; `options` are those of `Container.create_container`."""
    from tiled.client.utils import ClientError
    from tiled.structures.core import Spec

    existing: Container | None = child(parent, key)
    if existing is not None:
        return existing
    try:
        return parent.create_container(key, metadata=metadata or {}, specs=[Spec(*spec) for spec in specs], **options)
    except ClientError as error:
        # Another process was faster.
        found: Container | None = child(parent, key)
        if error.response.status_code != 409 or found is None:
            raise
        return found


def metadata_of(
    container: Container, queries: Sequence[Query] = (), *, sort: str | None = None, n: int | None = None
) -> Iterator[dict[str, Any]]:
    """Metadata of what is in a container and fits the queries.

    Tiled's client asks for the structures as well, for which the server counts what is in each of them: four times the
    time of this.

    Parameters
    ----------
    container : Container
        Queries of its own are not looked at.
    sort : str, optional
        Key of the metadata, with "-" before it for the largest first.
    n : int, optional
        Only the first of them.
    """
    from urllib.parse import parse_qs, urlparse

    from tiled.client.utils import MSGPACK_MIME_TYPE, handle_error, retry_context

    page = _PAGE if n is None else min(n, _PAGE)
    url, left = f"{container.item['links']['search']}?page[offset]=0&page[limit]={page}", n
    asked = {"fields": "metadata", **_parameters(queries), **({} if sort is None else {"sort": [sort]})}
    while url is not None and left != 0:
        for attempt in retry_context():
            with attempt:
                params = {**parse_qs(urlparse(url).query), **asked}
                answer = container.context.http_client.get(url, headers={"Accept": MSGPACK_MIME_TYPE}, params=params)
                content = handle_error(answer).json()
        for item in content["data"][:left]:
            yield item["attributes"]["metadata"]
            left = None if left is None else left - 1
        url = content["links"]["next"]


def _parameters(queries: Sequence[Query]) -> dict[str, list[Any]]:
    """Queries as parameters of a request, as Tiled's client writes them."""
    from tiled.query_registration import default_query_registry

    found: dict[str, list[Any]] = {}
    for query in queries:
        name = default_query_registry.query_type_to_name[type(query)]
        for field, value in query.encode().items():
            if value is not None:
                found.setdefault(f"filter[{name}][condition][{field}]", []).append(value)
    return found


def model_names(root: Container) -> list[str]:
    """Names of the models that analysed something."""
    models = child(root, ANALYSES)
    return [] if models is None else list(models)


def model_of(root: Container, name: str) -> Container:
    """The container `/ainerd/<name>`, a `ModelClient`."""
    models = child(root, ANALYSES)
    found: Container | None = None if models is None else child(models, name)
    if found is None:
        known = ", ".join(model_names(root)) or "none"
        raise UnknownModelError(f"The catalog holds no analyses by a model {name!r}; it holds those by: {known}.")
    return found


def address_of(node: Node) -> str:
    """Where the server of a node is, without its API key."""
    return str(node.context.api_uri)


def version_of(node: Node, spec: str) -> str:
    """The version of a spec that a node conforms to; empty where it does not."""
    return next((each.version or "" for each in node.specs if each.name == spec), "")
