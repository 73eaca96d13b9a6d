"""The theory's functions as they are typed in a notebook: float64 inside, NumPy and floats out."""

import inspect
import traceback
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from subtheory import arguments
from subtheory.claim import Claim
from subtheory.claims import CLAIMS
from subtheory.errors import InputError, SubtheoryError
from subtheory.kernels.stack import stack_of
from subtheory.networks import upcast
from subtheory.networks.inputs import packed, rows_of
from subtheory.networks.tracing import first_line, require_scalar
from subtheory.numerics import public, require_eager, to_numpy_leaves
from subtheory.setting.setting import Setting
from subtheory.setting.teachers import TEACHERS
from subtheory.setting.whole import require_like, whole, width_of
from subtheory.suggest import choose
from subtheory.theory import curvature as _curvature
from subtheory.theory.beyond import bounds as _bounds
from subtheory.theory.beyond import piecewise as _piecewise
from subtheory.theory.beyond import training as _training
from subtheory.theory.distillation import Distillation, outputs, trait_loss
from subtheory.theory.losses import LOSSES, Loss, require_loss
from subtheory.theory.network import Network, Params, require_network
from subtheory.verification.results import ClaimResult
from subtheory.verification.verdicts import verify_settings, verify_without

P = ParamSpec("P")

UNFIT = "must be given arguments that fit each other"
"""What an error says that only repeats what JAX or NumPy raised."""


KEYS = (("key", ()), ("uint32", (2,)))
"""Dtype and shape of one key, of either of the kinds that JAX has."""

MOST_STEPS = 1_000_000
"""More steps of a teacher than anybody would wait for."""

OURS = str(Path(__file__).parent)


def fault_of_ours(error: BaseException) -> bool:
    """Whether the package itself is wrong: a name, an attribute or a key is missing in a line of ours.

    A TypeError or ValueError there may as well be of NumPy, whose C code has no line of its own.
    """
    (*_, last) = traceback.walk_tb(error.__traceback__)
    elsewhere = isinstance(error, TypeError | ValueError | IndexError | ArithmeticError)
    return not elsewhere and last[0].f_code.co_filename.startswith(OURS)


def spoken(function: Callable[P, Any]) -> Callable[P, Any]:
    """A function whose faults are one line: what JAX, NumPy or a user's own function raises becomes an InputError.

    So do the faults of a function that it returns. A call that does not fit the signature stays a TypeError, and a
    fault of the package's own code stays what it is.
    """
    name = getattr(function, "__name__", "call")

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Any:
        try:
            result = function(*args, **kwargs)
        except SubtheoryError:
            raise
        except Exception as error:
            try:
                inspect.signature(function).bind(*args, **kwargs)
            except TypeError as unfit:
                raise TypeError(f"{name}() {unfit}") from None
            if fault_of_ours(error):
                raise
            raise InputError(name, first_line(error), UNFIT) from error
        return spoken(result) if callable(result) else result

    return call


def _of_distillation(function: Callable[..., Any]) -> Callable[..., Any]:
    """A public function of a distillation, which is looked at first."""
    inside = public(function)

    @wraps(function)
    def call(d: Distillation, *args: Any, **kwargs: Any) -> Any:
        return inside(whole(d), *args, **kwargs)

    return spoken(call)


def _of_network(function: Callable[..., Any]) -> Callable[..., Any]:
    """A public function of a network, its parameters and two sets of inputs, each read once."""
    inside = public(function)

    @wraps(function)
    def call(network: Network, params: Params, x1: Array, x2: Array) -> Any:
        require_network(network)
        theta, _ = upcast(params)
        several = {"x1": rows_of("x1", x1), "x2": rows_of("x2", x2)}
        network, rows = packed(network, several)
        for x in rows.values():
            width_of(network, theta, x)
        return inside(network, theta, rows["x1"], rows["x2"])

    return spoken(call)


def _along(product: Callable[[Params], Params], params: Params) -> Callable[[Params], Params]:
    """v ↦ product(v), for a v that is like the parameters."""

    @wraps(product)
    def call(v: Params) -> Params:
        require_like("v", v, params, "the parameters")
        return product(jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), v))

    return call


@_of_distillation
@wraps(_curvature.ggn)
def ggn(d: Distillation, loss: Loss | str | None = None) -> Callable[[Params], Params]:
    known = choose("loss", loss, LOSSES) if isinstance(loss, str) else loss
    if known is not None:
        require_loss(known)
    return _along(_curvature.ggn(d, known), d.theta0)


@_of_distillation
@wraps(_curvature.trait_hessian)
def trait_hessian(d: Distillation) -> Callable[[Params], Params]:
    return _along(_curvature.trait_hessian(d), d.theta0)


alignment_threshold = _of_distillation(_bounds.alignment_threshold)
alignment_lower_bound = _of_distillation(_bounds.alignment_lower_bound)
trait_step = _of_distillation(_bounds.trait_step)
kinks = _of_distillation(_piecewise.kinks)
alignment_pieces = _of_distillation(_piecewise.alignment_pieces)
alignment_roots = _of_distillation(_piecewise.alignment_roots)


