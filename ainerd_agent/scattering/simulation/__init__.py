"""The physics of simulated speckle, without devices."""
