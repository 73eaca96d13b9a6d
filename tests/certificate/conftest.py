"""The precision that every certificate is made in."""

import pytest

from subtheory.certificate.balls import BITS, precision


@pytest.fixture(autouse=True)
def bits():
    with precision(BITS):
        yield
