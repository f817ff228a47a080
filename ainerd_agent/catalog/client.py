"""Reading the catalog: connect to a server, list analysed runs, read points and C2 maps."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from ainerd_agent.catalog.queries import Conditions, narrowed
from ainerd_agent.catalog.schema import ANALYSES, C2, MAPS, POINTS, RAW, RAW_SPEC, ROW, points_schema
from ainerd_agent.errors import CatalogError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


RETRY_SECONDS = 6.0
"""How long a request to a server that does not answer is repeated."""
_AHEAD = 4
"""Tables that are read at the same time."""

_CONNECT_SECONDS = 3.0

_PAGE = 100
"""Items that a server is asked for at once."""


LONGEST_PAUSE = 300.0
"""Seconds: a server that asks for more peace than that is asked again all the same."""


class ServerUnreachableError(CatalogError):
    """No server answers: the same request may succeed later.

    Attributes
    ----------
    retry_after : float
        Seconds that the server asks to be left alone for.
    """

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ServerFailedError(ServerUnreachableError):
    """The server answered 500: its disk may be full, and the same request succeed later; or it may never."""


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
        if status == 429:
            raise ServerUnreachableError(
                f"The Tiled server at {address} has too much to do (429): try again later.",
                _seconds(error.response.headers.get("retry-after", "")),
            ) from error
        if status in (500, 507):
            raise ServerFailedError(
                f"The Tiled server at {address} failed ({status}): its log says why, and its disk may be full."
            ) from error
        if status in (502, 503, 504):
            raise ServerUnreachableError(f"The Tiled server behind {address} is not available ({status}).") from error
        if status in (401, 403):
            raise CatalogError(f"The Tiled server at {address} refuses the API key: check it.") from error
        raise CatalogError(f"The Tiled server at {address} answered {status}: {error}") from error


def _seconds(retry_after: str) -> float:
    """Seconds of a header Retry-After, which may be a date, too; 0 where it is neither."""
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return 0.0
    return min(max(0.0, seconds), LONGEST_PAUSE) if math.isfinite(seconds) else 0.0


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
        if context.api_uri.host in ("127.0.0.1", "localhost", "::1"):
            # Between two programs of one machine, compressing takes longer than sending.
            context.http_client.headers["accept-encoding"] = "identity"
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


def runs(root: Any, model: str | None = None, **conditions: Any) -> pd.DataFrame:
    """List the analysed runs.

    Parameters
    ----------
    model : str, optional
        By default all models.
    **conditions
        Those of `ModelClient.find`, such as `sample="PEO"`, `cluster=3` or `stress=(10, 20)`.

    Returns
    -------
    DataFrame
        One row per run and model, in order of time; the columns are the metadata.
    """
    import pandas as pd

    given = Conditions.of(conditions)
    with server_errors(address_of(root)):
        names = [model] if model is not None else model_names(root)
        found = [narrowed(model_of(root, name), given.runs()) for name in names]
        table = pd.DataFrame([metadata for each in found for metadata in metadata_of(each)])
    return table.sort_values("time", ignore_index=True) if len(table) else table


def read_points(
    root: Any,
    model: str | None = None,
    raw_uid: str | None = None,
    columns: Sequence[str] | None = None,
    **conditions: Any,
) -> pd.DataFrame:
    """Read the points of all analysed runs, or of one, or those that fit conditions (see `ModelClient`).

    Returns
    -------
    DataFrame
        One row per measurement and bin, with the columns of `points_schema` and `model`.
    """
    import pandas as pd

    given = Conditions.of({**conditions, "raw_uid": raw_uid})
    needed = None if columns is None else [*columns, *given.columns()]
    tables: list[pd.DataFrame] = []
    with server_errors(address_of(root)):
        for run, table in tables_of(_analyses(root, model, given.runs_with_rows()), needed):
            rows = table[given.rows(table)].assign(model=run.metadata["model"])
            if len(rows):
                tables.append(rows)
    return pd.concat(tables, ignore_index=True) if tables else points_of(None, needed).assign(model="")


def points_of(analysis: Any, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Points of an analysed run by seq_num and bin, or an empty table; some columns beside `ROW`, or all."""
    table = None if analysis is None else child(analysis, POINTS)
    wanted = None if columns is None else list(dict.fromkeys([*ROW, *columns]))
    rows: pd.DataFrame
    if table is None:
        rows = points_schema().empty_table().to_pandas()
        return rows if wanted is None else rows.reindex(columns=wanted)
    if wanted is None:
        rows = table.read()
    else:
        # Tables of an earlier version lack some; Tiled gives the others in any order.
        rows = table.read([name for name in wanted if name in table.columns]).reindex(columns=wanted)
    # PostgreSQL keeps rows in no order.
    return rows.sort_values(["seq_num", "bin"], ignore_index=True)


def tables_of(runs: Iterable[Any], columns: Sequence[str] | None = None) -> Iterator[tuple[Any, pd.DataFrame]]:
    """Analysed runs with their points, as `points_of`. The next ones are read ahead: each takes two requests."""
    from collections import deque
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(_AHEAD, thread_name_prefix="tiled-points")
    waiting: deque[tuple[Any, Any]] = deque()
    try:
        for run in runs:
            waiting.append((run, pool.submit(points_of, run, columns)))
            if len(waiting) > _AHEAD:
                first, rows = waiting.popleft()
                yield first, rows.result()
        for run, rows in waiting:
            yield run, rows.result()
    finally:
        pool.shutdown(cancel_futures=True)


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
        return read_maps(run, C2, measurement, bin)


def read_maps(run: Any, key: str, measurement: int | None = None, bin: int | None = None) -> NDArray[np.float32]:
    """Read from the array `key`, C2 or G2, of a container of maps; otherwise as `read_c2`."""
    uid, metadata = run.item["id"], run.metadata_copy()[0]
    seq_nums, n_bins = metadata["derived_from"]["seq_nums"], metadata["n_bins"]
    if measurement is not None and measurement not in seq_nums:
        raise CatalogError(f"Run {uid} holds no C2 maps of a measurement {measurement}.")
    if bin is not None and not 1 <= bin <= n_bins:
        raise CatalogError(f"Run {uid} has bins 1 to {n_bins}, not {bin}.")
    first = slice(0, len(seq_nums)) if measurement is None else seq_nums.index(measurement)
    second = slice(0, n_bins) if bin is None else bin - 1
    read: NDArray[np.float32] = run[key].read((first, second))
    return read


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


def _analyses(root: Any, model: str | None, queries: Sequence[Any]) -> Iterator[Any]:
    for name in [model] if model is not None else model_names(root):
        yield from narrowed(model_of(root, name), queries).values()


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