@spoken
@public
@wraps(_curvature.hessian)
def hessian(function: Callable[[Params], Array], params: Params) -> Callable[[Params], Params]:
    theta, _ = upcast(params)
    require_scalar("function", function, theta)
    return _along(_curvature.hessian(function, theta), theta)


@_of_network
@wraps(_curvature.ntk_product)
def ntk_product(network: Network, params: Params, x1: Array, x2: Array) -> Callable[[Array], Array]:
    product, z = _curvature.ntk_product(network, params, x1, x2), outputs(network, params, x2)

    @wraps(product)
    def call(r: Array) -> Array:
        require_like("r", r, z, "the outputs at x2")
        return product(jnp.asarray(r, jnp.float64))

    return call


ntk = _of_network(_curvature.ntk)


@spoken
@public
@wraps(_training.train)
def train(
    loss: Callable[[Params, Array], Array], params: Params, optimizer: optax.GradientTransformation, batches: Array
) -> tuple[Params, Array]:
    theta, _ = upcast(params)
    if not isinstance(optimizer, optax.GradientTransformation):
        raise InputError("optimizer", arguments.shown(optimizer), "must be one of optax")
    leaves = jax.tree.leaves(batches)
    if not leaves or len({np.shape(leaf)[:1] for leaf in leaves}) > 1 or not any(np.shape(leaves[0])[:1]):
        wanted = "must be an array, or a pytree of arrays, with one leading axis: an entry a step"
        raise InputError("batches", arguments.shown(batches), wanted)
    require_scalar("loss", loss, theta, jax.tree.map(lambda leaf: leaf[0], batches))
    return _training.train(loss, theta, optimizer, batches)


@spoken
@public
def teacher_update(
    d: Distillation,
    teacher: str | optax.GradientTransformation | None = None,
    *,
    steps: int = 1,
    key: Array | None = None,
) -> Params:
    """Δ, the direction in which a teacher leaves θ0 (Cloud, Le et al., §6.1); a pytree like θ0.

    `teacher` is None for the distillation's own Δ, the name of a built-in teacher, or any optax
    optimizer, which then takes `steps` full-batch steps on L_T: Δ = θ_T − θ0. `key` draws the random
    and the adversarial teacher (default `jax.random.key(0)`). For a Δ of your own, replace the field:
    `dataclasses.replace(d, delta=...)`. Raises InputError for an unknown name, less than one step, and a distillation
    whose parts do not fit.
    """
    d = whole(to_numpy_leaves(d) if isinstance(d, Distillation) else d)
    if teacher is None:
        return d.delta
    if isinstance(teacher, optax.GradientTransformation):
        count = jnp.arange(arguments.whole("steps", steps, 1, MOST_STEPS))
        end, _ = _training.train(lambda theta, _: trait_loss(d, theta), d.theta0, teacher, count)
        return optax.tree.sub(end, d.theta0)
    known = choose("teacher", teacher, TEACHERS)
    s = stack_of(d)
    key = jax.random.key(0) if key is None else key
    if not isinstance(key, jax.Array) or (str(key.dtype).split("<")[0], key.shape) not in KEYS:
        raise InputError("key", arguments.shown(key), "must be one key, jax.random.key(seed)")
    delta = known.direction(s, lambda: jax.random.normal(key, s.theta0.shape, s.theta0.dtype))
    return s.functions.layout.unflatten(delta)


def check(
    claim: Claim | str, setting: Setting, seeds: int | Iterable[int] = 8, without: str | None = None, seed: int = 0
) -> ClaimResult:
    """Judge one claim, or the one of a name, on one setting over seeds, optionally with one assumption broken.

    `seeds` is a count, from `seed` on, or a list. Raises InputError if the claim does not rest on `without`,
    that cannot be broken on the setting, or the claim does not speak of it (a softmax claim of squared error, say).
    """
    require_eager("check")
    claim = choose("claim", claim, CLAIMS) if not isinstance(claim, Claim) else claim
    if not isinstance(setting, Setting):
        raise InputError("setting", arguments.shown(setting), "must be a Setting")
    require_loss(setting.loss)
    arguments.hashable("setting", setting)
    numbers = arguments.seeds(seeds, first=seed)
    if claim.settings is None and not claim.applies(setting):
        raise InputError(
            "setting", f"{setting.loss.name}, {setting.teacher}", f"claim {claim.name} does not speak of it"
        )
    with np.errstate(all="ignore"):
        if without is None:
            return verify_settings([replace(claim, controls=())], [setting], numbers)[claim.name]
        choose("without", without, {a.name: a for a in claim.assumptions})
        found = verify_without(without, [claim], [setting], numbers)
    if not found.claims:
        raise InputError("without", repr(without), "cannot be broken on this setting")
    return found[claim.name]
