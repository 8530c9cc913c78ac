"""Fixtures of the API tests."""

from __future__ import annotations

import pytest

from api.support import Wheel, load


@pytest.fixture(params=[2, 3], ids=["v2", "v3"])
def wheel(request: pytest.FixtureRequest) -> Wheel:
    """Each installed wheel in turn."""
    return load(request.param)


@pytest.fixture
def v2() -> Wheel:
    """The wheel with the v2 interface."""
    return load(2)


@pytest.fixture
def v3() -> Wheel:
    """The wheel with the v3 interface."""
    return load(3)
