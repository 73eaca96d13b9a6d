"""How alike two inits are: in parameters, modulo permutations of hidden units, as functions, and to first order."""

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree
from scipy.optimize import linear_sum_assignment

from subtheory.errors import InputError
from subtheory.numerics import public
from subtheory.theory.curvature import ntk_product
from subtheory.theory.distillation import outputs
from subtheory.theory.network import Network, Params

Member = tuple[str | Sequence[Hashable], int] | tuple[str | Sequence[Hashable], int, int]
"""A leaf's key path (its keys, or those joined by "/"), the axis that runs over the units, entries a unit (or 1)."""
Leaves = dict[str, np.ndarray]


def _leaves(params: Params) -> Leaves:
    """Leaves by their key path joined by "/"."""
    found, _ = jax.tree_util.tree_flatten_with_path(params)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf) for path, leaf in found}


def _alike(theta0: Params, student: Params) -> tuple[Leaves, Leaves]:
    """Leaves of both; InputError on "student" unless it has the paths and shapes of θ0."""
    a, b = _leaves(theta0), _leaves(student)
    if {path: leaf.shape for path, leaf in a.items()} != {path: leaf.shape for path, leaf in b.items()}:
        shapes = ", ".join(f"{path} {leaf.shape}" for path, leaf in b.items())
        raise InputError("student", shapes, "must have the parameters of θ0")
    return a, b


def _squared(a: Leaves, b: Leaves) -> float:
    """‖a − b‖², summed over leaves."""
    return float(sum(np.sum((a[path] - b[path]) ** 2) for path in a))


def _relative(squared: float, theta0: Leaves) -> float:
    """√squared / ‖θ0‖; InputError on "theta0" if that is 0."""
    size = float(sum(np.sum(leaf**2) for leaf in theta0.values()))
    if not size > 0:
        raise InputError("theta0", "zeros", "must not be all zero, to measure a relative distance")
    return float(np.sqrt(squared / size))


def distance(theta0: Params, student: Params) -> float:
    """‖θ0_S − θ0‖/‖θ0‖; about √2 for two independent draws.

    Raises InputError on "student" for other parameters than θ0's, on "theta0" if that is all zero.
    """
    a, b = _alike(theta0, student)
    return _relative(_squared(a, b), a)


class Matching(NamedTuple):
    """The permutation of the student's units that brings it nearest to θ0."""

    permutations: tuple[np.ndarray, ...]
    """One for each group: unit i of θ0 is matched with unit permutations[g][i] of the student."""
    student: Params
    """The student with its units in that order."""
    distance: float
    """‖π θ0_S − θ0‖/‖θ0‖."""


class _Member(NamedTuple):
    path: str
    axis: int
    inner: int


class _Group(NamedTuple):
    """Units that can be renamed, and the axes that run over them: each splits into (outer, units, inner)."""

    members: tuple[_Member, ...]
    units: int

    def rows(self, leaf: np.ndarray, member: _Member) -> np.ndarray:
        """(units, rest): what belongs to each unit."""
        moved = np.moveaxis(leaf, member.axis, 0)
        return np.moveaxis(moved.reshape(-1, self.units, member.inner, *moved.shape[1:]), 1, 0).reshape(self.units, -1)

    def permuted(self, leaves: Leaves, order: np.ndarray) -> Leaves:
        """Leaves with unit order[i] in place i."""
        moved = dict(leaves)
        for path, axis, inner in self.members:
            entries = np.arange(leaves[path].shape[axis]).reshape(-1, self.units, inner)
            moved[path] = np.take(moved[path], entries[:, order].ravel(), axis)
        return moved

    def matched(self, a: Leaves, b: Leaves, members: Sequence[_Member]) -> np.ndarray:
        """argmin_π Σ_i ‖a_i − b_π(i)‖² over the given members, by the Hungarian method on a_i · b_j."""
        gain = sum(self.rows(a[m.path], m) @ self.rows(b[m.path], m).T for m in members)
        return np.asarray(linear_sum_assignment(gain, maximize=True)[1])


def _group(theta0: Leaves, members: Sequence[Member]) -> _Group:
    """A group, checked against the leaves."""
    named = []
    for key, axis, *inner in members:
        path = key if isinstance(key, str) else "/".join(map(str, key))
        if path not in theta0:
            raise InputError("groups", path, f"must name leaves among {', '.join(theta0)}")
        if not -theta0[path].ndim <= axis < theta0[path].ndim:
            raise InputError("groups", f"axis {axis} of {path}", f"must be an axis of shape {theta0[path].shape}")
        named.append(_Member(path, axis % theta0[path].ndim, *(inner or (1,))))
    if not named or len({member.path for member in named}) < len(named):
        raise InputError("groups", [tuple(member) for member in named], "must name every leaf once, at least one")
    sizes = [theta0[path].shape[axis] / inner for path, axis, inner in named]
    if not min(sizes) >= 1 or any(size % min(sizes) for size in sizes):
        raise InputError("groups", sizes, "must have axes whose lengths are multiples of the number of units")
    return _Group(tuple(named), int(min(sizes)))


