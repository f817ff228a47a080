"""The kernels behind the correlations, and what feeds them. Private to `correlation`."""
