"""What other models found in a measurement that is made anew: it is of maps that are no longer there."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from ainerd_agent.catalog.codec.metadata import events_of
from ainerd_agent.catalog.layout import child, model_names, model_of, version_of
from ainerd_agent.catalog.schema import ANALYSIS_SPEC
from ainerd_agent.catalog.tiled_types import Container
from ainerd_agent.catalog.write.points import PointsStore, finish_points
from ainerd_agent.records import Events, Run
from ainerd_agent.records.analysis import ModelIdentity

_log = logging.getLogger(__name__)


def withdraw_elsewhere(root: Container, own: str, run: Run, measurements: Sequence[Events]) -> None:
    """Take away what models but one's own found in measurements that are made anew; all share the maps.

    Parameters
    ----------
    root : Container
    own : str
        The model whose writer replaces them.
    """
    for model, parent in _others(root, own, run, measurements):
        finish_points(parent, run)
        PointsStore(parent, run, model).withdraw(measurements)
        _log.warning(
            "Run %s: measurements %s were taken again, and what the model %s found in the earlier ones is gone: "
            "`ainerd reprocess` with that model makes it anew.",
            run.uid, ", ".join(map(str, measurements)), model.name,
        )  # fmt: skip


def _others(
    root: Container, own: str, run: Run, measurements: Sequence[Events]
) -> Iterator[tuple[ModelIdentity, Container]]:
    for name in model_names(root):
        if name == own:
            continue
        parent = model_of(root, name)
        analysis: Container | None = child(parent, run.uid)
        if analysis is None or version_of(analysis, ANALYSIS_SPEC[0]) != ANALYSIS_SPEC[1]:
            continue
        derived = analysis.metadata_copy()[0]["derived_from"]
        if not set(measurements).isdisjoint(events_of(derived)):
            yield (
                ModelIdentity(
                    name=name,
                    weights_sha256=parent.metadata["weights_sha256"],
                    n_clusters=parent.metadata["n_clusters"],
                    parameters=derived["parameters"],
                    geometry=derived.get("geometry") or {},
                ),
                parent,
            )
