"""Catalogs that 0.1 wrote are read with the values that 0.1 read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ainerd_agent.catalog import TiledServer, connect
from tests.fixtures.catalogs import OldCatalog, unpack


@pytest.fixture(scope="module", params=["1.0", "1.3"])
def old(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> OldCatalog:
    return unpack(request.param, tmp_path_factory.mktemp("old catalog"))


@pytest.fixture(scope="module")
def root(old: OldCatalog) -> Iterator[Any]:
    with TiledServer(old.session) as server:
        root = connect(server.uri)
        yield root
        root.close()


def test_points_are_those_that_were_written(old: OldCatalog, root: Any) -> None:
    for name, model in old.expected["models"].items():
        for uid, run in model["runs"].items():
            found = root.points(name, raw_uid=uid)
            if run["points"] is None:
                assert found.empty
            else:
                wanted = pd.DataFrame(run["points"])
                pd.testing.assert_frame_equal(found[list(wanted)], wanted, check_exact=True, check_dtype=False)


def test_maps_are_those_that_were_written(old: OldCatalog, root: Any) -> None:
    for uid in old.expected["maps"]:
        np.testing.assert_array_equal(root.c2(uid), old.arrays[f"{uid}/c2"])
