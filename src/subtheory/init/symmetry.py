"""Maps of the parameters that leave the function as it is: permutations, sign flips, rescalings."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf
from typing import Any, NamedTuple

import jax
import numpy as np

from subtheory.errors import InputError
from subtheory.init.path import Keys, Path, Start, column, generator, names_of
from subtheory.networks import MLP, ConvNet, Linear, Transformer, VisionTransformer
from subtheory.theory.network import Network, Params

LINEAR = "linear"
"""An activation that is none: odd and homogeneous."""

ODD = ("tanh", "sine", LINEAR)
"""Activations with φ(−z) = −φ(z)."""

HOMOGENEOUS = ("relu", LINEAR)
"""Activations with φ(cz) = cφ(z) for c > 0."""

STRETCHES = (0.0, 0.1, 0.2, 0.5, 1.0, 1.5, 2.0)
"""Default standard deviations of log factors."""


class Place(NamedTuple):
    """An axis along which a leaf counts units; it splits into (outer, units, inner), unit after unit for inner = 1."""

    leaf: tuple[str, ...]
    axis: int
    inner: int = 1


@dataclass(frozen=True)
class Units:
    """`size` interchangeable units: `incoming` places hold what makes a unit, `outgoing` what reads it.

    `kind` is "hidden" (with the activation's name), "heads" of an attention, "gain" (features
    between a LayerNorm and what reads it), or "stream" (all that is summed before LayerNorms).
    """

    kind: str
    size: int
    incoming: tuple[Place, ...]
    outgoing: tuple[Place, ...]
    activation: str = ""


class Turn(NamedTuple):
    """Unit i becomes c_i times unit π(i) of old: order π, (..., n) int, and factor c, (..., n)."""

    order: np.ndarray
    factor: np.ndarray

    @property
    def inverse(self) -> "Turn":
        """The turn that takes this one back."""
        back = np.argsort(self.order, axis=-1)
        return Turn(back, 1 / np.take_along_axis(self.factor, back, axis=-1))


def act(units: tuple[Units, ...], turns: tuple[Turn, ...], params: Params) -> Params:
    """θ ↦ Tθ: incoming[i] = c_i·incoming[π(i)], outgoing[i] = outgoing[π(i)]/c_i, group after group.

    The leaves have the leading axes of the turns. T is linear, so it also takes differences of parameters.
    Raises InputError on "units" for a leaf that is missing, or an axis that does not split into the units.
    """
    flat, tree = jax.tree_util.tree_flatten_with_path(params)
    leaves = {names_of(path): leaf for path, leaf in flat}
    for group, turn in zip(units, turns, strict=True):
        for places, factor in ((group.incoming, turn.factor), (group.outgoing, 1 / turn.factor)):
            for place in places:
                if place.leaf not in leaves:
                    raise InputError("units", "/".join(place.leaf), "must name a leaf of the parameters")
                leaves[place.leaf] = _turned(leaves[place.leaf], place, Turn(turn.order, factor))
    return jax.tree.unflatten(tree, leaves.values())


def _turned(leaf: np.ndarray, place: Place, turn: Turn) -> np.ndarray:
    *lead, size = turn.order.shape
    shape = leaf.shape[len(lead) :]
    axis = place.axis % max(len(shape), 1)
    if not shape or shape[axis] % (size * place.inner):
        wanted = f"must split into {size} units of {place.inner}"
        raise InputError("units", f"axis {place.axis} of {'/'.join(place.leaf)} {shape}", wanted)
    before, behind = shape[:axis], shape[axis + 1 :]
    parts = leaf.reshape(*lead, *before, -1, size, place.inner, *behind)
    order, factor = (a.reshape(*lead, *(1,) * (axis + 1), size, *(1,) * (1 + len(behind))) for a in turn)
    moved = np.take_along_axis(parts, order, axis=len(lead) + axis + 1) * factor
    return np.asarray(moved.reshape(leaf.shape))


def units(network: Network, params: Params) -> tuple[Units, ...]:
    """All groups of units of a built-in network; pass a spec of your own to the paths for any other.

    Hidden units of the MLP and of the blocks, channels of the ConvNet, attention heads, the gains
    of LayerNorms, and the residual stream. Permutations within a head and of the residual stream
    are left out. Raises InputError on "units" for a network that is not built in.
    """
    if isinstance(network, Linear | MLP):
        return _chain([f"Dense_{i}" for i in range(len(params) - 1)], params, getattr(network, "activation", ""))
    if isinstance(network, ConvNet):
        return _chain([f"Conv_{i}" for i in range(len(params) - 1)], params, network.activation)
    if isinstance(network, Transformer | VisionTransformer):
        return _residual(network, params)
    raise InputError("units", network.name, "must be given for a network that is not built in")


def _chain(hidden: list[str], params: Mapping[str, Any], activation: str) -> tuple[Units, ...]:
    """Layer after layer: kernels (..., in, out); the flattened image before the head has its channels innermost."""
    found = []
    for name, reader in pairwise([*hidden, "head"]):
        incoming = (Place((name, "kernel"), -1), Place((name, "bias"), -1))
        outgoing = (Place((reader, "kernel"), -2),)
        found.append(Units("hidden", params[name]["bias"].shape[0], incoming, outgoing, activation))
    return tuple(found)


def _residual(network: Transformer | VisionTransformer, params: Mapping[str, Any]) -> tuple[Units, ...]:
    """Heads, MLP units, gains and the stream of a network of pre-norm blocks."""
    width, found = network.width, []
    first = "Embed_0" if "Embed_0" in params else "Dense_0"
    writers = [(first, leaf) for leaf in params[first]] + [("positions",)]

    def gain(norm: tuple[str, ...], readers: tuple[tuple[str, ...], ...]) -> Units:
        incoming = (Place((*norm, "scale"), 0), Place((*norm, "bias"), 0))
        return Units("gain", width, incoming, tuple(Place((*reader, "kernel"), 0) for reader in readers))

    for i in range(network.blocks):
        block = f"Block_{i}"
        attention = (block, "MultiHeadDotProductAttention_0")
        inputs = tuple((*attention, part) for part in ("query", "key", "value"))
        made = tuple(place for part in inputs for place in (Place((*part, "kernel"), 1), Place((*part, "bias"), 0)))
        found.append(Units("heads", network.heads, made, (Place((*attention, "out", "kernel"), 0),)))
        up, down = (block, "Dense_0"), (block, "Dense_1")
        made = (Place((*up, "kernel"), 1), Place((*up, "bias"), 0))
        found.append(Units("hidden", 2 * width, made, (Place((*down, "kernel"), 0),), "gelu"))
        found.append(gain((block, "LayerNorm_0"), inputs))
        found.append(gain((block, "LayerNorm_1"), (up,)))
        writers += [(*part, leaf) for part in ((*attention, "out"), down) for leaf in ("kernel", "bias")]
    found.append(gain(("LayerNorm_0",), (("head",),)))
    # One unit: the whole of each leaf.
    found.append(Units("stream", 1, tuple(Place(writer, -1) for writer in writers), ()))
    return tuple(found)


class Symmetry(Path):
    """θ0_S = Tθ0 with f_{Tθ} = f_θ; `image` takes any parameters along by T, `undo` back by T⁻¹.

    `spec` names the units of a network that is not built in; None derives them by `units`. Raises
    InputError on "units" where the network has none of the kind.
    """

    spec: tuple[Units, ...] | None
    kinds: tuple[str, ...] = ("hidden",)

    @abstractmethod
    def turn(self, size: int, amount: float, rng: np.random.Generator) -> Turn:
        """T on one group of `size` units, drawn for one seed."""

    def suits(self, group: Units) -> bool:
        """Whether T keeps the function on this group."""
        return group.kind in self.kinds

    def groups(self, start: Start) -> tuple[Units, ...]:
        """The groups on which T acts."""
        one = start.layout.unflatten(np.zeros(start.layout.size))
        spec = units(start.network, one) if self.spec is None else self.spec
        found = tuple(group for group in spec if self.suits(group))
        if not found:
            raise InputError("units", start.network.name, f"must have units that a {self.name} leaves equal")
        act(found, tuple(Turn(np.arange(group.size), np.ones(group.size)) for group in found), one)
        return found

    def require(self, start: Start) -> None:
        self.groups(start)

    def turns(self, start: Start, amount: Any, keys: Keys) -> tuple[Turn, ...]:
        """T, group by group, with a draw of its own for each; arrays (S, n)."""
        amounts = column(amount, keys)[:, 0]
        return tuple(
            Turn(*map(np.stack, zip(*(self.turn(group.size, amount, generator(key, use))
                                      for amount, key in zip(amounts, keys, strict=True)), strict=True)))
            for use, group in enumerate(self.groups(start), 1)
        )  # fmt: skip

    def __call__(self, start: Start, amount: Any, keys: Keys) -> np.ndarray:
        theta0 = np.broadcast_to(start.theta0, (len(keys), start.layout.size))
        return self.image(start, amount, keys, theta0)

    def image(self, start: Start, amount: Any, keys: Keys, theta: np.ndarray) -> np.ndarray:
        """Tθ of parameters, or of differences of parameters, (S, ..., P)."""
        return _moved(start, self.groups(start), self.turns(start, amount, keys), theta)

    def undo(self, start: Start, amount: Any, keys: Keys, theta: np.ndarray) -> np.ndarray:
        """T⁻¹θ of parameters, or of differences of parameters, (S, ..., P), of the students of these amounts and keys.

        Groups are undone last one first; they commute, but the rounding need not.
        """
        back = tuple(turn.inverse for turn in self.turns(start, amount, keys)[::-1])
        return _moved(start, self.groups(start)[::-1], back, theta)


def moving(path: Path, units: tuple[Units, ...]) -> Path:
    """The path, with these units to move, if there are any and it moves some."""
    symmetry: Any = path
    return replace(symmetry, spec=units) if units and isinstance(path, Symmetry) else path


def _moved(start: Start, groups: tuple[Units, ...], turns: tuple[Turn, ...], theta: np.ndarray) -> np.ndarray:
    """Turns (S, n) on flat parameters (S, ..., P)."""
    count, rows = len(theta), theta.reshape(-1, theta.shape[-1])
    repeated = [Turn(*(np.repeat(a, len(rows) // count, axis=0) for a in turn)) for turn in turns]
    found = act(groups, tuple(repeated), start.layout.unflatten(rows))
    return np.asarray(start.layout.flatten(found).reshape(theta.shape))


@dataclass(frozen=True)
class Permutation(Symmetry):
    """Hidden units (channels) move: round(amount·n) of the n units of each layer, in one random cycle.

    One unit cannot move alone: two move then. At amount 1 no unit stays. ΔL_T and every function
    of the outputs are unchanged (prediction P19, gap g10); T is orthogonal.
    """

    spec: tuple[Units, ...] | None = None
    name = "permutation"
    says = "A fraction of the hidden units of every layer change places."

    def suits(self, group: Units) -> bool:
        return group.kind in self.kinds and group.size > 1

    def turn(self, size: int, amount: float, rng: np.random.Generator) -> Turn:
        return Turn(cycle(size, amount, rng), np.ones(size))


@dataclass(frozen=True)
class HeadPermutation(Permutation):
    """As `Permutation`, for the heads of each attention."""

    name = "head-permutation"
    says = "A fraction of the attention heads of every block change places."
    kinds = ("heads",)


@dataclass(frozen=True)
class SignFlip(Symmetry):
    """round(amount·n) of the n units of each layer change sign, before and after an odd activation.

    φ(−z) = −φ(z) for tanh and sine; any other raises InputError on "units". T is orthogonal.
    """

    spec: tuple[Units, ...] | None = None
    name = "sign-flip"
    says = "A fraction of the hidden units change sign before and after an odd activation."

    def suits(self, group: Units) -> bool:
        return group.kind in self.kinds and group.activation in ODD

    def turn(self, size: int, amount: float, rng: np.random.Generator) -> Turn:
        chosen = rng.permutation(size) < np.round(amount * size)
        return Turn(np.arange(size), np.where(chosen, -1.0, 1.0))


class Rescaling(Symmetry):
    """Factors c_i = exp(amount·n_i), n_i ~ N(0, 1): incoming times c_i, outgoing by 1/c_i. T is not orthogonal."""

    amounts = STRETCHES
    largest = inf

    def turn(self, size: int, amount: float, rng: np.random.Generator) -> Turn:
        return Turn(np.arange(size), np.exp(amount * rng.standard_normal(size)))

    def metric(self, start: Start, amount: Any, keys: Keys) -> np.ndarray:
        return self.image(start, amount, keys, np.ones((len(keys), start.layout.size))) ** 2


@dataclass(frozen=True)
class ReluRescaling(Rescaling):
    """Rescales every hidden unit of a ReLU network: φ(cz) = cφ(z), c > 0; any other raises InputError on "units".

    The function is equal, its tangent kernel is not: the sign of ΔL_T is not guaranteed (P19, gap g10).
    """

    spec: tuple[Units, ...] | None = None
    name = "relu-rescaling"
    says = "Weights into each ReLU times a log-normal factor, weights out of it divided by it."

    def suits(self, group: Units) -> bool:
        return group.kind in self.kinds and group.activation in HOMOGENEOUS


@dataclass(frozen=True)
class GainRescaling(Rescaling):
    """Rescales each feature behind a LayerNorm: gain and bias times c_i, what reads the feature by 1/c_i. Exact."""

    spec: tuple[Units, ...] | None = None
    name = "gain-rescaling"
    says = "Gains of each LayerNorm times a log-normal factor, the weights that read them divided by it."
    kinds = ("gain",)


@dataclass(frozen=True)
class StreamRescaling(Rescaling):
    """All weights that write to the residual stream times one factor c: every reader stands behind a LayerNorm.

    The function is equal up to the LayerNorm's own constant: its outputs change by O(1e-6·|1 − c⁻²|/σ²),
    σ² the variance of the stream. The weights are scale-invariant: θ·∇L = 0 along them, as exactly.
    """

    spec: tuple[Units, ...] | None = None
    name = "stream-rescaling"
    says = "All weights before the LayerNorms times one log-normal factor."
    kinds = ("stream",)


def cycle(size: int, amount: float, rng: np.random.Generator) -> np.ndarray:
    """A permutation of 0 ... size − 1 that moves round(amount·size) entries (two for one) in one random cycle."""
    moved = round(amount * size)
    moved = min(2 if moved == 1 else moved, size)
    chosen, order = rng.permutation(size)[:moved], np.arange(size)
    order[chosen] = np.roll(chosen, -1)
    return order
