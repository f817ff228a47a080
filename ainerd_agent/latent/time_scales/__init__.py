"""One map at several time scales: latents of crops along its diagonal, in shapes and in seconds."""

from ainerd_agent.latent.time_scales.crops import CropLatents, cropped, encode_crops
from ainerd_agent.latent.time_scales.ladder import FEWEST_PIXELS, SHARES, Crop, crops_of, is_rung, rungs

__all__ = ["FEWEST_PIXELS", "SHARES", "Crop", "CropLatents", "cropped", "crops_of", "encode_crops", "is_rung", "rungs"]
