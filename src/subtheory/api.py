"""The theory's functions as they are typed in a notebook: float64 inside, NumPy and floats out."""

from collections.abc import Sequence
from dataclasses import replace

import jax
import jax.numpy as jnp
import optax
from jax import Array

from subtheory.claim import Claim
from subtheory.errors import InputError
from subtheory.kernels.stack import stack_of
from subtheory.numerics import public
from subtheory.setting.setting import Setting
from subtheory.setting.teachers import TEACHERS
from subtheory.suggest import choose
from subtheory.theory import bounds as _bounds
from subtheory.theory import curvature as _curvature
from subtheory.theory import kernel as _kernel
from subtheory.theory import piecewise as _piecewise
from subtheory.theory import training as _training
from subtheory.theory.distillation import Distillation, trait_loss
from subtheory.theory.network import Params
from subtheory.verification.results import ClaimResult
from subtheory.verification.verdicts import verify_settings, verify_without

ggn = public(_curvature.ggn)
hessian = public(_curvature.hessian)
trait_hessian = public(_curvature.trait_hessian)
ntk = public(_kernel.ntk)
ntk_product = public(_kernel.ntk_product)
train = public(_training.train)
alignment_threshold = public(_bounds.alignment_threshold)
alignment_lower_bound = public(_bounds.alignment_lower_bound)
trait_step = public(_bounds.trait_step)
kinks = public(_piecewise.kinks)
alignment_pieces = public(_piecewise.alignment_pieces)
alignment_roots = public(_piecewise.alignment_roots)


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
    `dataclasses.replace(d, delta=...)`. Raises ValueError for an unknown name.
    """
    if teacher is None:
        return d.delta
    if not isinstance(teacher, str):
        end, _ = _training.train(lambda theta, _: trait_loss(d, theta), d.theta0, teacher, jnp.arange(steps))
        return optax.tree.sub(end, d.theta0)
    if teacher not in TEACHERS:
        raise ValueError(f"teacher: must be one of {', '.join(TEACHERS)}, got {teacher!r}")
    s = stack_of(d)
    key = jax.random.key(0) if key is None else key
    delta = TEACHERS[teacher].direction(s, lambda: jax.random.normal(key, s.theta0.shape, s.theta0.dtype))
    return s.functions.layout.unflatten(delta)


def check(claim: Claim, setting: Setting, seeds: int | Sequence[int] = 8, without: str | None = None) -> ClaimResult:
    """Judge one claim on one setting over seeds, optionally with one assumption broken.

    `seeds` is a count or a list. Raises InputError if the claim does not rest on `without`, or does
    not speak of the setting (a softmax claim of squared error, say).
    """
    numbers = range(seeds) if isinstance(seeds, int) else tuple(seeds)
    if len(numbers) < 1:
        raise InputError("seeds", seeds, "must be at least 1")
    if claim.settings is None and not claim.applies(setting):
        raise InputError(
            "setting", f"{setting.loss.name}, {setting.teacher}", f"claim {claim.name} does not speak of it"
        )
    if without is None:
        return verify_settings([replace(claim, controls=())], [setting], numbers)[claim.name]
    choose("without", without, {a.name: a for a in claim.assumptions})
    return verify_without(without, [claim], [setting], numbers)[claim.name]
