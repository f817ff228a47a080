"""A simulated rheo-XPCS beamline: physics and ophyd-async devices."""
