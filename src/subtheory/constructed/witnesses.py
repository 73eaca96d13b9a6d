"""Constructed settings: small networks, exact numbers, in which a broken assumption must show."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from subtheory.constructed.formula import constructed
from subtheory.kernels.source import Given as Arrays
from subtheory.setting.setting import Setting, ladder
from subtheory.setting.student import Student
from subtheory.setting.teachers import GradientDescent, Ruled
from subtheory.theory.losses import Bregman, SquaredError, TopK, namespace
from subtheory.theory.network import Params
from subtheory.theory.rule import Descent, Scaled, Signs
from subtheory.theory.trains import All, Entries
from subtheory.theory.views import Accepted

# Kinks ---------------------------------------------------------------------------------------------


def _two_layer(activation: Callable[[Array], Array]) -> Callable[[Params, Array], Array]:
    def f(theta: Params, x: Array) -> Array:
        return theta["W2"] @ activation(theta["W1"] @ x + theta["b1"]) + theta["b2"]

    return f


RELU, SOFTPLUS = _two_layer(jax.nn.relu), _two_layer(jax.nn.softplus)


def _two_units(b1: tuple[float, float]) -> tuple[Params, Params]:
    theta0 = {
        "W1": np.ones((2, 1)),
        "b1": np.array(b1),
        "W2": np.array([[1.0, -1.0]]),
        "b2": np.zeros(1),
    }
    delta = {name: np.zeros_like(value) for name, value in theta0.items()}
    return theta0, delta | {"b1": np.array([0.0, 3.0]), "b2": np.ones(1)}


def _against(delta: Params) -> Callable[[Params], Array]:
    """L_T = −Δ·θ, whose gradient step is Δ: what raises it has moved away from the teacher."""
    return lambda theta: -optax.tree.vdot(delta, theta)


@cache
def kink() -> tuple[Setting, ...]:
    """Zero-bias ReLU network on a blank input: D(ε) = −4ε."""
    theta0, delta = _two_units((0.0, 0.0))
    return (constructed("relu-on-its-kink", RELU, theta0, delta, x=((0.0,),), trait=_against(delta)),)


@cache
def repaired() -> tuple[Setting, ...]:
    """The same with a softplus, and with biases off zero: D = ε/2 and 2ε to first order."""
    small: dict[str, Any] = {"x": ((0.0,),), "eps": ladder(1e-2)}
    soft, off = _two_units((0.0, 0.0)), _two_units((0.3, -0.4))
    return (
        constructed("softplus-in-its-place", SOFTPLUS, *soft, **small),
        constructed("relu-off-its-kink", RELU, *off, **small),
    )


def _hinge(theta: Params, x: Array) -> Array:
    return x * (theta + 5 * jax.nn.relu(theta - 1e-5))


@cache
def kink_on_the_segment() -> tuple[Setting, ...]:
    """f = θ + 5 relu(θ − 10⁻⁵) from θ0 = 0: smooth there, but every rung lies beyond the kink."""
    return (constructed("hinge", _hinge, np.zeros(1), np.ones(1)),)


# Size of ε -----------------------------------------------------------------------------------------


def _sine(theta: Params, x: Array) -> Array:
    return jnp.sin(x * theta)


@cache
def oscillation() -> tuple[Setting, ...]:
    """f = sin(kθ), k = 1152, ε = 1, 1/4, ...: D = 2k sin(kε), negative at kε = 18 and 4.5."""
    delta = np.ones(1)
    return (constructed("sine", _sine, np.zeros(1), delta, x=((1152.0,),), eps=ladder(1.0), trait=_against(delta)),)


# Students that do not take the plain step ----------------------------------------------------------


def _linear(theta: Params, x: Array) -> Array:
    return jnp.sum(theta * x, keepdims=True)


@cache
def signs() -> tuple[Setting, ...]:
    """f = v·θ, v = (1, 0.1), Δ = (1, −2): the gradient points along v, its sign along (1, 1), and (1, 1)·Δ = −1."""
    return (
        constructed(
            "signs", _linear, np.zeros(2), np.array([1.0, -2.0]), x=((1.0, 0.1),), student=Student(rule=Signs())
        ),
    )


@cache
def unsigned() -> tuple[Setting, ...]:
    """The same with one plain gradient step: D = 2ε (0.8)²."""
    return tuple(setting.but(rule=Descent()) for setting in signs())


def _sloped(*slope: float) -> Callable[[Params], Any]:
    """L_T = slope · θ."""
    return lambda theta: jnp.sum(jnp.asarray(slope) * theta)


@cache
def stretched() -> tuple[Setting, ...]:
    """f = θ1 − θ2/2, L_T = −θ1/10 − 3θ2/2, teacher in C = diag(10, 1), Δ = (1, 3/2), student in I: ΔL_T = 13αε/40."""
    taught: dict[str, Any] = {"trait": _sloped(-0.1, -1.5), "teacher": Ruled(Scaled((10.0, 1.0)))}
    return (constructed("stretched", _linear, np.zeros(2), None, x=((1.0, -0.5),), **taught),)


@cache
def stretched_alike() -> tuple[Setting, ...]:
    """The same with a student in the teacher's C: ΔL_T = −2αε (1/4)²."""
    return tuple(setting.but(rule=Scaled((10.0, 1.0))) for setting in stretched())


