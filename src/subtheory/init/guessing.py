"""Units of a network that is not built in: guessed from order and shapes of its leaves, kept if a check confirms them.

The check is the truth: at parameters in general position the units are moved, and the outputs have to stay, to
rounding, where moving what makes the units without what reads them changes them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise

import jax
import numpy as np

from subtheory.errors import InputError
from subtheory.init.path import names_of
from subtheory.init.sharing import used
from subtheory.init.symmetry import LINEAR, Place, Turn, Units, act
from subtheory.kernels.compiled import Kernels

SAME = 1e-10
"""Outputs that are no farther apart, relative to their size, are the same: a sum in another order is."""

ADDED = ("bias", "scale", "b")
"""Last names of leaves that shift or scale what a kernel makes, whatever their shape."""

INPUTS = 4
"""How many inputs the outputs are compared at."""


@dataclass(frozen=True)
class Leaf:
    """One leaf of the parameters."""

    names: tuple[str, ...]
    shape: tuple[int, ...]

    @property
    def kernel(self) -> bool:
        """Whether it reads one layer and makes another."""
        wide = sum(size > 1 for size in self.shape)
        return len(self.shape) >= 2 and self.names[-1] not in ADDED and (wide > 1 or len(self.shape) == 2)


@dataclass(frozen=True)
class Check:
    """A network at parameters in general position, θ (P,), and its outputs there at some inputs."""

    functions: Kernels
    theta: np.ndarray
    x: np.ndarray

    @classmethod
    def at(cls, functions: Kernels, theta0: np.ndarray, x: np.ndarray) -> "Check":
        """Near θ0, where no entry is special: a bias of zeros would hide that it is left behind.

        Inputs are some of x and, of numbers, usual ones: a softplus of large inputs alone is a ReLU.
        """
        rng = np.random.default_rng(0)
        theta = theta0 + 0.3 * (np.std(theta0) or 1.0) * rng.standard_normal(theta0.shape)
        some = x[:INPUTS]
        if np.issubdtype(x.dtype, np.floating):
            some = np.concatenate([some, rng.standard_normal(some.shape)])
        return cls(functions, theta, some)

    def off(self, group: Units, turn: Turn) -> float:
        """How far the outputs move, relative to their size; infinite for leaves that do not split into the units."""
        layout = self.functions.layout
        stacked = Turn(turn.order[None], turn.factor[None])
        try:
            moved = layout.flatten(act((group,), (stacked,), layout.unflatten(self.theta[None])))[0]
        except InputError:
            return np.inf
        with np.errstate(all="ignore"):
            before, after = (self.functions.values(theta, self.x) for theta in (self.theta, moved))
            axes = tuple(range(1, before.ndim))
            size = np.maximum(np.max(np.abs(before), axis=axes), np.finfo(float).tiny)
            found = np.max(np.max(np.abs(after - before), axis=axes) / size)
        return float(found) if np.isfinite(found) else np.inf

    def keeps(self, group: Units) -> bool:
        """Whether the units may change places, and it matters that their readers do."""
        turn = Turn(np.roll(np.arange(group.size), 1), np.ones(group.size))
        return self.off(group, turn) <= SAME < self.off(replace(group, outgoing=()), turn)

    def heads(self, group: Units) -> bool:
        """Whether units that it keeps are heads: entries within one may change places in query and key alone."""

        def alone(pair: tuple[Place, ...]) -> Units:
            homes = {place.leaf[:-1] for place in pair if len(place.leaf) > 1}
            own = (place for place in group.incoming if place in pair or place.leaf[:-1] in homes)
            return replace(group, incoming=tuple(own), outgoing=())

        turn = Turn(np.roll(np.arange(group.size), 1), np.ones(group.size))
        pairs = combinations(group.incoming[:3], 2)
        return all(self.off(alone(pair), turn) > SAME for pair in pairs)

    def activation(self, group: Units) -> str:
        """Of hidden units: "tanh" where signs may be flipped, "relu" where they may be stretched, `LINEAR` for both."""
        order, odd = np.arange(group.size), np.where(np.arange(group.size) % 2, 1.0, -1.0)
        flips = self.off(group, Turn(order, odd)) <= SAME
        stretches = self.off(group, Turn(order, np.exp(np.linspace(-0.5, 0.5, group.size)))) <= SAME
        return LINEAR if flips and stretches else "tanh" if flips else "relu" if stretches else ""


def guessed(functions: Kernels, theta0: np.ndarray, x: np.ndarray) -> tuple[Units, ...]:
    """Hidden units between kernels that follow each other, and heads of attentions; those that a check confirms.

    θ0 (P,), x (N, *example). Kernels may have any order of axes, and a flattened image may lie in between.
    """
    check = Check.at(functions, theta0, x)
    leaves = _in_order(functions, x)
    kernels = [i for i, leaf in enumerate(leaves) if leaf.kernel]
    heads, hidden, inside = list[Units](), list[Units](), set[tuple[int, int]]()
    for i in range(3, len(kernels)):
        made, out = [leaves[k] for k in kernels[i - 3 : i]], leaves[kernels[i]]
        if len({leaf.shape for leaf in made}) == 1:
            added = [leaf for leaf in leaves[kernels[i - 3] : kernels[i]] if not leaf.kernel]
            several = [group for group in _heads(made, added, out) if check.keeps(group)]
            heads += [group for group in several if check.heads(group)][:1]
            inside |= set(pairwise(kernels[i - 3 : i + 1])) if several else set()  # within a head nothing is moved
    for writer, reader in pairwise(kernels):
        if (writer, reader) not in inside:
            candidates = _hidden(leaves[writer], leaves[writer + 1 : reader], leaves[reader])
            group = next(filter(check.keeps, candidates), None)
            hidden += [replace(group, activation=check.activation(group))] if group else []
    return (*hidden, *heads)


def require_kept(functions: Kernels, theta0: np.ndarray, x: np.ndarray, units: Sequence[Units]) -> None:
    """Raise InputError on "units" for hidden units or heads that are declared and may not change places."""
    check = Check.at(functions, theta0, x)
    for group in units:
        turn = Turn(np.roll(np.arange(group.size), 1), np.ones(group.size))
        if group.kind in ("hidden", "heads"):
            act((group,), (turn,), functions.layout.unflatten(theta0))  # says which leaf does not fit
            if not check.off(group, turn) <= SAME:
                raise InputError("units", between(group), "must leave the outputs as they are when they change places")


def between(group: Units) -> str:
    """Units in words: how many, and where they lie."""
    makes = [place.leaf for place in group.incoming]
    first = "/".join(makes[0]) if makes else "nothing"
    reads = "/".join(group.outgoing[0].leaf) if group.outgoing else "nothing"
    return f"{group.size}{' heads' if group.kind == 'heads' else ''} between {first} and {reads}"


def _in_order(functions: Kernels, x: np.ndarray) -> list[Leaf]:
    """The leaves in the order in which the outputs first use them."""
    params = functions.layout.unflatten(np.zeros(functions.layout.size))
    paths = [names_of(path) for path, _ in jax.tree_util.tree_flatten_with_path(params)[0]]
    order = used(functions.network, params, np.zeros(functions.example, x.dtype))
    return [Leaf(paths[i] or ("",), functions.layout.shapes[i]) for i in order]


def _hidden(writer: Leaf, added: Sequence[Leaf], reader: Leaf) -> Iterator[Units]:
    """Units that an axis of one kernel makes and one of the next reads, with or without what is added in between."""
    for a, size in reversed([*enumerate(writer.shape)]):
        shifts = tuple(Place(leaf.names, leaf.shape.index(size)) for leaf in added if size in leaf.shape)
        for b, length in enumerate(reader.shape):
            if size < 2 or length % size:
                continue
            for inner in dict.fromkeys((1, length // size)):
                for more in dict.fromkeys((shifts, ())):
                    made = (Place(writer.names, a), *more)
                    yield Units("hidden", size, made, (Place(reader.names, b, inner),))


def _heads(made: Sequence[Leaf], added: Sequence[Leaf], reader: Leaf) -> Iterator[Units]:
    """Heads that an axis of query, key and value makes and the output reads, most of them first."""
    for a, length in enumerate(made[0].shape):
        shifts = [(leaf.names, leaf.shape.index(length)) for leaf in added if length in leaf.shape]
        places = [*((leaf.names, a) for leaf in made), *shifts]
        for b in (b for b, size in enumerate(reader.shape) if size == length):
            for size in (n for n in range(length, 1, -1) if length % n == 0):
                inner = length // size
                writers = tuple(Place(*place, inner) for place in places)
                yield Units("heads", size, writers, (Place(reader.names, b, inner),))
