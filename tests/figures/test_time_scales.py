"""A map at several time scales, as it is drawn."""

import numpy as np
from matplotlib.patches import Rectangle

from ainerd_agent.figures.time_scales import ScaledMeasurement, time_scales_figure
from ainerd_agent.latent.time_scales import crops_of


def drawn(exposure: float, marked: int) -> tuple[ScaledMeasurement, object]:
    crops = tuple(crop for crop in crops_of(exposure, 256) if crop.scale >= 0.125)
    found = ScaledMeasurement(
        c2=np.eye(16, dtype=np.float32),
        extent=exposure,
        unit="s",
        crops=crops,
        cluster=np.arange(len(crops)) % 4,
        differs=np.arange(len(crops)) < marked,
        n_clusters=4,
    )
    return found, time_scales_figure(found).axes[1]


def test_each_crop_has_its_place_and_each_row_covers_the_exposure_once() -> None:
    found, axes = drawn(16.0, 2)
    boxes = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert len(boxes) == len(found.crops)
    for row in range(4):
        widths = [box.get_width() for box in boxes if round(box.get_y() + 0.46) == row]
        assert np.isclose(sum(widths), 16.0)
    assert len(axes.lines) == 2
    assert "differs" in axes.get_title()
    assert [label.get_text() for label in axes.get_yticklabels()] == ["2", "4", "8", "16\n(all)"]


def test_where_nothing_differs_that_is_said() -> None:
    _, axes = drawn(16.0, 0)
    assert not axes.lines
    assert axes.get_title().startswith("nothing differs")
