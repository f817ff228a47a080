import numpy as np
import pytest

from ainerd_agent.errors import MapError
from ainerd_agent.latent.familiarity import CANNOT_DRAW, FAR, MARGIN, Familiarity


def test_maps_beyond_a_limit_are_told_why():
    known = np.arange(1.0, 101)
    limits = Familiarity.of(known, 10 * known, quantile=0.9)
    assert limits.largest_excess == pytest.approx(MARGIN * np.quantile(known, 0.9))
    excess, distances = np.array([1.0, 200, 1, np.nan]), np.array([1.0, 1, 2000, 1])
    assert limits.reasons(excess, distances) == [(), (CANNOT_DRAW,), (FAR,), (CANNOT_DRAW,)]
    with pytest.raises(MapError, match="finite"):
        Familiarity.of(np.array([np.nan]), known)


def test_limits_of_older_files_are_not_taken_for_these():
    assert Familiarity.read(None) is None
    assert Familiarity.read({"largest_error": 1.0, "largest_distance": 2.0}) is None
    assert Familiarity.read({"largest_excess": 1.0, "largest_distance": 2.0}) == Familiarity(
        largest_excess=1.0, largest_distance=2.0
    )