@cache
def sign_teacher() -> tuple[Setting, ...]:
    """f = θ1 − 2θ2, L_T = −3θ1 − θ2, Δ = −sign ∇L_T = (1, 1): D = 2ε, and L_T changes by 2αε."""
    taught: dict[str, Any] = {"trait": _sloped(-3.0, -1.0), "teacher": Ruled(Signs())}
    return (constructed("sign-teacher", _linear, np.zeros(2), None, x=((1.0, -2.0),), **taught),)


@cache
def plain_teacher() -> tuple[Setting, ...]:
    """The same with a teacher of one gradient step, Δ = (3, 1): L_T changes by −2αε."""
    return tuple(setting.but(teacher=GradientDescent()) for setting in sign_teacher())


@cache
def frozen() -> tuple[Setting, ...]:
    """f = θ1 + θ2, Δ = (2, −1), first parameter frozen: D = 2ε (1)(−1)."""
    return (
        constructed(
            "frozen",
            _linear,
            np.zeros(2),
            np.array([2.0, -1.0]),
            x=((1.0, 1.0),),
            student=Student(trains=Entries((0.0, 1.0))),
        ),
    )


def _with(**given: Any) -> tuple[Setting, ...]:
    """The witness of a frozen parameter, f = θ1 + θ2, Δ = (2, −1), θ1 frozen, with another Δ."""
    (setting,) = frozen()
    assert isinstance(setting.source, Arrays)
    return (setting.but(source=replace(setting.source, **given)),)


@cache
def unfrozen() -> tuple[Setting, ...]:
    """Both parameters trained: D = 2ε (2 − 1)²."""
    return tuple(setting.but(trains=All()) for setting in frozen())


@cache
def frozen_alike() -> tuple[Setting, ...]:
    """A teacher that left θ1 alone too, Δ = (0, −1): D = 2ε (−1)²."""
    return _with(delta=np.array([0.0, -1.0]))


# Losses --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Repulsion(SquaredError):
    """l = −Σ w(z − y)²: the match is a maximum."""

    name: str = "repulsion"

    def value(self, z: Array, y: Array, w: Array) -> Array:
        return -super().value(z, y, w)

    def hessian(self, y: Array, v: Array, w: Array) -> Array:
        return -super().hessian(y, v, w)


@cache
def maximum_at_the_match() -> tuple[Setting, ...]:
    """f = θ with a loss that is largest at the match: D = −2ε."""
    return (constructed("repulsion", _linear, np.zeros(1), np.ones(1), loss=Repulsion()),)


