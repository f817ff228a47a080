"""From a detector to bins of pixels: geometry, masks, sectors, labels, partition maps.

Masks of bad pixels are made and read in `masks.py`; each way to make bins (`sectors`, `labels`, `aps_partition`) leaves
the masked pixels out. Masks that are given with the frames: `correlation/normalisation.py`.
"""
