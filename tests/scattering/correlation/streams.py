"""Streams from loose options, for tests that vary them all."""

from dataclasses import fields

from ainerd_agent.scattering.correlation.computation import Computation
from ainerd_agent.scattering.correlation.normalisation import Normalisation
from ainerd_agent.scattering.correlation.two_time_stream import TwoTimeStream


def new_stream(labels, n_frames=None, **options):
    """A stream; `options` are its own, or fields of its records."""
    records = {}
    for name, record in (("normalisation", Normalisation), ("computation", Computation)):
        given = {each.name: options.pop(each.name) for each in fields(record) if each.name in options}
        records[name] = record(**given)
    return TwoTimeStream(labels, n_frames, **records, **options)
