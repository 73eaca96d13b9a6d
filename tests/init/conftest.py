"""The precision that paths are drawn in."""

import pytest

from subtheory.numerics import float64


@pytest.fixture
def double():
    with float64():
        yield
