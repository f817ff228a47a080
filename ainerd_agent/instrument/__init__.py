"""A simulated rheo-XPCS beamline of ophyd-async devices. It needs the extra `simulator`."""

from importlib.util import find_spec

from ainerd_agent.errors import InstrumentError

if find_spec("ophyd_async") is None:
    raise InstrumentError("The simulated beamline needs ophyd-async: pip install 'ainerd-agent[simulator]'.")
