"""Make a counterexample simpler while it stays one: zeros, fewer digits, fewer inputs."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from subtheory.cases.case import Case

VECTORS = ("drawn", "offset", "theta0")
"""Vectors of a case, which are taken array by array of the network's parameters."""

FIELDS = (*VECTORS, "x", "trait")
"""What may be made simpler, in this order."""


def simplified(case: Case, still: Callable[[Case], bool], enough: Callable[[], bool]) -> Case:
    """A case that is `still` a counterexample, with zeros and short decimals where they will do."""
    for simpler in (_fewer_inputs, _zeros, _digits):
        for change in simpler(case):
            if enough():
                return case
            tried = change(case)
            if tried is not None and still(tried):
                case = tried
    return case


Change = Callable[[Case], Case | None]


def _fewer_inputs(case: Case) -> Iterator[Change]:
    """Leave one input after the other out of the channel, and take a plain step."""

    def without(one: Case, n: int) -> Case | None:
        weights = np.where(np.arange(len(one.weights)) == n, 0.0, one.weights)
        if one.weights[n] == 0 or weights.sum() == 0:
            return None
        return replace(one, weights=weights / weights.sum())

    for n in range(len(case.weights)):
        yield lambda one, n=n: without(one, n)  # type: ignore[misc]
    yield lambda one: replace(one, alpha=np.ones(())) if one.alpha != 1 else None


def _zeros(case: Case) -> Iterator[Change]:
    """0 in a whole field, then in each of its arrays, then in each entry."""
    for name, i, leaf in _leaves(case):
        yield lambda one, name=name, i=i: _changed(one, name, i, lambda a: np.zeros_like(a))  # type: ignore[misc]
        for index in np.ndindex(leaf.shape):

            def zero(a: np.ndarray, index: tuple[int, ...] = index) -> np.ndarray:
                b = a.copy()
                b[index] = 0
                return b

            yield lambda one, name=name, i=i, zero=zero: _changed(one, name, i, zero)  # type: ignore[misc]


def _digits(case: Case) -> Iterator[Change]:
    """Whole numbers, else as few decimals as will do, array by array and then entry by entry."""
    for name, i, leaf in _leaves(case):
        if leaf.dtype.kind != "f":
            continue
        for places in (3, 2, 1, 0):
            yield lambda one, name=name, i=i, p=places: _changed(one, name, i, lambda a: np.round(a, p))  # type: ignore[misc]
        for index in np.ndindex(leaf.shape):
            for places in (0, 1, 2, 3):

                def rounded(a: np.ndarray, index: tuple[int, ...] = index, places: int = places) -> np.ndarray:
                    b = a.copy()
                    b[index] = np.round(b[index], places)
                    return b

                yield lambda one, name=name, i=i, f=rounded: _changed(one, name, i, f)  # type: ignore[misc]


def _leaves(case: Case) -> Iterator[tuple[str, int, np.ndarray]]:
    for name in FIELDS:
        for i, leaf in enumerate(jax.tree.leaves(_tree(case, name))):
            yield name, i, np.asarray(leaf)


def _tree(case: Case, name: str) -> Any:
    """A field as arrays of a network's own shapes; of a trait its inputs alone are a free choice, not what is asked."""
    value = getattr(case, name)
    if name == "trait":
        return getattr(value, "x", None)
    return case.layout.unflatten(value) if name in VECTORS else value


def _changed(case: Case, name: str, i: int, change: Callable[[np.ndarray], np.ndarray]) -> Case | None:
    """One array of a field changed; None if it stays the same, or holds tokens."""
    leaves, tree = jax.tree.flatten(_tree(case, name))
    before: Any = np.asarray(leaves[i])
    if before.dtype.kind != "f":
        return None
    after = change(before)
    if np.array_equal(before, after):
        return None
    leaves[i] = after
    value = jax.tree.unflatten(tree, leaves)
    if name == "trait":
        value = replace(case.trait, x=value)  # type: ignore[type-var]
    return replace(case, **{name: case.layout.flatten(value) if name in VECTORS else value})
