"""Planted errors: each puts one plausible mistake into the core, which a verification has to notice.

    PLANTS[name](monkeypatch)        # then `forget()`, because caches remember the sound core

The mistake is made in what is measured or in what is predicted, never in both alike: measured is what goes through
`labels`, `pull`, `moved` and `updates` of `subtheory.kernels.stack`, and through the value of the trait loss; predicted
what goes through the Hessian of a loss, Taylor models and the gradient of the trait.
"""

from collections.abc import Callable
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from subtheory.instruments import first_order, twins, two_inits
from subtheory.kernels import stack
from subtheory.setting import preparation
from subtheory.theory import losses
from subtheory.theory.trait import LabelledTrait


def forget() -> None:
    """Drop everything compiled or prepared; before a plant and after it."""
    jax.clear_caches()
    for value in vars(preparation).values():
        if hasattr(value, "cache_clear"):
            value.cache_clear()


def instead(patch: pytest.MonkeyPatch, names: tuple[str, ...], planted: Callable) -> None:
    """`planted(sound, s, *args)` in place of functions of a stack, in every module that looks them up."""
    for name in names:
        sound = getattr(stack, name)

        def call(*args, sound=sound):
            return planted(sound, *args)

        for module in (stack, first_order, two_inits, twins):
            if hasattr(module, name):
                patch.setattr(module, name, call)


STEP = ("moved", "updates")
"""Both ways to the student's step: of a rule that is linear in the labels' pull, and of any rule."""


def wrong_sign(patch: pytest.MonkeyPatch) -> None:
    """The student climbs its loss."""
    instead(patch, STEP, lambda step, *args: -step(*args))


def doubled_step(patch: pytest.MonkeyPatch) -> None:
    """A factor of 2 between the loss that is descended and the one whose Hessian is stated."""
    instead(patch, STEP, lambda step, *args: 2 * step(*args))


def curvature_without_its_factor(patch: pytest.MonkeyPatch) -> None:
    """M = diag(w) for Σw(z − y)², as if it were ½Σw(z − y)²."""
    patch.setattr(losses.SquaredError, "hessian", lambda self, y, v, w: w * v)


def curvature_without_the_softmax(patch: pytest.MonkeyPatch) -> None:
    """M = diag(p), the term −ppᵀ forgotten."""
    patch.setattr(losses.CrossEntropy, "hessian", lambda self, y, v, w: losses.softmax(y, w) * v)


def dropped_example(patch: pytest.MonkeyPatch) -> None:
    """The first example is lost on its way to the student."""

    def planted(pull, s, *args):
        r = np.array(pull(s, *args))
        np.moveaxis(r, s.weights.ndim, 0)[0] = 0.0
        return r

    instead(patch, ("pull",), planted)


def head_without_bias_gradient(patch: pytest.MonkeyPatch) -> None:
    """No gradient reaches the last bias."""

    def planted(step, s, *args):
        params = s.functions.layout.unflatten(step(s, *args))
        if "head" not in params:
            return step(s, *args)
        head = params["head"] | {"bias": np.zeros_like(params["head"]["bias"])}
        return s.functions.layout.flatten(params | {"head": head})

    instead(patch, STEP, planted)


def shifted_student(patch: pytest.MonkeyPatch) -> None:
    """The student's init is off by a hundredth."""
    sound = preparation.stack

    def planted(*args):
        s = sound(*args)
        return replace(s, student=s.student + 1e-2 * np.random.default_rng(9).standard_normal(s.student.shape))

    for module in (preparation, twins):
        patch.setattr(module, "stack", planted)


def permuted_logits(patch: pytest.MonkeyPatch) -> None:
    """The labels are off by one logit."""
    instead(patch, ("labels",), lambda labels, *args: np.roll(labels(*args), 1, axis=-1))


def backward_teacher(patch: pytest.MonkeyPatch) -> None:
    """The teacher is put at θ0 − εΔ."""
    instead(patch, ("labels",), lambda labels, s, eps: labels(s, -eps))


def ignored_mask(patch: pytest.MonkeyPatch) -> None:
    """The student imitates all outputs, distilled or not."""
    instead(patch, ("pull",), lambda pull, s, *args: pull(replace(s, outputs=np.ones_like(s.outputs)), *args))


def single_precision(patch: pytest.MonkeyPatch) -> None:
    """The labels pass through float32."""
    instead(patch, ("labels",), lambda labels, *args: labels(*args).astype(np.float32).astype(np.float64))


def labels_of_another_eps(patch: pytest.MonkeyPatch) -> None:
    """The teacher whose labels are imitated went 5 % too far."""
    instead(patch, ("labels",), lambda labels, s, eps: labels(s, 1.05 * eps))


def summed_examples(patch: pytest.MonkeyPatch) -> None:
    """The student's loss is a sum over the examples, the stated one a mean."""
    instead(patch, ("pull",), lambda pull, s, *args: s.weights.shape[-1] * pull(s, *args))


def weight_decay(patch: pytest.MonkeyPatch) -> None:
    """The student's optimizer decays its weights, by a millionth."""
    instead(patch, STEP, lambda step, s, *args: step(s, *args) - 1e-6 * stack.each_eps(s, s.student, 1))


def labels_through_bfloat16(patch: pytest.MonkeyPatch) -> None:
    """The labels pass through bfloat16."""
    instead(patch, ("labels",), lambda labels, *args: labels(*args).astype(jnp.bfloat16).astype(np.float64))


def doubled_gradient_entry(patch: pytest.MonkeyPatch) -> None:
    """One parameter's gradient is counted twice."""

    def planted(step, *args):
        update = np.array(step(*args))
        update[..., 0] *= 2
        return update

    instead(patch, STEP, planted)


def scaled_trait_loss(patch: pytest.MonkeyPatch) -> None:
    """The trait loss is read off 1 % too large, the teacher's gradient of it is not."""
    value = LabelledTrait.value
    patch.setattr(LabelledTrait, "value", lambda self, functions, theta: 1.01 * value(self, functions, theta))


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
        labels_of_another_eps,
        summed_examples,
        weight_decay,
        labels_through_bfloat16,
        doubled_gradient_entry,
        scaled_trait_loss,
    )
}