def _anchored(groups: Sequence[_Group]) -> list[tuple[int, list[_Member]]]:
    """An order of the groups, each with the members that no group behind it permutes too.

    From the inputs upwards, one such member is enough to recognise the units of a permuted network exactly.
    """
    waiting, order = list(range(len(groups))), []
    while waiting:
        free = {}
        for g in waiting:
            shared = {member.path for h in waiting if h != g for member in groups[h].members}
            free[g] = [member for member in groups[g].members if member.path not in shared]
        chosen = next((g for g in waiting if free[g]), waiting[0])
        order.append((chosen, free[chosen] or list(groups[chosen].members)))
        waiting.remove(chosen)
    return order


def _descend(groups: Sequence[_Group], a: Leaves, b: Leaves, orders: list[np.ndarray]) -> tuple[float, Leaves]:
    """Group after group to its best permutation given the others, until ‖a − πb‖² no longer falls; updates `orders`."""
    best = _squared(a, b)
    while True:
        before = best
        for g, group in enumerate(groups):
            order = group.matched(a, b, group.members)
            moved = group.permuted(b, order)
            if (now := _squared(a, moved)) < best:
                best, b, orders[g] = now, moved, orders[g][order]
        if not best < before:
            return best, b


def match(theta0: Params, student: Params, groups: Sequence[Sequence[Member]]) -> Matching:
    """The student's units renamed so as to minimise ‖πθ0_S − θ0‖, one permutation π_g for each group.

    `groups` lists, for every set of units that can be renamed without changing the function, the (key path, axis)
    pairs that run over it: for one hidden layer (W₁, 1), (b₁, 0), (W₂, 0); the `Place`s of a `Units` serve as they
    are. An axis may be longer than the units, as that of flattened channels is: it splits into (outer, units,
    inner), with the third entry of a member, or 1, for inner. Every step is a Hungarian assignment, exact for its
    group given the others; they alternate from the student as it is and from a match made from the inputs upwards,
    and the nearer end is returned. One hidden layer: the exact minimum. Several: an upper bound (the joint problem
    is NP-hard), and 0 for a permuted copy whose groups can be reached from leaves that no other group touches.
    Raises InputError on "student" or "theta0" as `distance` does, on "groups" for an unknown path or axis, lengths
    that do not fit, or a leaf named twice in one group (where the assignment would no longer be linear).
    Source: weight matching, Ainsworth, Hayase and Srinivasa, arXiv 2209.04836, section 3.2.
    """
    a, b = _alike(theta0, student)
    sets = [_group(a, members) for members in groups]
    found = []
    for upwards in (False, True):
        orders, start = [np.arange(group.units) for group in sets], b
        for g, members in _anchored(sets) if upwards else ():
            orders[g] = sets[g].matched(a, start, members)
            start = sets[g].permuted(start, orders[g])
        squared, end = _descend(sets, a, start, orders)
        found.append((squared, orders, end))
    squared, orders, end = min(found, key=lambda one: one[0])
    tree = jax.tree.unflatten(jax.tree.structure(student), list(end.values()))
    return Matching(tuple(orders), tree, _relative(squared, a))


def matched_distance(theta0: Params, student: Params, groups: Sequence[Sequence[Member]]) -> float:
    """min_π ‖πθ0_S − θ0‖/‖θ0‖ over permutations of the groups of units, at most `distance`; see `match`."""
    return match(theta0, student, groups).distance


def _weights(network: Network, params: Params, x: Array, weights: Any) -> Array:
    """Output weights w ≥ 0, (V,), by default all 1; InputError on "weights" for another shape."""
    width = jax.eval_shape(lambda theta: outputs(network, theta, x), params).shape[-1]
    w = jnp.ones(width) if weights is None else jnp.asarray(weights)
    if w.shape != (width,):
        raise InputError("weights", w.shape, f"must have shape {(width,)}")
    return w


@public
def functional_distance(
    network: Network, theta0: Params, student: Params, x: Any,
    weights: Any = None, student_network: Network | None = None,
) -> float:  # fmt: skip
    """√(E Σ w(f_S − f_T)² / E Σ w f_T²): relative RMS difference of the outputs on inputs x, (N, ...).

    `weights` w ≥ 0, (V,), picks outputs; `student_network` is the student's own architecture, if it has one.
    Raises InputError on "weights" for another shape, on "student" if the shapes of the outputs differ.
    """
    w = _weights(network, theta0, x, weights)
    f_T, f_S = _outputs(network, theta0, x), _outputs(student_network or network, student, x)
    if f_S.shape != f_T.shape:
        raise InputError("student", f_S.shape, f"must have outputs of shape {f_T.shape}")
    return jnp.sqrt(jnp.sum(w * (f_S - f_T) ** 2) / jnp.sum(w * f_T**2))  # type: ignore[return-value]


