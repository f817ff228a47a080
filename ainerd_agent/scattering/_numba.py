"""Numba, with all types known before any thread compiles.

Numba registers the types of its extensions (awkward, sparse) when something is compiled for the first time. Two threads
that call kernels at that moment meet in a dict that grows, and one of them fails ("dictionary changed size during
iteration"). So something trivial is compiled here, under the lock of the import. The half second it takes would
otherwise be spent in the first correlation.
"""

from __future__ import annotations

from numba import njit

__all__ = ["njit"]

njit("float64(float64)")(lambda value: value)
