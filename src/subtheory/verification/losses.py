"""Losses of a user's own: what a function or an object says of itself, and what autodiff finds at real outputs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from inspect import signature
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from subtheory import arguments
from subtheory.errors import InputError
from subtheory.kernels.compiled import Kernels
from subtheory.kernels.local import Differentiated, OfFunction, local
from subtheory.kernels.match import APART, Looks, looked_at, null_clause, order_of, refuse
from subtheory.networks import refuse_narrow
from subtheory.networks.derivatives import differentiated
from subtheory.networks.tracing import traced
from subtheory.networks.usable import require_pure
from subtheory.suggest import choose
from subtheory.theory.losses import LOSSES, Bregman, Loss, require_loss

ONE = "must return one number, float64 of shape ()"

POINTS = 64
"""Outputs at which a loss is looked at."""


@dataclass(frozen=True)
class Stated:
    """A loss as the user has it: what can be called, and what is said of it."""

    name: str
    given: Any
    value: Callable[..., Any]
    weighted: bool
    parts: tuple[str, ...] = ()
    """Which of order, null_clause, hessian and leading it states."""


# What is taken ------------------------------------------------------------------------------------


def losses_of(loss: Any, usual: tuple[Loss, ...]) -> list[Loss | Stated]:
    """Losses from names, objects, functions, or nothing, which stands for the usual ones: those built in as they are.

    Raises InputError for two of one name: results are told by it.
    """
    if loss is None:
        return list(usual)
    single = isinstance(loss, str | type) or callable(loss) or hasattr(loss, "value")
    listed = None if single else arguments.entries(loss)
    found: dict[str, Any] = {}
    for one in [loss] if listed is None else listed:
        known = choose("loss", one, LOSSES) if isinstance(one, str) else one if _built_in(one) else _stated(one)
        if found.setdefault(known.name, known) != known:
            raise InputError("loss", repr(known.name), "must not be the name of two losses: give one another name")
    if not found:
        raise InputError("loss", arguments.shown(loss), "must be at least one")
    return list(found.values())


def _built_in(loss: Any) -> bool:
    """Whether it is of a class that is built in, whatever its numbers. Raises InputError for impossible ones."""
    kinds = {type(each) for each in LOSSES.values()}
    if isinstance(loss, type) or type(loss) in kinds:
        require_loss(loss)
    potentials = {type(each.potential) for each in LOSSES.values() if isinstance(each, Bregman)}
    return type(loss) in kinds and not (isinstance(loss, Bregman) and type(loss.potential) not in potentials)


def _stated(loss: Any) -> Stated:
    if hasattr(loss, "value") and callable(loss.value):
        if fault := getattr(loss, "fault", ""):
            raise InputError("loss", arguments.shown(loss), fault)
        name, value, weighted = getattr(loss, "name", type(loss).__name__), loss.value, True
        parts = tuple(p for p in ("order", "null_clause", "hessian", "leading") if hasattr(loss, p))
    elif callable(loss):
        inner = loss.func if isinstance(loss, partial) else loss
        name, value, parts = getattr(inner, "__name__", type(inner).__name__).strip("<>"), loss, ()
        weighted = _weighted(loss, name)
    else:
        wanted = f"must be one of {', '.join(LOSSES)}, a function l(z, y), or an object with value(z, y, w)"
        raise InputError("loss", arguments.shown(loss), wanted)
    if not isinstance(name, str) or name in LOSSES:
        raise InputError("loss", arguments.shown(name), "must have a name that no built-in loss has")
    return Stated(name, loss, value, weighted, parts)


def _weighted(function: Callable[..., Any], name: str) -> bool:
    """Whether a function takes the output weights beside z and y."""
    try:
        known = signature(function)
    except (TypeError, ValueError):
        return False
    for count in (2, 3):
        try:
            known.bind(*range(count))
        except TypeError:
            continue
        return count == 3
    raise InputError("loss", f"{name}{known}", "must be a function l(z, y), or l(z, y, w), of one example's outputs")


# What is found ------------------------------------------------------------------------------------


def settled(
    losses: list[Loss | Stated], functions: Kernels, theta: np.ndarray, x: np.ndarray, w: np.ndarray
) -> tuple[list[Loss], list[str]]:
    """The losses of a call, and a line about each that is a user's own: looked at, at outputs of the network."""
    z, known, said = functions.values(theta, x[:POINTS]), list[Loss](), list[str]()
    for one in losses:
        if isinstance(one, Stated):
            one, line = _settled(one, z, w)
            said.append(line)
        elif one not in LOSSES.values():
            _require_finite(functions, z, w, one)
        known.append(one)
    return known, said


def _require_finite(functions: Kernels, z: np.ndarray, w: np.ndarray, loss: Loss) -> None:
    """Raise InputError on "loss" for numbers of its own with which its pull at the match is not finite."""
    if not all(np.isfinite(part).all() for part in functions.terms(loss, z, z, w)):
        raise InputError("loss", arguments.shown(loss), "must be finite, with its derivatives, where z = y")


