"""Errors to plant: plausible mistakes, each in what is measured or in what is predicted, never in both alike.

Measured is what goes through `labels`, `pull`, `moved` and `updates` of `subtheory.kernels.stack`, and through the
value of the trait loss; predicted what goes through the Hessian of a loss, Taylor models and means of them.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from subtheory.audit.planting import Patch, Plant, instead
from subtheory.instruments import first_order, twins, two_inits
from subtheory.kernels import stack
from subtheory.kernels.stack import Stack, averaged, each_eps, norm
from subtheory.setting import preparation
from subtheory.theory import losses
from subtheory.theory.layout import Layout
from subtheory.theory.losses import Loss
from subtheory.theory.trait import LabelledTrait

STEP = ("moved", "updates")
"""Both ways to the student's step: of a rule that is linear in the labels' pull, and of any rule."""


# The labels ---------------------------------------------------------------------------------------


def permuted_logits(patch: Patch) -> None:
    """The labels are off by one logit."""
    instead(patch, ("labels",), lambda labels, *args: np.roll(labels(*args), 1, axis=-1))


def permuted_examples(patch: Patch) -> None:
    """Each input has the labels of the one before: two loaders shuffle differently."""
    instead(patch, ("labels",), lambda labels, s, eps: np.roll(labels(s, eps), 1, axis=s.weights.ndim))


def shifted_positions(patch: Patch) -> None:
    """The labels of a sequence are those of the position before."""
    instead(patch, ("labels",), lambda *args: _along_positions(lambda y: np.roll(y, 1, axis=0), *args))


def leaked_position(patch: Patch) -> None:
    """The first position of a sequence sees the label of the second."""
    leak = lambda y: np.concatenate([y[1:2], y[1:]])  # noqa: E731
    instead(patch, ("labels",), lambda *args: _along_positions(leak, *args))


def backward_teacher(patch: Patch) -> None:
    """The teacher is put at θ0 − εΔ."""
    instead(patch, ("labels",), lambda labels, s, eps: labels(s, -eps))


def labels_of_another_eps(patch: Patch) -> None:
    """The teacher whose labels are imitated went 5 % too far."""
    instead(patch, ("labels",), lambda labels, s, eps: labels(s, 1.05 * eps))


def labels_of_the_next_rung(patch: Patch) -> None:
    """The ladder of ε is off by one rung."""
    instead(patch, ("labels",), lambda labels, s, eps: labels(s, eps / 4))


def normalised_teacher(patch: Patch) -> None:
    """The teacher goes along Δ/‖Δ‖."""
    instead(patch, ("labels",), lambda labels, s, eps: labels(s, eps / norm(s.delta)[..., None]))


def linear_teacher(patch: Patch) -> None:
    """The teacher's outputs end after their first order in ε."""

    def planted(labels: Any, s: Stack, eps: Any) -> Any:
        z, u = (each_eps(s, each, each.ndim - s.weights.ndim + 1) for each in stack.on_channel(s).taylor[:2])
        return stack.viewed(s, z + eps.reshape(*eps.shape, *(1,) * (z.ndim - eps.ndim)) * u)

    instead(patch, ("labels",), planted)


def labels_of_the_student(patch: Patch) -> None:
    """The student imitates its own outputs."""
    instead(patch, ("labels",), lambda labels, s, eps: labels(replace(s, theta0=s.student), 0 * eps))


def single_precision(patch: Patch) -> None:
    """The labels pass through float32."""
    instead(patch, ("labels",), lambda labels, *args: labels(*args).astype(np.float32).astype(np.float64))


def labels_through_bfloat16(patch: Patch) -> None:
    """The labels pass through bfloat16."""
    instead(patch, ("labels",), lambda labels, *args: labels(*args).astype(jnp.bfloat16).astype(np.float64))


def smoothed_labels(patch: Patch) -> None:
    """The labels are drawn towards 0 by one per cent."""
    instead(patch, ("labels",), lambda labels, *args: 0.99 * labels(*args))


# The student's loss -------------------------------------------------------------------------------


def dropped_example(patch: Patch) -> None:
    """The first example is lost on its way to the student."""

    def planted(pull: Any, s: Stack, *args: Any) -> Any:
        r = np.array(pull(s, *args))
        np.moveaxis(r, s.weights.ndim, 0)[0] = 0.0
        return r

    instead(patch, ("pull",), planted)


def doubled_example(patch: Patch) -> None:
    """The last example is counted twice, as in a batch that was filled up."""

    def planted(pull: Any, s: Stack, *args: Any) -> Any:
        r = np.array(pull(s, *args))
        np.moveaxis(r, s.weights.ndim, 0)[-1] *= 2
        return r

    instead(patch, ("pull",), planted)


def summed_examples(patch: Patch) -> None:
    """The student's loss is a sum over the examples, the stated one a mean."""
    instead(patch, ("pull",), lambda pull, s, *args: s.weights.shape[-1] * pull(s, *args))


