"""What is wrong with C2 maps, seen in the maps themselves: no model is asked."""

from ainerd_agent.latent.faults.fault import Fault
from ainerd_agent.latent.faults.find import find_faults
from ainerd_agent.latent.faults.values import noise_of_blocks

__all__ = ["Fault", "find_faults", "noise_of_blocks"]
