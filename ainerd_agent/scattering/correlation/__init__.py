"""Frames to correlations: two-time, multi-tau, g2, full resolution, age and lag.

What counts are divided by, and which pixels, readings and frames are bad, is decided in `normalisation.py`, for all of
them. Blocks are checked as they come by `_engine/frame_validation.py`, <I> is made by `_engine/mean_counts.py`.
"""
