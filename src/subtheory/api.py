"""The theory's functions as they are typed in a notebook: float64 inside, NumPy and floats out."""

from collections.abc import Sequence
from dataclasses import replace

import jax

from subtheory.claim import Claim
from subtheory.errors import InputError
from subtheory.numerics import public
from subtheory.results import ClaimResult
from subtheory.setting import Setting
from subtheory.suggest import choose
from subtheory.theory import alignment as _alignment
from subtheory.theory import bounds as _bounds
from subtheory.theory import curvature as _curvature
from subtheory.theory import distillation as _distillation
from subtheory.theory import kernel as _kernel
from subtheory.theory import linearize as _linearize
from subtheory.theory import piecewise as _piecewise
from subtheory.theory import teachers as _teachers
from subtheory.theory import training as _training
from subtheory.theory.distillation import Distillation
from subtheory.verification import verify_settings, verify_without

teacher_update = public(_teachers.teacher_update)
# Compiled once for a network, a loss and the shapes: a property test calls these hundreds of times.
student_update = public(jax.jit(_distillation.student_update))
alignment = public(jax.jit(_alignment.alignment))
alignment_by_jvp = public(jax.jit(_alignment.alignment_by_jvp))
predicted_alignment = public(jax.jit(_alignment.predicted_alignment, static_argnames="order"))
quadratic_form = public(jax.jit(_alignment.quadratic_form))
cosine = public(jax.jit(_alignment.cosine))
cosine_limit = public(jax.jit(_alignment.cosine_limit))
critical_step = public(jax.jit(_alignment.critical_step))
distance_change = public(jax.jit(_alignment.distance_change))
trait_change = public(jax.jit(_alignment.trait_change))
predicted_trait_change = public(jax.jit(_alignment.predicted_trait_change))
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
@jax.jit
def second_order(d: Distillation) -> float:
    """h″(0), the coefficient of ½ε² in D(ε) = εq + ½ε²h″(0) + O(ε³); scalar (P41)."""
    return _alignment.second_order(d, d.loss, _linearize.path(d))  # type: ignore[return-value]


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
