"""Where an independent init of a network of one's own comes from, and that it is one: drawn, looked at, and said."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from subtheory import arguments
from subtheory.errors import InputError, SubtheoryError
from subtheory.networks import Adapted, Reordered, is_module, parameters_of, upcast
from subtheory.networks.tracing import dtype_of, first_line, shortened
from subtheory.numerics import alike, float64
from subtheory.theory.network import Network, Params

TURNS = 64
"""Orders of the entries that are tried: with two entries that differ, half of the orders at least are others."""

WANTED = "must be a function of a key, or a list of parameter sets, one for each seed"


_SAME, _ALIKE = "every draw of init= is params", "no leaf of params has entries that differ, give init="


class Law(NamedTuple):
    """(seed, turn) ↦ parameters as a user has them; further turns are for a law that may draw params themselves."""

    draw: Callable[[int, int], Any]
    origin: str
    fixed: str
    """Why there is no other init where every draw is params."""
    turns: int = 1


class Draw(NamedTuple):
    """Parameters in float64, which leaves of them are those of params, and what was upcast."""

    params: Params
    same: list[bool]
    note: str | None


@dataclass(frozen=True)
class Independent:
    """An independent init of every seed, and what is known of them."""

    draw: Callable[[int], Params]
    origin: str
    """Where they come from, in words."""
    held: dict[str, bool]
    """Whether no draw changes a leaf, for every leaf by its place in params."""
    fixed: str
    """Why there is none; empty if there is one."""
    notes: tuple[str, ...]

    @property
    def said(self) -> str:
        """Where they come from, in a line of a result."""
        if self.fixed:
            return f"{self.origin}; {self.fixed}: shared-init cannot be broken"
        same = ", ".join(name for name, held in self.held.items() if held)
        return self.origin + (f"; as in params: {shortened(same)}" if same else "")


def independent(model: Any, network: Network, given: Params, init: Any, seeds: Sequence[int]) -> Independent:
    """The independent inits of a network, one for each of the seeds: of `init` if that is given, else of its own law.

    `given` are the parameters as the user has them, `init` is a function of a key or a set of parameters for each seed.
    All are drawn and looked at here. Raises InputError on "init" for whatever a function raises, too few sets, another
    structure or shape than that of params, numbers that are not finite, and params themselves for some seeds only.
    """
    law = _own_law(network) if init is None else _given_law(init, seeds)
    theta0, _ = upcast(given)

    @cache
    def draw(seed: int) -> Draw:
        with float64():
            for turn in range(law.turns):
                found = _looked_at(parameters_of(model, law.draw(seed, turn)), given, theta0, f" for seed {seed}")
                if not all(found.same):
                    break
        return found

    draws = [draw(seed) for seed in seeds]
    still = [all(each.same) for each in draws]
    if any(still) and not all(still):
        raise InputError("init", f"params themselves for seed {seeds[still.index(True)]}", "must be other parameters")
    names = [jax.tree_util.keystr(path) or "params" for path, _ in jax.tree_util.tree_leaves_with_path(theta0)]
    held = {name: all(each) for name, *each in zip(names, *(each.same for each in draws), strict=True)}
    notes = dict.fromkeys(each.note for each in draws if each.note and init is not None)
    return Independent(lambda seed: draw(seed).params, law.origin, held, law.fixed if all(still) else "", (*notes,))


def _own_law(network: Network) -> Law:
    own = network.draw if isinstance(network, Adapted) else network.init
    if isinstance(own, Reordered):
        return Law(_of_key(own), "the entries of each leaf of params in another order", _ALIKE, TURNS)
    return Law(
        _of_key(own), "drawn by the network's own init", "every draw of the network's own init is params, give init="
    )


def _given_law(init: Any, seeds: Sequence[int]) -> Law:
    if isinstance(init, list | tuple):
        if len(init) < len(seeds):
            raise InputError("init", f"{len(init)} parameter sets", f"must hold one for each of {len(seeds)} seeds")
        sets = dict(zip(seeds, init, strict=False))
        return Law(
            lambda seed, _: sets[seed], f"the parameter sets of init=, one for each of {len(seeds)} seeds", _SAME
        )
    if not callable(init) or is_module(init) or isinstance(init, type):
        raise InputError("init", arguments.shown(init), WANTED)
    return Law(_of_key(init), "drawn by init=", _SAME)


def _of_key(function: Callable[[Any], Any]) -> Callable[[int, int], Any]:
    def draw(seed: int, turn: int) -> Any:
        key = jax.random.fold_in(jax.random.key(seed), 1)
        try:
            return function(jax.random.fold_in(key, turn) if turn else key)
        except SubtheoryError:
            raise
        except Exception as error:
            raise InputError("init", first_line(error), "must draw the parameters of a key") from error

    return draw


def _looked_at(drawn: Params, given: Params, theta0: Params, which: str) -> Draw:
    """A draw in float64, with the very leaves of θ0 where it has their numbers."""
    _require_like(drawn, theta0, which)
    double, note = upcast(drawn, "init", which)
    leaves, tree = jax.tree.flatten(double)
    units = [max(map(_unit, pair)) for pair in zip(jax.tree.leaves(drawn), jax.tree.leaves(given), strict=True)]
    start = jax.tree.leaves(theta0)
    same = [alike(*each) for each in zip(leaves, start, units, strict=True)]
    kept = [old if held else new for new, old, held in zip(leaves, start, same, strict=True)]
    return Draw(jax.tree.unflatten(tree, kept), same, note)


def _require_like(drawn: Params, theta0: Params, which: str) -> None:
    """Raise InputError on "init", naming the first leaf that is another one than in θ0, or the two structures."""
    shapes = [
        {jax.tree_util.keystr(path): np.shape(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(params)}
        for params in (drawn, theta0)
    ]
    for name in dict.fromkeys([*shapes[1], *shapes[0]]):
        found, wanted = ("no leaf" if name not in each else f"shape {each[name]}" for each in shapes)
        if found != wanted:
            raise InputError(
                "init", f"{found}{which}", f"must draw parameters like params, {wanted} at {name or 'params'}"
            )
    trees: list[Any] = [jax.tree.structure(params) for params in (drawn, theta0)]
    if trees[0] != trees[1]:
        wanted = f"must draw parameters like params, {shortened(str(trees[1]))}"
        raise InputError("init", f"{shortened(str(trees[0]))}{which}", wanted)


def _unit(leaf: Any) -> float:
    """The unit roundoff of the type that a leaf has."""
    dtype = dtype_of(leaf)
    return float(jnp.finfo(dtype).eps) / 2 if jnp.issubdtype(dtype, jnp.floating) else 0.0
