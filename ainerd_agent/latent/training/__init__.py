"""Training of the latent models."""
