"""Closing a run that ended before its time, as Bluesky's own plans do."""

from __future__ import annotations

import bluesky.plan_stubs as bps
from bluesky.utils import RunEngineControlException

from ainerd_agent.agent.runners.threads import Plan


def close_failed(error: Exception) -> Plan[None]:
    """Close the run: what somebody stopped or aborted is no failure."""
    if isinstance(error, RunEngineControlException):
        yield from bps.close_run(exit_status=getattr(error, "exit_status", "abort"))
    else:
        yield from bps.close_run(exit_status="fail", reason=str(error))