@dataclass(frozen=True)
class Sextic:
    """φ = z0⁶ − z0 z1² + 7 z1² + z0² z1², convex for |z0| ≤ 1; its null space at 0 holds at 0 only."""

    name: str = "sextic"
    null_clause: bool = False

    def value(self, z: Array, w: Array) -> Array:
        a, b = z[..., 0], z[..., 1]
        return a**6 - a * b**2 + 7 * b**2 + a**2 * b**2

    def hessian(self, z: Array, v: Array, w: Array) -> Array:
        a, b = z[..., 0], z[..., 1]
        aa, ab, bb = 30 * a**4 + 2 * b**2, (4 * a - 2) * b, 2 * a**2 - 2 * a + 14
        return namespace(z, v).stack([aa * v[..., 0] + ab * v[..., 1], ab * v[..., 0] + bb * v[..., 1]], axis=-1)


def _logits(theta: Params, x: Array) -> Array:
    return theta * x


def _parabola(theta: Params, x: Array) -> Array:
    return jnp.concatenate([theta * x, (theta * x) ** 2])


@cache
def moving_null_space() -> tuple[Setting, ...]:
    """q = 0 and yet D ≠ 0: a top-2 whose third logit overtakes, and D = ε⁴(8ε − 1) under the sextic potential."""
    overtaking = constructed(
        "overtaking-logit",
        _logits,
        np.array([1.0, 0.5, 0.0]),
        np.array([-1.0, -1.0, 4.0]),
        x=((1.0, 1.0, 1.0),),
        width=3,
        loss=TopK(k=2),
    )
    curved = constructed(
        "parabola", _parabola, np.zeros(1), np.ones(1), width=2, loss=Bregman(Sextic()), eps=ladder(0.1)
    )
    return overtaking, curved


@cache
def filtered() -> tuple[Setting, ...]:
    """Two logits, the second rises by ε but passes the filter with probability e⁻² only: D = 2(ε − 2)."""
    theta0, delta = np.zeros(2), np.array([0.0, 1.0])
    return (constructed("filtered", _logits, theta0, delta, x=((1.0, 1.0),), width=2, view=Accepted()),)


# Teachers ------------------------------------------------------------------------------------------


def _bowl(theta: Params) -> Array:
    """½(θ − Δ)ᵀH(θ − Δ), H = diag(10, 1), Δ = (1, −2)."""
    off = theta - jnp.asarray([1.0, -2.0])
    return jnp.sum(jnp.asarray([5.0, 0.5]) * off**2)


@cache
def converged() -> tuple[Setting, ...]:
    """f = θ1 + θ2; the teacher sits at the minimum of its loss, Δ = −H⁻¹∇L_T(θ0)."""
    delta = np.array([1.0, -2.0])
    return (constructed("converged", _linear, np.zeros(2), delta, x=((1.0, 1.0),), trait=_bowl, eps=ladder(1e-2)),)


@cache
def one_step_teacher() -> tuple[Setting, ...]:
    """The same, with the teacher of the theorem: one gradient step."""
    return tuple(replace(setting, teacher=GradientDescent()) for setting in converged())


def _quadratic(theta: Params, x: Array) -> Array:
    return x * (theta[1:] + theta[:1] ** 2)


def _tilted(theta: Params) -> Array:
    return -theta[0] + theta[1] ** 2


@cache
def zero_branch() -> tuple[Setting, ...]:
    """f = θ1 + θ0² and L_T = −θ0 + θ1² at 0: D = 0 and ΔL_T = 4α²ε⁴."""
    return (constructed("tilted", _quadratic, np.zeros(2), None, trait=_tilted, teacher=GradientDescent()),)


@cache
def seen_zero_branch() -> tuple[Setting, ...]:
    """The same from θ0 = (½, 0), where the channel sees Δ."""
    start = np.array([0.5, 0.0])
    return (constructed("tilted", _quadratic, start, None, trait=_tilted, teacher=GradientDescent()),)


# Coverage ------------------------------------------------------------------------------------------