def _settled(stated: Stated, outputs: np.ndarray, w: np.ndarray) -> tuple[Loss, str]:
    """The loss itself, and a line that says what was found of it at real outputs (..., V).

    Raises InputError on "loss", in a line that names it: for what is no differentiable, finite number in float64, for
    a match z = y that is no smooth minimum, or one flat beyond fourth order, and for an order, null clause, M or
    leading term that is stated and is not what is found.
    """
    z = outputs.reshape(-1, outputs.shape[-1])
    z = z[np.unique(np.linspace(0, len(z) - 1, POINTS).astype(int))]
    kept = None if stated.weighted or np.all(w > 0) else tuple(int(i) for i in np.flatnonzero(w))
    of = OfFunction(stated.value, stated.weighted, kept)
    try:
        _require_number(stated, of, z[0], w)
    except InputError as error:
        named = error.value if error.value == stated.name else f"{stated.name}: {error.value}"
        raise InputError(error.field, named, error.wanted) from error
    looks = looked_at(stated.name, of, z, w)
    if getattr(stated.given, "order", 1) == 0:
        return _cornered(stated, looks)
    order = order_of(looks)
    holds, points, witness = null_clause(looks) if order == 1 else (False, 0, "")
    found = Differentiated(stated.name, of, order, holds)
    _require_as_stated(stated, looks, found, points, witness)
    clause = f"null clause {'holds' if holds else 'fails'} at {points} sampled points" if points else ""
    parts = (f"loss {stated.name}: order {order}", clause, f"M = ∂²l/∂z² at z = y by autodiff at {len(z)} outputs")
    whole = isinstance(stated.given, Loss)
    return stated.given if whole else _with_clause(found, stated), ", ".join(filter(None, parts))


def _with_clause(found: Differentiated, stated: Stated) -> Differentiated:
    """What is found at some points is no more than what is stated of all."""
    said = getattr(stated.given, "null_clause", found.null_clause)
    return Differentiated(found.name, found.of, found.order, bool(said))


def _require_number(stated: Stated, of: OfFunction, z: np.ndarray, w: np.ndarray) -> None:
    """Raise InputError unless l is one float64 number of one example, the same in every call, with a derivative."""
    some = z if of.kept is None else z[list(of.kept)]
    given = (some, some, w) if of.weighted else (some, some)
    wanted = f"must be a differentiable function {'l(z, y, w)' if of.weighted else 'l(z, y)'} of one example's outputs"

    def number(*each: Any) -> Any:
        value = stated.value(*each)
        if isinstance(value, dict | list | tuple):
            raise InputError("loss", f"a {type(value).__name__}", ONE)
        return value

    program = traced("loss", number, *given, wanted=wanted, given=stated.name)
    require_pure(program, traced("loss", number, *given), "loss")
    refuse_narrow(program, "loss")
    if [(out.shape, out.dtype) for out in program.out_avals] != [((), np.float64)]:
        got = ", ".join(f"{out.dtype}{list(out.shape)}" for out in program.out_avals)
        raise InputError("loss", got or "nothing", ONE)
    slope = differentiated("loss", jax.grad(lambda z, *rest: jnp.asarray(stated.value(z, *rest))), program, *given)
    refuse_narrow(slope, "derivative of loss")


# What is stated -----------------------------------------------------------------------------------


def _require_as_stated(stated: Stated, looks: Looks, found: Differentiated, points: int, witness: str) -> None:
    """Raise InputError for the first part that is not what was found."""
    given, y, v, w = stated.given, looks.y, looks.v, looks.w
    if "order" in stated.parts and given.order != found.order:
        why = "M is not 0" if found.order == 1 else "M is 0 and the fourth derivative is not"
        raise looks.wrong(f"must state order {found.order}, as {why}", f"order {given.order}")
    if "hessian" in stated.parts:
        _compare(looks, "hessian", "M v with M = ∂²l/∂z² at z = y", given.hessian(y, v, w), looks.match.curved)
    if "leading" in stated.parts:
        what = "vᵀMv" if found.order == 1 else "d⁴/dt⁴ l(y + tv, y)/6"
        _compare(looks, "leading", what, given.leading(y, v, w), found.leading(y, v, w))
    if witness and getattr(given, "null_clause", False):
        raise looks.wrong("must state null_clause False", f"null_clause True, but {witness}")


def _compare(looks: Looks, part: str, what: str, said: Any, found: np.ndarray) -> None:
    said = np.asarray(said, np.float64)
    if said.shape != found.shape:
        raise looks.wrong(f"{part} must be {what}, of shape {found.shape}", f"shape {said.shape}")
    off = ~(np.abs(said - found) <= looks.rounding.max())
    if off.any():
        index = tuple(int(i) for i in np.argwhere(off)[0])
        shown = f"{part} {said[index]:.6g} stated, {found[index]:.6g} found at row {index[0]} of the outputs"
        raise looks.wrong(f"{part} must be {what}", shown)


def _cornered(stated: Stated, looks: Looks) -> tuple[Loss, str]:
    """A loss that states order 0, a corner at the match: its leading term is the limit of −∂_z l(y, y + tv)·v."""
    if not isinstance(stated.given, Loss):
        raise looks.wrong("must state hessian, leading and null_clause beside an order of 0", "order 0")
    given: Any = stated.given
    y, v, w = looks.y, looks.v, looks.w
    pull = -(local(looks.loss, y, y + looks.step * v, w, v).gradient * v).sum(axis=-1)
    said = np.asarray(given.leading(y, v, w), np.float64)
    off = ~(np.abs(said - pull) <= APART * np.abs(pull))
    refuse(looks, off[:, None], "leading must be the limit of −∂_z l(y, y + tv)·v", "leading {} stated", said[:, None])
    return given, f"loss {stated.name}: order 0, leading as stated at {len(y)} outputs"
