"""Detector frames to C2: bins of pixels, sources of frames, correlations, and what is fitted to them.

Where a bad pixel is decided: `geometry/masks.py` makes masks, and `geometry/partition.py` (`usable_pixels`) leaves
masked pixels out of every bin, live too. `correlation/normalisation.py` takes further masks beside frames, and
`correlation/_engine/frame_validation.py` refuses readings that are no counts.
Where a new detector format goes: a module in `frames/`, whose docstring says what it must provide.

    frames/, geometry/ --> correlation/ --> fits/, quality --> fingerprint, files/        simulation/ makes movies

What is named here is public, and imported when it is first used: the compiled kernels take a second.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
