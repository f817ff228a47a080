"""The containers of a catalog, and how to find them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ainerd_agent.catalog.schema import ANALYSES, MAPS, RAW, RAW_SPEC
from ainerd_agent.errors import CatalogError

_PAGE = 100
"""Items that a server is asked for at once."""


def create_layout(root: Any) -> None:
    """Create /raw, /xpcs and /ainerd under `root`, where they are missing."""
    for key, specs in ((RAW, [RAW_SPEC]), (MAPS, []), (ANALYSES, [])):
        ensure_container(root, key, specs=specs)


def child(parent: Any, key: str) -> Any:
    """Look up the item `key` of a container; None where there is none."""
    try:
        return parent[key]
    except KeyError:
        return None


def ensure_container(
    parent: Any, key: str, *, specs: list[tuple[str, str]], metadata: dict[str, Any] | None = None, **options: Any
) -> Any:
    """Look up or create the container `key` of `parent`; `options` are those of `Container.create_container`."""
    from tiled.client.utils import ClientError
    from tiled.structures.core import Spec

    existing = child(parent, key)
    if existing is not None:
        return existing
    try:
        return parent.create_container(key, metadata=metadata or {}, specs=[Spec(*spec) for spec in specs], **options)
    except ClientError as error:
        # Another process was faster.
        if error.response.status_code != 409 or (existing := child(parent, key)) is None:
            raise
        return existing


def metadata_of(container: Any, n: int | None = None) -> Iterator[dict[str, Any]]:
    """Metadata of what a container or a search holds, in its order; of the first `n`.

    Tiled's client asks for the structures as well, for which the server counts what is in each of them: four times the
    time of this.
    """
    from urllib.parse import parse_qs, urlparse

    from tiled.client.utils import MSGPACK_MIME_TYPE, handle_error, retry_context

    page = _PAGE if n is None else min(n, _PAGE)
    url, left = f"{container.item['links']['search']}?page[offset]=0&page[limit]={page}", n
    asked = {"fields": "metadata", **container._queries_as_params, **container._sorting_params}
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


def model_names(root: Any) -> list[str]:
    """Names of the models that analysed something."""
    models = child(root, ANALYSES)
    return [] if models is None else list(models)


def model_of(root: Any, name: str) -> Any:
    """The container `/ainerd/<name>`, a `ModelClient`."""
    models = child(root, ANALYSES)
    found = None if models is None else child(models, name)
    if found is None:
        known = ", ".join(model_names(root)) or "none"
        raise CatalogError(f"The catalog holds no analyses by a model {name!r}; it holds those by: {known}.")
    return found


def address_of(root: Any) -> str:
    """Where the server of `root` is, without its API key."""
    return str(root.context.api_uri)
