"""The agents: each has its own way to choose."""
