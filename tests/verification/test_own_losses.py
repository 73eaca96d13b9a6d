"""Losses of one's own: what is found of them at the match, what is compared, and what is refused in one line."""

import re
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from owned import apply, verify

import subtheory as st
from subtheory.kernels.local import Differentiated
from subtheory.theory.losses import LOSSES, Bregman, Loss
from subtheory.traces import TRACES
from subtheory.verification.losses import Stated, _settled, losses_of

RNG = np.random.default_rng(3)
Z = RNG.standard_normal((6, 4))
ONES, SOME = np.ones(4), np.array([1.0, 0.0, 1.0, 1.0])


def pseudo_huber(z, y):
    return jnp.sum(jnp.sqrt(1 + (z - y) ** 2) - 1)


def entropy(z, y):
    return -jnp.sum(jax.nn.softmax(y) * jax.nn.log_softmax(z))


def weighted(z, y, w):
    return jnp.sum(w * (z - y) ** 2) / 2


def fourths(z, y):
    return jnp.sum(jnp.cosh(z - y) - 1 - (z - y) ** 2 / 2)


def two_largest(z, y):
    off = jnp.where(y >= jnp.sort(y)[-2], 0.0, -1e30)
    return -jnp.sum(jax.nn.softmax(y + off) * jnp.where(off < 0, 0.0, jax.nn.log_softmax(z + off)))


def read(loss):
    return losses_of(loss, (st.L1(),))


def found(loss, z=Z, w=ONES):
    (one,) = read(loss)
    return _settled(one, z, w)


@pytest.mark.parametrize(
    ("loss", "order", "clause", "said"),
    [
        (pseudo_huber, 1, True, "loss pseudo_huber: order 1, null clause holds at 6 sampled points"),
        (entropy, 1, True, "loss entropy: order 1, null clause holds at 6"),
        (weighted, 1, True, "loss weighted: order 1, null clause holds at 6"),
        (two_largest, 1, False, "loss two_largest: order 1, null clause fails at 6"),
        (fourths, 3, False, "loss fourths: order 3, M = "),
        (partial(lambda z, y, t: entropy(z / t, y / t), t=0.1), 1, True, "loss lambda: order 1, null clause holds"),
    ],
)
def test_order_and_null_clause_are_found_and_said(loss, order, clause, said):
    one, line = found(loss)
    assert (one.order, one.null_clause) == (order, clause) and line.startswith(said) and isinstance(one, Loss)


@pytest.mark.parametrize("size", [1e-6, 1e3, 1e6])
def test_outputs_of_any_size_tell_the_same(size):
    for loss in (pseudo_huber, weighted, lambda z, y: jnp.sum(z**2 - 2 * z * y + y**2)):
        assert found(loss, size * Z)[0].order == 1
    assert found(lambda z, y: jnp.sum((z - y) ** 4), size * Z)[0].order == 3
    if size < 1e3:  # beyond, every softmax is saturated
        assert found(entropy, size * Z)[0].null_clause


