"""The atlas of latents: neighbours, novelty, and a picture of it in two dimensions."""
