"""Reading the catalog: connect to a server, list analysed runs, read points and C2 maps."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from ainerd_agent.catalog.schema import ANALYSES, ANALYSIS_SPEC, C2, MAPS, POINTS, RAW, RAW_SPEC, points_schema
from ainerd_agent.errors import CatalogError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

RETRY_SECONDS = 6.0
"""How long a request to a server that does not answer is repeated."""
_CONNECT_SECONDS = 3.0


class ServerUnreachableError(CatalogError):
    """No server answers: the same request may succeed later."""


@contextmanager
def server_errors(address: str) -> Iterator[None]:
    """Turn what Tiled's client raises into errors for people. `address` must not hold the API key."""
    import httpx

    try:
        yield
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise CatalogError(f"{address} is not the address of a Tiled server, which starts with http://.") from error
    except httpx.TransportError as error:
        raise ServerUnreachableError(
            f"No Tiled server answers at {address} ({type(error).__name__}): start it, or check the address."
        ) from error
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        if status in (502, 503, 504):
            raise ServerUnreachableError(f"The Tiled server behind {address} is not available ({status}).") from error
        if status in (401, 403):
            raise CatalogError(f"The Tiled server at {address} refuses the API key: check it.") from error
        raise CatalogError(f"The Tiled server at {address} answered {status}: {error}") from error


def connect(uri: str, *, create: bool = False) -> Any:
    """Connect to a Tiled server that holds our catalog.

    Parameters
    ----------
    uri : str
        As `TiledServer.uri`, with `?api_key=...`, or without it and the key in TILED_API_KEY.
    create : bool
        Create the containers of the catalog where they are missing.

    Returns
    -------
    tiled.client.container.Container
        The root.

    Raises
    ------
    CatalogError
        Nobody answers, the API key is refused, or there is no catalog of ours.
    """
    import httpx
    from tiled.client import from_context
    from tiled.client.context import Context

    limit_retries()
    address = uri.partition("?")[0]
    with server_errors(address), ExitStack() as on_error:
        context, path = Context.from_any_uri(uri, timeout=httpx.Timeout(30.0, connect=_CONNECT_SECONDS))
        on_error.callback(context.http_client.close)
        try:
            root = from_context(context, node_path_parts=path)
        except RuntimeError as error:  # what Tiled raises when a key is needed and there is none
            raise CatalogError(f"The Tiled server at {address} needs an API key: add ?api_key=... to it.") from error
        if create:
            create_layout(root)
        if missing := [key for key in (RAW, MAPS, ANALYSES) if child(root, key) is None]:
            raise CatalogError(
                f"The Tiled server at {address} holds no catalog of ours (it lacks /{', /'.join(missing)}): check "
                "the address, or create it with ainerd_agent.catalog.create_layout."
            )
        on_error.pop_all()
    return root


def limit_retries() -> None:
    """Let Tiled's client give up on a dead server after seconds.

    Its own limit is 45 s and 10 attempts a request, read from TILED_RETRY_TIMEOUT when it is imported. That would hold
    up a scan. What the environment says has precedence.
    """
    import tiled.client.utils

    if "TILED_RETRY_TIMEOUT" not in os.environ:
        tiled.client.utils.TILED_RETRY_TIMEOUT = RETRY_SECONDS


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
    from tiled.structures.core import Spec

    existing = child(parent, key)
    if existing is not None:
        return existing
    return parent.create_container(key, metadata=metadata or {}, specs=[Spec(*spec) for spec in specs], **options)


def runs(root: Any, model: str | None = None, **metadata: Any) -> pd.DataFrame:
    """List the analysed runs.

    Parameters
    ----------
    model : str, optional
        By default all models.
    **metadata
        Values that the metadata must equal, such as `sample="PEO"` or `dominant_cluster=3`.

    Returns
    -------
    DataFrame
        One row per run and model, in order of time; the columns are the metadata.
    """
    import pandas as pd

    with server_errors(address_of(root)):
        table = pd.DataFrame([analysis.metadata_copy()[0] for analysis in _analyses(root, model, metadata)])
    return table.sort_values("time", ignore_index=True) if len(table) else table


def read_points(root: Any, model: str | None = None, raw_uid: str | None = None) -> pd.DataFrame:
    """Read the points of all analysed runs, or of one.

    Returns
    -------
    DataFrame
        One row per measurement and bin, with the columns of `points_schema` and `model`.
    """
    import pandas as pd

    tables: list[pd.DataFrame] = []
    with server_errors(address_of(root)):
        for analysis in _analyses(root, model, {} if raw_uid is None else {"raw_uid": raw_uid}):
            points = child(analysis, POINTS)
            if points is not None:
                tables.append(points.read().assign(model=analysis.metadata["model"]))
    if not tables:
        tables.append(points_schema().empty_table().to_pandas().assign(model=""))
    return pd.concat(tables, ignore_index=True)


def read_c2(root: Any, raw_uid: str, measurement: int | None = None, bin: int | None = None) -> NDArray[np.float32]:
    """Read C2 maps of a run.

    Parameters
    ----------
    measurement : int, optional
        Its seq_num, as in the points. By default all, in the order of `derived_from.seq_nums` in the metadata.
    bin : int, optional
        From 1, as in the points. By default all.

    Returns
    -------
    ndarray of float32, shape (n_measurements, n_bins, size, size)
        Without the axes of which one element was asked for.
    """
    with server_errors(address_of(root)):
        maps = child(root, MAPS)
        run = None if maps is None else child(maps, raw_uid)
        if run is None:
            raise CatalogError(f"The catalog holds no C2 maps of a run {raw_uid}.")
        seq_nums = run.metadata_copy()[0]["derived_from"]["seq_nums"]
        n_bins = run.metadata["n_bins"]
        if measurement is not None and measurement not in seq_nums:
            raise CatalogError(f"Run {raw_uid} holds no C2 maps of a measurement {measurement}.")
        if bin is not None and not 1 <= bin <= n_bins:
            raise CatalogError(f"Run {raw_uid} has bins 1 to {n_bins}, not {bin}.")
        first = slice(0, len(seq_nums)) if measurement is None else seq_nums.index(measurement)
        second = slice(0, n_bins) if bin is None else bin - 1
        maps_read: NDArray[np.float32] = run[C2].read((first, second))
    return maps_read


def _analyses(root: Any, model: str | None, metadata: dict[str, Any]) -> Iterator[Any]:
    from tiled.queries import Key, SpecsQuery

    models = child(root, ANALYSES)
    names = [] if models is None else list(models)
    if model is not None and model not in names:
        known = ", ".join(names) or "none"
        raise CatalogError(f"The catalog holds no analyses by a model {model!r}; it holds those by: {known}.")
    for name in names if model is None else [model]:
        found = models[name].search(SpecsQuery(include=[ANALYSIS_SPEC[0]]))
        for key, value in metadata.items():
            found = found.search(Key(key) == value)
        yield from found.values()


def address_of(root: Any) -> str:
    """Where the server of `root` is, without its API key."""
    return str(root.context.api_uri)
