"""What writers of containers share: making one, and keeping its metadata right."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from ainerd_agent.catalog.codec.metadata import events_of
from ainerd_agent.catalog.layout import ensure_container
from ainerd_agent.catalog.schema import ANALYSES, MODEL_SPEC
from ainerd_agent.catalog.tiled_types import Container, Node
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Events, Run
from ainerd_agent.records.analysis import ModelIdentity


def model_container(root: Container, model: ModelIdentity) -> Any:
    """`/ainerd/<model>`, created if it is missing."""
    container = ensure_container(
        ensure_container(root, ANALYSES, specs=[]),
        model.name,
        specs=[MODEL_SPEC],
        metadata={
            "model": model.name,
            "weights_sha256": model.weights_sha256,
            "n_clusters": model.n_clusters,
            "uid": uuid.uuid4().hex,
        },
    )
    if container.metadata["weights_sha256"] != model.weights_sha256:
        raise CatalogError(
            f"The catalog holds analyses by another model of the name {model.name!r}, with other weights: give this "
            "model another name."
        )
    return container


def set_metadata(node: Node, metadata: Mapping[str, Any]) -> None:
    """Change what differs in the metadata of a node, and nothing where nothing does.

    As a JSON patch of whole values, which may be sent twice. Tiled's `update_metadata` sends "insert this element":
    when the answer is lost and it repeats the request, the element is there twice. A merge patch would delete what is
    null.
    """
    from tiled.utils import patch_mimetypes

    changes = [
        {"op": "add", "path": path, "value": value} for path, value in _changes(node.metadata_copy()[0], metadata)
    ]
    if changes:
        node.patch_metadata(changes, content_type=patch_mimetypes.JSON_PATCH, drop_revision=True)


def _changes(current: Mapping[str, Any], wanted: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    """The paths of values that differ, as a JSON patch writes them (RFC 6901), and what is wanted there."""
    for key, value in wanted.items():
        path = f"{within}/{key.replace('~', '~0').replace('/', '~1')}"
        if isinstance(value, Mapping) and isinstance(current.get(key), Mapping):
            yield from _changes(current[key], value, path)
        elif key not in current or current[key] != value:
            yield path, value


def events_in(container: Container | None) -> list[Events] | None:
    """The measurements that the metadata of a run's maps or points name; None where there is no such container."""
    return None if container is None else events_of(container.metadata_copy()[0]["derived_from"])


def upgrade_first(where: str, version: str) -> CatalogError:
    """What is said where something of an earlier major version would be added to."""
    return CatalogError(
        f"{where} was begun by ainerd-agent 0.1 (schema {version}), and nothing can be added to it as it is: run "
        "`ainerd check --upgrade` on the folder of the catalog first, which makes a copy before it changes anything."
    )


def access_of(run: Run) -> dict[str, Any]:
    """The access tags of a run, as options of what Tiled makes."""
    tags = run.access.get("tiled_access_tags", run.access.get("access_tags"))
    return {} if tags is None else {"access_tags": list(tags)}
