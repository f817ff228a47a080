"""The rheometer: the stress during an exposure, when the flow stopped, and what the dynamics have to do with it."""

from ainerd_agent.rheology.links import Links, find_links
from ainerd_agent.rheology.readings import cessation_time, read_rheology, stress_during, stress_minima
from ainerd_agent.rheology.relation import Relation, order_slow_to_fast, relate

__all__ = [
    "Links",
    "Relation",
    "cessation_time",
    "find_links",
    "order_slow_to_fast",
    "read_rheology",
    "relate",
    "stress_during",
    "stress_minima",
]
