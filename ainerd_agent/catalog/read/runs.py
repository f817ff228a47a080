"""Listing analysed runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ainerd_agent.catalog.layout import address_of, metadata_of, model_names, model_of
from ainerd_agent.catalog.queries import Conditions, narrowed
from ainerd_agent.catalog.server_errors import server_errors

if TYPE_CHECKING:
    import pandas as pd


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
