"""What the tests of certificates share: both losses, and what a ball contains."""

import mpmath as mp
from flint import arb

import subtheory as st

LOSSES = [st.SquaredError(), st.CrossEntropy()]


def contains(ball, number):
    """A ball that contains a 50-digit number, up to the digits that the number has."""
    return ball.overlaps(arb(mp.nstr(number, 45), "1e-40"))
