"""The agent as an optimizer of bluesky-adaptive (1.x), so that it runs under `bluesky_adaptive.plans.optimize`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
import numpy as np

from ainerd_agent.agent.protocol import Record, ResultOf
from ainerd_agent.agent.runners.threads import Plan, in_thread
from ainerd_agent.agent.strategies.novelty import NoveltyAgent
from ainerd_agent.errors import AinerdError
from ainerd_agent.records import Suggestion

if TYPE_CHECKING:
    from bluesky_adaptive.protocols import OptimizationProblem

ID = "_id"
"""Key of the identifier of a point (`bluesky_adaptive.protocols.ID_KEY`)."""

N_BEST = 5
"""Points that are given as the best ones."""


class NoveltyOptimizer:
    """A `NoveltyAgent` in the protocols of bluesky-adaptive.

    It is an `Optimizer`, and `SupportsStoppingCriteria`, `TrialFaultAware`, `CanRegisterSuggestions` and
    `Checkpointable`. A point has the names of the actuators. An outcome names a measurement (`raw_uid`, `seq_num`): the
    latents themselves stay in the catalog.

    Parameters
    ----------
    agent : NoveltyAgent
    result_of : callable
        Gives the analysis of a measurement.
    axes : sequence of str, optional
        Names of the actuators, in the order of the agent's axes; by default the names of these.
    record : Record, optional
        Keeps each suggestion and its outcome (`SpooledWriter.record_suggestion`).
    keep : callable, optional
        Makes sure that what `record` was given is in the catalog (`SpooledWriter.flush`): the checkpoint.

    Raises
    ------
    ValueError
        There are more or fewer actuators than axes.
    """

    def __init__(
        self,
        agent: NoveltyAgent,
        result_of: ResultOf,
        *,
        axes: Sequence[str] | None = None,
        record: Record | None = None,
        keep: Callable[[], Any] | None = None,
    ) -> None:
        self.agent = agent
        self._result_of = result_of
        names = agent.limits.space.names
        self._axes = tuple(names if axes is None else axes)
        if len(self._axes) != len(names):
            raise ValueError(
                f"the agent's axes are {', '.join(names)}, and the actuators {', '.join(self._axes)}: give one for "
                "each axis, in this order"
            )
        self._record = record
        self._keep = keep
        self._open: dict[str, Suggestion] = {}
        self._found: list[tuple[float, Suggestion]] = []

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        """The next points, by default one.

        Raises
        ------
        NoSuggestionError
            The sample is used up.
        ValueError
            Less than one point is asked for.
        """
        return [self._opened(each) for each in self.agent.suggest_batch(1 if num_points is None else num_points)]

    def ingest(self, points: Sequence[Mapping[str, Any]]) -> None:
        """Learn from outcomes, each with `raw_uid` and `seq_num`; and with the axes where nobody suggested it.

        Raises
        ------
        ValueError
            An outcome is neither of a suggestion nor has a position.
        LimitError
            A position of somebody else's is outside of the limits.
        """
        for point in points:
            raw_uid, seq_num = str(point.get("raw_uid", "")), int(point.get("seq_num", 0))
            suggestion = self._open.pop(str(point.get(ID)), None)
            if suggestion is None:
                suggestion = self._chosen(point)
                self._open.pop(suggestion.id)
            analysis = self._result_of(raw_uid, seq_num) if raw_uid else None
            novelty = self.agent.ingest(suggestion, analysis)
            self._keep_event(suggestion, "failed" if analysis is None else "measured", raw_uid, seq_num, novelty)
            if analysis is not None:
                self._found.append((novelty, suggestion))

    def get_best_points(self) -> list[tuple[str, dict[str, float], dict[str, float]]]:
        """The measurements that were the newest when they were made, the newest one first."""
        ranked = sorted(self._found, key=lambda each: -each[0] if np.isfinite(each[0]) else np.inf)
        return [(each.id, self._place(each), {"novelty": novelty}) for novelty, each in ranked[:N_BEST]]

    def should_stop(self) -> tuple[bool, str | None]:
        """Whether to stop, and why."""
        reason = self.agent.should_stop()
        return bool(reason), reason or None

    def register_failures(self, suggestions: Sequence[Mapping[str, Any]]) -> None:
        """Take note that nothing came of suggestions: their spots are not suggested again."""
        for each in suggestions:
            suggestion = self._open.pop(str(each.get(ID)), None)
            if suggestion is not None:
                self.agent.ingest(suggestion, None)
                self._keep_event(suggestion, "failed", "", 0)

    def register_suggestions(self, suggestions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Take over points that somebody chose, and give them identifiers.

        Raises
        ------
        ValueError
            A point lacks an axis.
        LimitError
            A point is outside of the limits.
        """
        return [{**each, **self._point(self._chosen(each))} for each in suggestions]

    def checkpoint(self) -> None:
        """Make sure that the catalog has all that `agent.restart.restored` needs.

        Raises
        ------
        AinerdError
            Some of it waits for the server.
        """
        if self._keep is not None and (left := self._keep()):
            raise AinerdError(f"{left} records wait for the catalog: an agent made again from it would lack them")

    def evaluate(self, uid: str, suggestions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The evaluation function for runs of `acquire`: which event of the run belongs to which suggestion."""
        outcomes = []
        for seq_num, each in enumerate(suggestions, start=1):
            analysis = self._result_of(uid, seq_num)
            outcomes.append(
                {
                    ID: each[ID],
                    "raw_uid": uid if analysis is not None else "",
                    "seq_num": seq_num,
                    "novelty": _mean(analysis.novelty) if analysis is not None else float("nan"),
                    "cluster": analysis.dominant_cluster if analysis is not None else -1,
                }
            )
        return outcomes

    def acquire(
        self,
        suggestions: Sequence[Mapping[str, Any]],
        actuators: Sequence[Any],
        sensors: Sequence[Any] | None = None,
        md: Mapping[str, Any] | None = None,
        *,
        monitors: Sequence[Any] = (),
    ) -> Plan[str]:
        """The acquisition plan: one run with one event for each suggestion, in their order.

        It waits for the analysis on another thread, because the evaluation of bluesky-adaptive would hold up the event
        loop of the RunEngine. Every position is checked before anything moves.

        Parameters
        ----------
        suggestions, actuators, sensors, md
            See `bluesky_adaptive.protocols.AcquisitionPlan`.
        monitors : sequence of signals
            Monitored during the run: the rheometer's.

        Returns
        -------
        str
            Uid of the run.
        """
        self._check(suggestions, actuators)
        detectors = list(sensors or ())
        read = [*detectors, *actuators]
        metadata = {
            "plan_name": "acquire_suggestions",
            "detectors": [detector.name for detector in detectors],
            "motors": [actuator.name for actuator in actuators],
            "num_points": len(suggestions),
            "agent": self.agent.name,
            "blop_acquisition_order": [each[ID] for each in suggestions],
            **(md or {}),
        }

        @bpp.set_run_key_decorator("acquire_suggestions")  # type: ignore[untyped-decorator]
        @bpp.stage_decorator(detectors)  # type: ignore[untyped-decorator]
        @bpp.run_decorator(md=metadata)  # type: ignore[untyped-decorator]
        @bpp.monitor_during_decorator(list(monitors))  # type: ignore[untyped-decorator]
        def run() -> Plan[Any]:
            for each in suggestions:
                moves = [part for actuator in actuators for part in (actuator, each[actuator.name])]
                yield from bps.mv(*moves)
                yield from bps.trigger_and_read(read)

        uid: str = yield from run()
        for seq_num in range(1, len(suggestions) + 1):
            yield from in_thread(partial(self._result_of, uid, seq_num))
        return uid

    def problem(self, actuators: Sequence[Any], sensors: Sequence[Any]) -> OptimizationProblem[str]:
        """The problem for `bluesky_adaptive.plans.optimize`.

        Parameters
        ----------
        actuators : sequence of devices
            Along the agent's axes; they have the names of `axes`.
        sensors : sequence of devices
            The detectors.
        """
        from bluesky_adaptive.protocols import OptimizationProblem

        return OptimizationProblem(
            optimizer=self,
            actuators=actuators,
            sensors=sensors,
            evaluation_function=self.evaluate,
            acquisition_plan=self.acquire,
        )

    def _check(self, suggestions: Sequence[Mapping[str, Any]], actuators: Sequence[Any]) -> None:
        """Refuse other actuators than the axes, and positions beyond the limits."""
        names = [actuator.name for actuator in actuators]
        if unknown := set(names) ^ set(self._axes):
            raise ValueError(
                f"the actuators are {', '.join(names)} and the agent's axes {' and '.join(self._axes)}: "
                f"{', '.join(sorted(unknown))} must be in both or in neither"
            )
        for each in suggestions:
            self.agent.limits.check(self._position(each))

    def _opened(self, suggestion: Suggestion) -> dict[str, Any]:
        self._open[suggestion.id] = suggestion
        self._keep_event(suggestion, "proposed", "", 0)
        return self._point(suggestion)

    def _chosen(self, point: Mapping[str, Any]) -> Suggestion:
        if missing := [axis for axis in self._axes if axis not in point]:
            raise ValueError(
                f"the point {dict(point)} is no suggestion that is open, and has no {' and '.join(missing)}"
            )
        suggestion = self.agent.expose(self._position(point), f"{self.agent.name}-own-{uuid4().hex[:8]}")
        self._opened(suggestion)
        return suggestion

    def _point(self, suggestion: Suggestion) -> dict[str, Any]:
        return {ID: suggestion.id, **self._place(suggestion)}

    def _place(self, suggestion: Suggestion) -> dict[str, float]:
        """The position by the names of the actuators."""
        names = self.agent.limits.space.names
        return {actuator: suggestion.position[axis] for actuator, axis in zip(self._axes, names, strict=True)}

    def _position(self, point: Mapping[str, Any]) -> dict[str, float]:
        """The position by the names of the agent's axes."""
        names = self.agent.limits.space.names
        return {axis: float(point[actuator]) for actuator, axis in zip(self._axes, names, strict=True)}

    def _keep_event(
        self, suggestion: Suggestion, event: str, raw_uid: str, seq_num: int, novelty: float = float("nan")
    ) -> None:
        if self._record is not None:
            self._record(suggestion, event, raw_uid=raw_uid, seq_num=seq_num, novelty=novelty)


def _mean(values: Any) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")