@pytest.mark.parametrize(
    ("loss", "twin"),
    [
        (entropy, st.CrossEntropy()),
        (lambda z, y: 2 * jnp.sum((z - y) ** 2), None),
        (lambda z, y: jnp.sum((z - y) ** 4), st.Quartic()),
    ],
)
@pytest.mark.parametrize("w", [ONES, SOME], ids=["all", "some"])
def test_derivatives_are_those_of_the_closed_form_on_the_distilled_outputs(loss, twin, w):
    one, u = found(loss, w=w)[0], RNG.standard_normal(Z.shape)
    hessian = 4 * w * u if twin is None else twin.hessian(Z, u, w)
    leading = (u * hessian).sum(-1) if twin is None else twin.leading(Z, u, w)
    np.testing.assert_allclose(one.hessian(Z, u, w), hessian, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(one.leading(Z, u, w), leading, rtol=1e-12, atol=1e-14)
    with st.float64():  # the same of JAX arrays, traced
        traced = jax.jit(lambda y, u: (one.hessian(y, u, w), one.leading(y, u, w)))(jnp.asarray(Z), jnp.asarray(u))
        np.testing.assert_allclose(traced[0], hessian, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(traced[1], leading, rtol=1e-12, atol=1e-14)


def test_claims_hold_with_functions_as_losses_and_nothing_compiles_twice():
    losses = [weighted, fourths]
    result = verify(loss=losses, claims=("alignment-is-ggn-form", "alignment-by-one-jvp"), outputs={"aux": [0, 2, 3]})
    assert result.ok and [m.split(":")[0] for m in result.messages[2:4]] == [f"loss {f.__name__}" for f in losses]
    assert result["alignment-is-ggn-form"].verdict is st.Verdict.HOLDS
    before = sum(TRACES.values())
    verify(loss=losses, claims=("alignment-is-ggn-form", "alignment-by-one-jvp"), outputs={"aux": [0, 2, 3]})
    assert sum(TRACES.values()) == before


# What is stated -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Half:
    """Σ w (z − y)²/2 with everything that a loss states, and faults to choose."""

    name: str = "half"
    order: int = 1
    null_clause: bool = True
    factor: float = 1.0
    lead: float = 1.0

    def value(self, z, y, w):
        return jnp.sum(w * (z - y) ** 2, axis=-1) / 2

    def hessian(self, y, v, w):
        return self.factor * w * v

    def leading(self, y, u, w):
        return self.lead * (w * u**2).sum(axis=-1)


@dataclass(frozen=True)
class Subset(Half):
    """A top-2, which says that its null space does not move."""

    name: str = "subset"

    def value(self, z, y, w):
        return st.TopK(k=2).value(z, y, w)

    def hessian(self, y, v, w):
        return st.TopK(k=2).hessian(y, v, w)

    def leading(self, y, u, w):
        return st.TopK(k=2).leading(y, u, w)


@dataclass(frozen=True)
class Corner(Half):
    """An absolute value, of order 0."""

    name: str = "corner"
    order: int = 0

    def value(self, z, y, w):
        return jnp.sum(w * jnp.abs(z - y), axis=-1)

    def leading(self, y, u, w):
        return self.lead * (w * abs(u)).sum(axis=-1)


@dataclass(frozen=True)
class Sixteenth:
    """A potential whose Hessian is off by a factor."""

    name: str = "sixteenth"
    null_clause: bool = True
    factor: float = 1.0

    def value(self, z, w):
        return jnp.sum(w * z**2, axis=-1) / 16

    def hessian(self, z, v, w):
        return self.factor * w * v / 8


class Bare:
    """Nothing but a value."""

    def value(self, z, y, w):
        return jnp.sum(w * (1 - jnp.cos((z - y) / 9)), axis=-1)


def test_what_is_stated_rightly_is_taken_as_it_is():
    for loss in (Half(), Corner(), Subset(null_clause=False), Bregman(Sixteenth())):
        assert found(loss)[0] is loss
    one, line = found(Bare())
    assert line.startswith("loss Bare: order 1, null clause holds at 6") and isinstance(one, Differentiated)
    np.testing.assert_allclose(one.hessian(Z, Z, ONES), Z / 81)
    assert read([st.KL(3.0), "l1"]) == [st.KL(3.0), st.L1()] and read(None) == [st.L1()]


STATED = [
    (
        Half(factor=0.5),
        r"loss: hessian must be M v with M = ∂²l/∂z² at z = y, got half: hessian (\S+) stated, (\S+) found",
    ),
    (Half(factor=2.0), r"hessian must be .*, got half: hessian (\S+) stated, (\S+) found at row 0"),
    (Half(lead=2.0), r"leading must be vᵀMv, got half: leading (\S+) stated, (\S+) found at row 0"),
    (Half(order=3), "must state order 1, as M is not 0, got half: order 3"),
    (Subset(), "must state null_clause False, got subset: null_clause True, but Mc = 0 and c·∂l/∂z = "),
    (Bregman(Sixteenth(factor=2.0)), r"got bregman-sixteenth: hessian (\S+) stated, (\S+) found"),
    (Corner(order=1), "must be smooth where z = y"),
    (Corner(lead=0.5), r"leading must be the limit of −∂_z l\(y, y \+ tv\)·v, got corner: leading"),
]


@pytest.mark.parametrize(("loss", "words"), STATED, ids=range(len(STATED)))
def test_what_is_stated_wrongly_is_refused_with_both_numbers(loss, words):
    with pytest.raises(st.InputError, match=words) as refused:
        found(loss)
    assert refused.value.field == "loss" and "\n" not in str(refused.value)
    if numbers := re.search(words, str(refused.value)).groups():
        stated, right = map(float, numbers)
        assert stated / right == pytest.approx(loss.lead if "leading" in words else factor_of(loss), rel=1e-5)


def factor_of(loss):
    return loss.potential.factor if isinstance(loss, Bregman) else loss.factor


# What is refused ----------------------------------------------------------------------------------


def noisy(z, y):
    return jnp.sum((z - y) ** 2) * jax.random.uniform(jax.random.key(0))


def drawn(z, y):
    return jnp.sum((z - y) ** 2) * np.random.default_rng().random()


def narrow(z, y):
    return jnp.sum((z - y).astype(jnp.float32) ** 2)


SMOOTH = "must be smooth where z = y"
FLAT = "must have a second or a fourth derivative over z above 0 where z = y"
LEAST = "must have a minimum over z where z = y"
REFUSED = [
    (lambda z, y: jnp.sum(jnp.abs(z - y)), SMOOTH),
    (lambda z, y: jnp.sum((z - y) ** 2 + 1e-3 * jnp.abs(z - y)), SMOOTH),
    (lambda z, y: jnp.sum(jnp.maximum(z - y, 0.0) ** 2), SMOOTH),
    (lambda z, y: jnp.sum((z - y) ** 4 + jnp.abs(z - y) ** 3), SMOOTH),
    (lambda z, y: jnp.sum(jnp.abs(z - y) ** 1.5), "must be finite, with its derivatives, where z = y"),
    (lambda z, y: jnp.sum(jnp.log(z - y)), "must be finite, with its derivatives, where z = y"),
    (lambda z, y: jnp.sum((z - y) ** 2 / (1 - (z - y) ** 2 * (jnp.abs(z - y) > 0.01) * 1e400)), "must be finite"),
    (lambda z, y: jnp.sum((z - y + 1) ** 2), "must be stationary where z = y"),
    (lambda z, y: jnp.sum((z - 0.999 * y) ** 2), "must be stationary where z = y"),
    (lambda z, y: -jnp.sum((z - y) ** 2), LEAST),
    (lambda z, y: jnp.sum((z - y) ** 2) - 2 * (z[0] - y[0]) ** 2, LEAST),
    (lambda z, y: jnp.sum((z - y) ** 6), FLAT),
    (lambda z, y: jnp.sum((z - y) ** 3), FLAT),
    (lambda z, y: -jnp.sum((z - y) ** 4), FLAT),
    (lambda z, y: 0.0, FLAT),
    (lambda z, y: (z - y) ** 2, r"must return one number, float64 of shape \(\), got lambda: float64\[4\]"),
    (lambda z, y: {"l": z[0]}, "must return one number|must be a differentiable function"),
    (noisy, "draws random numbers: .*, got noisy: random_bits .*test_own_losses.py"),
    (drawn, "must be one function: .*, got drawn"),
    (narrow, "must compute in float64, got narrow: float32 in .*test_own_losses.py"),
    (lambda z, y: z["a"], r"must be a differentiable function l\(z, y\) of one example's outputs"),
    (lambda z, y: np.sum(np.asarray(z) - y), r"must be a differentiable function l\(z, y\) of one example's outputs"),
    (lambda z: z, r"must be a function l\(z, y\), or l\(z, y, w\), of one example's outputs, got lambda\(z\)"),
]


@pytest.mark.parametrize(("loss", "words"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_no_smooth_minimum_at_the_match_is_refused_in_one_line(loss, words):
    with pytest.raises(st.InputError, match=words) as refused:
        found(loss)
    assert refused.value.field.endswith("loss") and "\n" not in str(refused.value)
    assert getattr(loss, "__name__", "").strip("<>") in str(refused.value)


def kl(z, y):
    return entropy(z, y)


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (kl, "must have a name that no built-in loss has, got 'kl'"),
        ([lambda z, y: 1.0, lambda z, y: 2.0], "must not be the name of two losses"),
        (3, "must be one of squared-error, .*, a function"),
        (Half, "must be a loss such as KL.., not a class of them"),
        ([], "must be at least one"),
    ],
)
def test_what_is_no_loss_at_all(loss, words):
    with pytest.raises(st.InputError, match=words):
        read(loss)
    assert isinstance(read(entropy)[0], Stated) and all(read(name) == [one] for name, one in LOSSES.items())


# Groups of outputs --------------------------------------------------------------------------------


def test_a_group_of_outputs_goes_by_its_name():
    named, plain = (verify(outputs=some, claims="cosine-limit") for some in ({"colours": (3, 1)}, (1, 3)))
    assert "outputs: colours is 3, 1" in named.messages and "/ colours /" in named["cosine-limit"].worst
    assert named["cosine-limit"].measured == pytest.approx(plain["cosine-limit"].measured, rel=1e-9)
    assert (
        verify(outputs={"aux": [True, False, True, True]}, claims="cosine-limit").messages[1].endswith("aux is 0, 2, 3")
    )


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        ({"aux": [0, 4]}, "outputs 'aux': must be 'all' or indices below 4"),
        ({"a": [0], "b": [1]}, "outputs: must be one group, a name with its logits"),
        ({}, "outputs: must be one group, a name with its logits, got {}"),
        ({"all": [0]}, "outputs: must have a name other than 'all' for its group"),
        ({3: [0]}, "outputs: must have a name other than 'all' for its group, got 3"),
        ({"aux": "all"}, "outputs: must give the logits of 'aux' by indices or a mask"),
    ],
)
def test_what_is_no_group_is_refused(outputs, words):
    with pytest.raises(st.InputError, match=words):
        verify(apply, outputs=outputs)