@partial(jax.jit, static_argnums=0)
def _outputs(network: Network, params: Params, x: Array) -> Array:
    return outputs(network, params, x)


@public
def ntk_overlap(
    network: Network, theta0: Params, student: Params, x: Any,
    weights: Any = None, student_network: Network | None = None,
) -> float:  # fmt: skip
    """⟨K_S, K_T⟩_F/(‖K_S‖_F ‖K_T‖_F) of the empirical NTKs K = JJᵀ on inputs x, (N, ...); in [0, 1].

    Invariant under anything that leaves the kernel alone, such as a permutation of hidden units; the student may
    have parameters and an architecture of its own. By one kernel product for each distilled output of each input.
    `weights` w ≥ 0, (V,), gives √w K √w. Raises InputError on "weights" for another shape.
    """
    w = _weights(network, theta0, x, weights)
    return _ntk_overlap(network, student_network or network, theta0, student, x, w)


@partial(jax.jit, static_argnums=(0, 1))
def _ntk_overlap(network: Network, other: Network, theta0: Params, student: Params, x: Array, w: Array) -> Array:
    teacher, own = ntk_product(network, theta0, x, x), ntk_product(other, student, x, x)

    def column(e: Array) -> Array:
        k_T, k_S = (jnp.sqrt(w) * product(jnp.sqrt(w) * e) for product in (teacher, own))
        return jnp.stack([jnp.sum(k_S * k_T), jnp.sum(k_S**2), jnp.sum(k_T**2)])

    across, s, t = _summed(column, network, theta0, x)
    return across / jnp.sqrt(s * t)


@public
def cross_ntk_overlap(network: Network, theta0: Params, student: Params, x: Any, weights: Any = None) -> float:
    """tr(J_S J_Tᵀ)/(‖J_S‖_F ‖J_T‖_F) on inputs x, (N, ...), from the cross-NTK J_S J_Tᵀ; in [−1, 1].

    The cosine of the two Jacobians in shared coordinates, 1 iff they are proportional, about 0 for permuted units:
    for M = I and isotropic Δ the mean of the cross-kernel E[(J_SΔ)ᵀM(J_TΔ)], relative to its size (P18).
    `weights` w ≥ 0, (V,), weights the outputs. Raises InputError on "weights" for another shape, on "student" for
    other parameters than θ0's.
    """
    if jax.tree.map(jnp.shape, theta0) != jax.tree.map(jnp.shape, student):
        raise InputError("student", jax.tree.map(jnp.shape, student), "must have the parameters of θ0")
    return _cross_ntk_overlap(network, theta0, student, x, _weights(network, theta0, x, weights))


@partial(jax.jit, static_argnums=0)
def _cross_ntk_overlap(network: Network, theta0: Params, student: Params, x: Array, w: Array) -> Array:
    pulls = [jax.vjp(lambda theta: outputs(network, theta, x), params)[1] for params in (student, theta0)]

    def row(e: Array) -> Array:
        j_S, j_T = (ravel_pytree(pull(jnp.sqrt(w) * e))[0] for pull in pulls)
        return jnp.stack([j_S @ j_T, j_S @ j_S, j_T @ j_T])

    across, s, t = _summed(row, network, theta0, x)
    return across / jnp.sqrt(s * t)


def _summed(function: Callable[[Array], Array], network: Network, params: Params, x: Array) -> Array:
    """Σ_e function(e) over the unit vectors e of the outputs on x, one after the other."""
    shape = jax.eval_shape(lambda theta: outputs(network, theta, x), params)

    def add(total: Array, i: Array) -> tuple[Array, None]:
        e = jnp.zeros(shape.size, shape.dtype).at[i].set(1.0).reshape(shape.shape)
        return total + function(e), None

    return jax.lax.scan(add, jnp.zeros(3, shape.dtype), jnp.arange(shape.size))[0]


def cka(first: Any, second: Any) -> float:
    """Linear CKA ‖BᵀA‖²_F/(‖AᵀA‖_F ‖BᵀB‖_F) of centred representations A, B; in [0, 1].

    Outputs or hidden activations on the same inputs, (N, ..., p) and (N, ..., q); axes before the last are rows.
    Invariant under rotations, shifts and isotropic scaling of either. Raises InputError on "second" for another
    number of rows, on either if it is constant over them. Source: Kornblith et al., arXiv 1905.00414, eq. 4.
    """
    A, B = (np.asarray(h, np.float64).reshape(-1, np.shape(h)[-1]) for h in (first, second))
    if len(A) != len(B):
        raise InputError("second", len(B), f"must have {len(A)} rows, as the first has")
    for name, h in (("first", A), ("second", B)):
        if not np.any(h != h[0]):
            raise InputError(name, "a constant", "must vary over the inputs")
    A, B = A - A.mean(axis=0), B - B.mean(axis=0)
    return float(np.sum((B.T @ A) ** 2) / (np.linalg.norm(A.T @ A) * np.linalg.norm(B.T @ B)))
