"""Crops, resampled and encoded."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ainerd_agent.errors import MapError
from ainerd_agent.latent import Encoder
from ainerd_agent.latent.scaling import SIDE, resize
from ainerd_agent.latent.time_scales import Crop, cropped, encode_crops
from ainerd_agent.scattering.correlation.resampling import crop_matrix, resize_matrix


def crop(start: float, scale: float) -> Crop:
    return Crop(scale, 0, start, float("nan"))


def decaying(tau: float, size: int = 256) -> np.ndarray:
    return np.exp(-np.abs(np.subtract.outer(np.arange(size), np.arange(size))) / tau)


@settings(max_examples=30)
@given(st.integers(2, 700), st.integers(1, 300))
def test_a_crop_of_the_whole_is_the_resized_map(n_frames: int, size: int) -> None:
    whole, usual = crop_matrix(n_frames, size, 0.0, float(n_frames)), resize_matrix(n_frames, size)
    np.testing.assert_allclose(whole.toarray(), usual.toarray(), atol=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 0.9), st.floats(0.06, 1), st.integers(40, 600))
def test_nothing_is_shifted(start: float, scale: float, size: int) -> None:
    """A map that is linear in both times stays exact wherever the ends of the crop are; not so near its own ends."""
    scale = min(scale, 1 - start)
    time = (np.arange(size) + 0.5) / size
    ramp = (time[:, None] + 2 * time[None]).astype(np.float32)
    at = start + (np.arange(SIDE) + 0.5) / SIDE * scale
    inner = (at > 8 / size) & (at < 1 - 8 / size)
    found = cropped(ramp[None], crop(start, scale))[0]
    np.testing.assert_allclose(
        found[np.ix_(inner, inner)], (at[:, None] + 2 * at[None])[np.ix_(inner, inner)], atol=2e-5
    )


@pytest.mark.parametrize("model", ["ages-v1", "lag-v1", "paper-v1"])
def test_the_whole_has_the_latents_of_the_map(model: str) -> None:
    encoder = Encoder.load(model)
    maps = 0.3 * np.stack([decaying(10.0), decaying(60.0)])
    found = encode_crops(encoder, maps, 10.0, contrast=0.3)
    assert found.latents.shape == (2, len(found.crops), 64)
    np.testing.assert_allclose(found.latents[:, 0], encoder.encode(maps, contrast=0.3), atol=1e-4)


def test_crops_of_equilibrium_are_alike_and_those_of_the_same_seconds_too() -> None:
    encoder = Encoder.load("ages-v1")
    short, long = (encode_crops(encoder, decaying(tau), exposure) for tau, exposure in ((256.0, 10.0), (64.0, 40.0)))
    of_short, of_long = (
        found.latents[0, [each.seconds == 8 for each in found.crops]].mean(axis=0) for found in (short, long)
    )
    spread = np.linalg.norm(long.latents[0, [each.seconds == 8 for each in long.crops]] - of_long, axis=1).max()
    assert spread < 0.1
    assert np.linalg.norm(of_short - of_long) < 0.2 * np.linalg.norm(short.latents[0, 0] - long.latents[0, 0])


def test_few_frames_resolve_few_crops() -> None:
    encoder = Encoder.load("ages-v1")
    found = encode_crops(encoder, decaying(20.0), n_frames=40)
    assert {each.scale for each in found.crops} == {1.0, 0.5}
    with pytest.raises(MapError, match="maps of 1 frames are too small"):
        encode_crops(encoder, decaying(20.0), n_frames=1)
    with pytest.raises(MapError, match="NaN"):
        encode_crops(encoder, np.full((64, 64), np.nan))


def test_a_small_map_is_cropped_as_it_is_not_as_it_was_enlarged() -> None:
    rng = np.random.default_rng(0)
    small = rng.normal(size=(1, 64, 64)).astype(np.float32)
    direct = cropped(small, crop(0.25, 0.5))
    np.testing.assert_allclose(direct[:, 4:-4, 4:-4], resize(small[:, 16:48, 16:48], SIDE)[:, 4:-4, 4:-4], atol=1e-5)
