import numpy as np
import pytest

from ainerd_agent.errors import MapError
from ainerd_agent.latent.familiarity import Familiarity


def test_maps_beyond_either_limit_are_marked_with_advice():
    known = np.arange(1.0, 101)
    limits = Familiarity.of(known, 10 * known, quantile=0.9)
    errors, distances = np.array([1.0, 200, 1, np.nan]), np.array([1.0, 1, 2000, 1])
    np.testing.assert_array_equal(limits.unlike(errors, distances), [False, True, True, True])
    assert "3 of 4 maps" in limits.advice(errors, distances)
    assert limits.advice(known[:3], known[:3]) is None
    assert limits.unlike(known, 10 * known).mean() == pytest.approx(0.1)
    with pytest.raises(MapError, match="finite"):
        Familiarity.of(np.array([np.nan]), known)