def _dot(theta: Params, x: Array) -> Array:
    return (theta @ x)[None]


def _inputs(*eigenvalues: float) -> np.ndarray:
    """Inputs for which G = 2E[xxᵀ] is diagonal with these eigenvalues, one for each that is not 0."""
    rows = np.diag(np.sqrt(np.array(eigenvalues) * np.count_nonzero(eigenvalues) / 2))
    return rows[np.any(rows != 0, axis=1)]


@cache
def uneven_modes() -> tuple[Setting, ...]:
    """G = diag(1, 9), Δ = (3, 1): squared parts 9 : 1."""
    return (constructed("two-modes", _dot, np.zeros(2), np.array([3.0, 1.0]), x=_inputs(1, 9)),)


@cache
def rivals(first: float = 1.0, second: float = 9.0) -> tuple[Setting, ...]:
    """G = diag(first, second, 0), Δ = (4, 0, 3), and a trait that falls along (3, 1, 0)."""
    name, trait = f"rates-{first:g}-{second:g}", _against(np.array([3.0, 1.0, 0.0]))
    own, x = np.array([4.0, 0.0, 3.0]), _inputs(first, second, 0.0)
    return (constructed(name, _dot, np.zeros(3), own, x=x, trait=trait),)


def even_rivals() -> tuple[Setting, ...]:
    """The same with one rate, G = diag(9, 9, 0)."""
    return rivals(9.0, 9.0)


# Many steps ----------------------------------------------------------------------------------------


def _two_modes(speed: float, slope: Callable[[Params], Array]) -> tuple[Setting, ...]:
    """f = (θ0, √λ θ1) with squared error and Δ = (1, 1): eigenvalues (1, λ) of λmax; rates in units of 1/λmax."""

    def f(theta: Params, x: Array) -> Array:
        return theta * x * jnp.array([1.0, speed**0.5])

    name = f"two-modes-{speed:g}"
    return (constructed(name, f, np.zeros(2), np.ones(2), width=2, trait=slope, alpha=0.5),)


def _fast_mode(theta: Params) -> Array:
    return -theta[0]


def _slow_against_fast(theta: Params) -> Array:
    return 2 * theta[1] - theta[0]


def _slow_with_fast(theta: Params) -> Array:
    return -2 * theta[1] - theta[0]


@cache
def two_speeds() -> tuple[Setting, ...]:
    """λ = (1, ¼), α = 1/(2λmax)."""
    return _two_modes(0.25, _fast_mode)


@cache
def one_speed() -> tuple[Setting, ...]:
    """λ = (1, 1): every step is along Δ."""
    return _two_modes(1.0, _fast_mode)


@cache
def against() -> tuple[Setting, ...]:
    """λ = (1, ¼) and L′ = 2θ1 − θ0: the fast mode lowers it by 1, the slow one raises it by 2."""
    return _two_modes(0.25, _slow_against_fast)


@cache
def together() -> tuple[Setting, ...]:
    """L′ = −2θ1 − θ0: both lower it."""
    return _two_modes(0.25, _slow_with_fast)


def _crossed(theta: Params, x: Array) -> Array:
    return x * (theta[1:] + theta[:1] ** 2 - theta[:1] * theta[1:])


@cache
def second_step() -> tuple[Setting, ...]:
    """f = θ1 + θ0² − θ0θ1, L_T = −θ0 at 0, Δ = (1, 0), a rate of ¼: 0 after one step, −ε⁴/8 after two."""
    start, delta = np.zeros(2), np.array([1.0, 0.0])
    return (constructed("second-step", _crossed, start, delta, trait=_fast_mode, alpha=0.5),)


@cache
def seen_second_step() -> tuple[Setting, ...]:
    """The same from θ0 = (½, 0), where the channel sees Δ."""
    start, delta = np.array([0.5, 0.0]), np.array([1.0, 0.0])
    return (constructed("second-step", _crossed, start, delta, trait=_fast_mode, alpha=0.5),)
