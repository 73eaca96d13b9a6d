"""Planted errors: each puts one plausible mistake into the core, which a verification has to notice.

    PLANTS[name](monkeypatch)        # then `forget()`, because compiled programs remember the sound core

The mistake is made in what is measured or in what is predicted, never in both alike: functions that a module
has imported by name keep their sound version, which is what leaves the other side alone.
"""

from collections.abc import Callable
from dataclasses import replace

import jax
import jax.numpy as jnp
import optax
import pytest

from subtheory import measurement, setting
from subtheory.theory import distillation as core
from subtheory.theory import losses
from subtheory.theory.teachers import noise


def forget() -> None:
    """Drop everything compiled or prepared; before a plant and after it."""
    jax.clear_caches()
    setting._prepared.cache_clear()


def wrong_sign(patch: pytest.MonkeyPatch) -> None:
    """The student climbs its loss."""
    step = core.step
    patch.setattr(core, "step", lambda d, gradient: optax.tree.scale(-1.0, step(d, gradient)))


def doubled_step(patch: pytest.MonkeyPatch) -> None:
    """A factor of 2 between the loss that is descended and the one whose Hessian is stated."""
    step = core.step
    patch.setattr(core, "step", lambda d, gradient: optax.tree.scale(2.0, step(d, gradient)))


def curvature_without_its_factor(patch: pytest.MonkeyPatch) -> None:
    """M = diag(w) for Σw(z − y)², as if it were ½Σw(z − y)²."""
    patch.setattr(losses.SquaredError, "hessian", lambda self, y, v, w: w * v)


def curvature_without_the_softmax(patch: pytest.MonkeyPatch) -> None:
    """M = diag(p), the term −ppᵀ forgotten."""
    patch.setattr(losses.CrossEntropy, "hessian", lambda self, y, v, w: jnp.exp(losses.log_softmax(y, w)) * v)


def dropped_example(patch: pytest.MonkeyPatch) -> None:
    """The first example is lost on its way to the student."""
    residual = core.residual
    patch.setattr(core, "residual", lambda d, loss, z, y: residual(d, loss, z, y).at[0].set(0.0))


def head_without_bias_gradient(patch: pytest.MonkeyPatch) -> None:
    """No gradient reaches the last bias."""
    step = core.step

    def planted(d, gradient):
        moved = dict(step(d, gradient))
        if "head" in moved:
            moved["head"] = moved["head"] | {"bias": jnp.zeros_like(moved["head"]["bias"])}
        return moved

    patch.setattr(core, "step", planted)


def shifted_student(patch: pytest.MonkeyPatch) -> None:
    """The student's init is off by a hundredth."""
    sound = setting.distillations

    def planted(*args):
        stacked, reference = sound(*args)
        with jax.enable_x64(True):
            off = noise(jax.random.key(9), stacked.student)
            return replace(stacked, student=optax.tree.add_scale(stacked.student, 1e-2, off)), reference

    patch.setattr(measurement, "distillations", planted)


def permuted_logits(patch: pytest.MonkeyPatch) -> None:
    """The labels are off by one logit."""
    labels = core.labels
    patch.setattr(core, "labels", lambda d, eps: jnp.roll(labels(d, eps), 1, axis=-1))


def backward_teacher(patch: pytest.MonkeyPatch) -> None:
    """The teacher is put at θ0 − εΔ."""
    teacher = core.teacher
    patch.setattr(core, "teacher", lambda d, eps: teacher(d, -eps))


def ignored_mask(patch: pytest.MonkeyPatch) -> None:
    """The student imitates all outputs, distilled or not."""
    residual = core.residual
    patch.setattr(
        core,
        "residual",
        lambda d, loss, z, y: residual(replace(d, outputs=jnp.ones_like(d.outputs)), loss, z, y),
    )


def single_precision(patch: pytest.MonkeyPatch) -> None:
    """The labels pass through float32."""
    labels = core.labels
    patch.setattr(core, "labels", lambda d, eps: labels(d, eps).astype(jnp.float32).astype(jnp.float64))


PLANTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    plant.__name__.replace("_", "-"): plant
    for plant in (
        wrong_sign,
        doubled_step,
        curvature_without_its_factor,
        curvature_without_the_softmax,
        dropped_example,
        head_without_bias_gradient,
        shifted_student,
        permuted_logits,
        backward_teacher,
        ignored_mask,
        single_precision,
    )
}
