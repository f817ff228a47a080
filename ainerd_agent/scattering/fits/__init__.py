"""Fits of the relaxation, of C2 maps and of heterodyne fringes."""
