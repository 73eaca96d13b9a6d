"""The theory's functions as they are typed in a notebook: float64 inside, NumPy and floats out."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import wraps
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
from subtheory.networks.inputs import rows_of
from subtheory.networks.tracing import first_line
from subtheory.numerics import public, require_eager, to_numpy_leaves
from subtheory.setting.setting import Setting
from subtheory.setting.teachers import TEACHERS
from subtheory.setting.whole import whole
from subtheory.suggest import choose
from subtheory.theory import curvature as _curvature
from subtheory.theory.beyond import bounds as _bounds
from subtheory.theory.beyond import piecewise as _piecewise
from subtheory.theory.beyond import training as _training
from subtheory.theory.distillation import Distillation, trait_loss
from subtheory.theory.losses import LOSSES, Loss, require_loss
from subtheory.theory.network import Params, require_network
from subtheory.verification.results import ClaimResult
from subtheory.verification.verdicts import verify_settings, verify_without

P = ParamSpec("P")


def spoken(function: Callable[P, Any]) -> Callable[P, Any]:
    """A function whose faults are one line: what it raises in the midst of an array becomes an InputError.

    So do the faults of a function that it returns.
    """

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Any:
        try:
            result = function(*args, **kwargs)
        except SubtheoryError:
            raise
        except Exception as error:
            name = getattr(function, "__name__", "call")
            raise InputError(name, first_line(error), "must be given arguments that fit each other") from error
        return spoken(result) if callable(result) else result

    return call


def _of_distillation(function: Callable[P, Any]) -> Callable[P, Any]:
    """A public function of a distillation, which is looked at first."""
    inside = public(function)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Any:
        d, *rest = args if args else (kwargs.pop("d", None),)
        return inside(whole(d), *rest, **kwargs)  # type: ignore[arg-type]

    return spoken(call)


def _of_network(function: Callable[..., Any]) -> Callable[..., Any]:
    """A public function of a network, its parameters and two sets of inputs, each read once."""
    inside = public(function)

    @wraps(function)
    def call(network: Any, params: Params, x1: Any, x2: Any) -> Any:
        require_network(network)
        return inside(network, params, rows_of("x1", x1), rows_of("x2", x2))

    return spoken(call)


@_of_distillation
@wraps(_curvature.ggn)
def ggn(d: Distillation, loss: Loss | str | None = None) -> Callable[[Params], Params]:
    known = choose("loss", loss, LOSSES) if isinstance(loss, str) else loss
    if known is not None:
        require_loss(known)
    return _curvature.ggn(d, known)


trait_hessian = _of_distillation(_curvature.trait_hessian)
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
    if not callable(function):
        raise InputError("function", arguments.shown(function), "must be a function of the parameters")
    return _curvature.hessian(function, params)


ntk = _of_network(_curvature.ntk)
ntk_product = _of_network(_curvature.ntk_product)
train = spoken(public(_training.train))


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
        count = jnp.arange(arguments.whole("steps", steps))
        end, _ = _training.train(lambda theta, _: trait_loss(d, theta), d.theta0, teacher, count)
        return optax.tree.sub(end, d.theta0)
    known = choose("teacher", teacher, TEACHERS)
    s = stack_of(d)
    key = jax.random.key(0) if key is None else key
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
