"""Vectors without temporaries: the same numbers as in a stack, at addresses that a program reads in place."""

import numpy as np

from subtheory.kernels import stack
from subtheory.language.measuring.vectors import ALIGNED, PIECE, copied, empty, largest, moved, norm, shaken, signed

THETA = np.random.default_rng(0).standard_normal(1001)


def test_they_are_changed_as_in_a_stack():
    for turn, row in enumerate(stack.shaken(THETA, 0)):
        np.testing.assert_array_equal(shaken(THETA, turn), row)
    np.testing.assert_array_equal(signed(THETA), stack.generic_signs(np, THETA.size) * THETA)
    np.testing.assert_allclose(moved(THETA, 0.5, THETA), 1.5 * THETA, rtol=1e-15)
    assert norm(THETA) == np.sqrt(THETA @ THETA) and largest(THETA) == abs(THETA).max()


def test_no_two_turns_change_a_long_one_alike():
    ones = np.ones(PIECE + 10)
    first, second = (shaken(ones, turn) - 1.0 for turn in (0, 1))
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.01
    assert 0 < abs(first).max() <= stack.SHAKE * (1 + 1e-6) and np.count_nonzero(first[-10:]) == 10


def test_they_lie_where_a_program_reads_them_in_place():
    for vector in (empty(7), copied(THETA), moved(THETA, 1.0, THETA), shaken(THETA, 1), signed(THETA)):
        assert vector.ctypes.data % ALIGNED == 0
