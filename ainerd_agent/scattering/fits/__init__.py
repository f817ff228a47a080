"""Fits to g2 and to maps: relaxations, and the velocity behind heterodyne fringes."""
