"""Frames to correlations: two-time, multi-tau, g2, age and lag."""