def median_example(patch: Patch) -> None:
    """The student's loss is the median over the examples, the stated one their mean."""

    def planted(pull: Any, s: Stack, *args: Any) -> Any:
        r = pull(s, *args)
        behind = tuple(range(s.weights.ndim + 1, r.ndim))
        size = np.sqrt((r**2).sum(axis=behind))
        middle = np.argsort(size, axis=-1)[..., size.shape[-1] // 2]
        chosen = np.arange(size.shape[-1]) == middle[..., None]
        return size.shape[-1] * r * chosen.reshape(*chosen.shape, *(1,) * len(behind))

    instead(patch, ("pull",), planted)


def averaged_outputs(patch: Patch) -> None:
    """The student's loss is a mean over the outputs, the stated one a sum."""
    instead(patch, ("pull",), lambda pull, s, *args: pull(s, *args) / s.outputs.sum())


def ignored_mask(patch: Patch) -> None:
    """The student imitates all outputs, distilled or not."""
    instead(patch, ("pull",), lambda pull, s, *args: pull(replace(s, outputs=np.ones_like(s.outputs)), *args))


def reversed_mask(patch: Patch) -> None:
    """The mask of distilled outputs is read from its other end."""
    instead(patch, ("pull",), lambda pull, s, *args: pull(replace(s, outputs=s.outputs[::-1].copy()), *args))


def swapped_roles(patch: Patch) -> None:
    """The loss takes the teacher's outputs for the student's and the student's for the teacher's."""

    def planted(pull: Any, s: Stack, loss: Loss, z: Any, y: Any) -> Any:
        return pull(s, loss, *(np.array(each) for each in np.broadcast_arrays(y, z)))

    instead(patch, ("pull",), planted)


def forgotten_temperature(patch: Patch) -> None:
    """Both softmaxes have temperature 2, which the stated loss has not."""
    instead(patch, ("pull",), lambda pull, s, loss, z, y: pull(s, loss, z / 2, y / 2))


def dropped_normaliser(patch: Patch) -> None:
    """The term log Σ exp z of a cross-entropy is dropped: its labels pull, and nothing holds against them."""

    def planted(pull: Any, s: Stack, loss: Loss, z: Any, y: Any) -> Any:
        return pull(s, loss, z, y) + averaged(s, losses.softmax(z, s.outputs), 1)

    instead(patch, ("pull",), planted)


def unsubtracted_control(patch: Patch) -> None:
    """Nothing of the student of an untrained teacher is subtracted."""

    def planted(pull: Any, s: Stack, loss: Loss, z: Any, y: Any) -> Any:
        r = np.array(pull(s, loss, z, y))
        np.moveaxis(r, s.weights.ndim - 1, 0)[-1] = 0.0  # the control is the last ε
        return r

    sound = two_inits.pull
    patch(two_inits, "pull", lambda *args: planted(sound, *args))


# The student's step -------------------------------------------------------------------------------


def wrong_sign(patch: Patch) -> None:
    """The student climbs its loss."""
    instead(patch, STEP, lambda step, *args: -step(*args))


def doubled_step(patch: Patch) -> None:
    """A factor of 2 between the loss that is descended and the one whose Hessian is stated."""
    instead(patch, STEP, lambda step, *args: 2 * step(*args))


def single_precision_step(patch: Patch) -> None:
    """The student's gradient is summed in float32."""
    instead(patch, STEP, lambda step, *args: step(*args).astype(np.float32).astype(np.float64))


def weight_decay(patch: Patch) -> None:
    """The student's optimizer decays its weights, by a millionth."""
    instead(patch, STEP, lambda step, s, *args: step(s, *args) - 1e-6 * each_eps(s, s.student, 1))


def head_without_bias_gradient(patch: Patch) -> None:
    """No gradient reaches the last bias."""
    _unmoved(patch, lambda layout: [where for name, (where, _) in layout.leaves().items() if "bias" in name][-1])


def frozen_first_layer(patch: Patch) -> None:
    """No gradient reaches the first layer."""
    _unmoved(patch, lambda layout: next(iter(layout.layers().values())))


def doubled_gradient_entry(patch: Patch) -> None:
    """One parameter's gradient is counted twice."""

    def planted(step: Any, *args: Any) -> Any:
        update = np.array(step(*args))
        update[..., 0] *= 2
        return update

    instead(patch, STEP, planted)


def shifted_student(patch: Patch) -> None:
    """The student's init is off by a hundredth."""
    _elsewhere(patch, lambda s: s.student + 1e-2 * np.random.default_rng(9).standard_normal(s.student.shape))


def student_of_another_seed(patch: Patch) -> None:
    """The student starts from the init of another seed (a single one: from that one turned about)."""
    _elsewhere(patch, lambda s: np.roll(s.student, 1, axis=0) if len(s.student) > 1 else s.student[:, ::-1].copy())


def squared_rate(patch: Patch) -> None:
    """The student steps by α² where it should by α."""
    sound = vars(first_order)["_steps"]
    patch(first_order, "_steps", lambda s, several, alpha, *rest: sound(s, several, alpha**2, *rest))


# The trait ----------------------------------------------------------------------------------------


def scaled_trait_loss(patch: Patch) -> None:
    """The trait loss is read off 1 % too large, the teacher's gradient of it is not."""
    value = LabelledTrait.value
    patch(LabelledTrait, "value", lambda self, functions, theta: 1.01 * value(self, functions, theta))


def trait_on_other_labels(patch: Patch) -> None:
    """The trait loss is read off on labels that are off by one example, the teacher's gradient of it is not."""
    value = LabelledTrait.value

    def planted(self: LabelledTrait, functions: Any, theta: Any) -> Any:
        labels: Any = np.roll(self.labels, 1, axis=-1)
        return value(replace(self, labels=labels), functions, theta)

    patch(LabelledTrait, "value", planted)


# What is predicted --------------------------------------------------------------------------------


def curvature_without_its_factor(patch: Patch) -> None:
    """M = diag(w) for Σw(z − y)², as if it were ½Σw(z − y)²."""
    patch(losses.SquaredError, "hessian", lambda self, y, v, w: w * v)


def curvature_without_the_softmax(patch: Patch) -> None:
    """M = diag(p), the term −ppᵀ forgotten."""
    patch(losses.CrossEntropy, "hessian", lambda self, y, v, w: losses.softmax(y, w) * v)


def curvature_with_one_temperature(patch: Patch) -> None:
    """M of KL at temperature T has 1/T where it should have 1/T²."""
    sound = losses.KL.hessian
    patch(losses.KL, "hessian", lambda self, y, v, w: self.temperature * sound(self, y, v, w))


def biased_weights(patch: Patch) -> None:
    """The Gauss-Newton form counts the first input 5 % more than the channel does."""

    def planted(expectation: Any, s: Stack, *args: Any) -> Any:
        weights = np.array(s.weights)
        weights[..., 0] *= 1.05
        return expectation(replace(s, weights=weights), *args)

    instead(patch, ("expectation",), planted)


def halved_second_order(patch: Patch) -> None:
    """The second order of the alignment has its factor ½ twice."""
    sound = vars(first_order)["_second"]
    patch(first_order, "_second", lambda *args: sound(*args) / 2)


# Parts --------------------------------------------------------------------------------------------


def _along_positions(change: Callable[[Any], Any], labels: Any, s: Stack, eps: Any) -> Any:
    """Labels with their positions changed, (positions, ...); those of inputs without positions as they are."""
    y = labels(s, eps)
    if y.ndim == s.weights.ndim + 2:
        return y
    return np.moveaxis(change(np.moveaxis(y, -2, 0)), 0, -2)


def _unmoved(patch: Patch, part: Callable[[Layout], slice]) -> None:
    def planted(step: Any, s: Stack, *args: Any) -> Any:
        update = np.array(step(s, *args))
        update[..., part(s.functions.layout)] = 0.0
        return update

    instead(patch, STEP, planted)


def _elsewhere(patch: Patch, student: Callable[[Stack], Any]) -> None:
    sound = preparation.stack

    def planted(*args: Any) -> Stack:
        s = sound(*args)
        return replace(s, student=student(s))

    for module in (preparation, twins):
        patch(module, "stack", planted)


MEASURED: tuple[Plant, ...] = (
    permuted_logits,
    permuted_examples,
    shifted_positions,
    leaked_position,
    backward_teacher,
    labels_of_another_eps,
    labels_of_the_next_rung,
    normalised_teacher,
    linear_teacher,
    labels_of_the_student,
    single_precision,
    labels_through_bfloat16,
    smoothed_labels,
    dropped_example,
    doubled_example,
    summed_examples,
    median_example,
    averaged_outputs,
    ignored_mask,
    reversed_mask,
    swapped_roles,
    forgotten_temperature,
    dropped_normaliser,
    unsubtracted_control,
    wrong_sign,
    doubled_step,
    single_precision_step,
    weight_decay,
    head_without_bias_gradient,
    frozen_first_layer,
    doubled_gradient_entry,
    shifted_student,
    student_of_another_seed,
    squared_rate,
    scaled_trait_loss,
    trait_on_other_labels,
)

PREDICTED: tuple[Plant, ...] = (
    curvature_without_its_factor,
    curvature_without_the_softmax,
    curvature_with_one_temperature,
    biased_weights,
    halved_second_order,
)

PLANTS: dict[str, Plant] = {plant.__name__.replace("_", "-"): plant for plant in (*MEASURED, *PREDICTED)}
"""Every kind of error by name; its docstring says what it is."""
