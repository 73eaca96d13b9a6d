"""The slow theory: dense float64 matrices and loops over examples, straight from the definitions.

Takes from the package a loss's `value`, a network's `apply` and a view's `labels`, and nothing else; every
derivative is taken densely here. Each number comes with its condition: how much larger than itself the terms are
from which it is summed, differences z − y counted as |z| + |y|. That is what float64 may lose.
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from subtheory.numerics import float64

U = 2.0**-53


@dataclass(frozen=True)
class Number:
    """A reference value with its condition number."""

    value: float
    condition: float

    def agrees(self, measured):
        """To 1e-10, or what rounding 50 u leaves of it."""
        return abs(measured - self.value) <= max(1e-10, 50 * U * self.condition) * abs(self.value)


class Update(NamedTuple):
    """Δθ_S, and the magnitudes of the terms of Δθ_S · Δ and of ‖Δθ_S‖."""

    step: np.ndarray
    size: float
    norm_size: float


def number(value, magnitude):
    """Condition = magnitude of the terms over that of their sum."""
    return Number(float(value), float(magnitude / abs(value)) if value else np.inf)


COMPILED = {}


def network_functions(network, unravel):
    """f(θ, x), J(θ, x) and d²/dt² f(θ + tΔ, x), compiled once a network; outputs are (positions, V)."""
    if network in COMPILED:
        return COMPILED[network]

    def f(theta, x):
        z = network.apply(unravel(theta), x)
        return z.reshape(-1, z.shape[-1])

    def acceleration(theta, delta, x):
        return jax.jacfwd(jax.jacfwd(lambda t: f(theta + t * delta, x)))(0.0)

    COMPILED[network] = jax.jit(f), jax.jit(jax.jacrev(f)), jax.jit(acceleration)
    return COMPILED[network]


@partial(jax.jit, static_argnums=0)
def loss_derivatives(loss, z, y, u, w):
    """∂l/∂z, ∂²l/∂z², ∂²l/∂y∂z at (z, y), and ∂²/∂y² (∂l/∂z · u)[u, u], of every row of z, y and u."""

    def row(z, y, u):
        value = lambda z, y: loss.value(z, y, w)  # noqa: E731
        slope = jax.grad(value)
        cubic = jax.hessian(lambda y: slope(z, y) @ u)(y)
        return slope(z, y), jax.hessian(value)(z, y), jax.jacfwd(slope, argnums=1)(z, y), u @ cubic @ u

    return jax.vmap(row)(z, y, u)


@partial(jax.jit, static_argnums=0)
def trait_loss(network, trait, params):
    return trait.loss(network.apply, params)


class Dense:
    """One distillation with a plain student: E over examples and positions is a double loop."""

    def __init__(self, d):
        with float64():
            self.d = d
            self.theta, unravel = ravel_pytree(d.theta0)
            self.student = np.asarray(ravel_pytree(d.student)[0])
            self.delta = np.asarray(ravel_pytree(d.delta)[0])
            self.unravel = unravel
            f, jacobian, acceleration = network_functions(d.network, unravel)
            self.f = lambda theta: np.stack([np.asarray(f(theta, x)) for x in d.x])
            self.J = np.stack([np.asarray(jacobian(self.theta, x)) for x in d.x])
            same = np.array_equal(self.student, self.theta)
            self.JS = self.J if same else np.stack([np.asarray(jacobian(self.student, x)) for x in d.x])
            self.z0, self.zS = self.f(self.theta), self.f(self.student)
            self.u, self.uS = self.J @ self.delta, self.JS @ self.delta
            self.v = np.stack([np.asarray(acceleration(self.theta, self.delta, x)) for x in d.x])
            self.w = np.asarray(d.outputs)
            self.share = np.asarray(d.weights)[:, None] / self.z0.shape[1] * np.ones(self.z0.shape[:2])
            self.grid = list(np.ndindex(*self.share.shape))
            self.known = {}
            self.y = {float(e): d.view.beside(self.f(self.theta + e * self.delta), self.w, self.z0) for e in d.eps}

    def at(self, loss, eps=None):
        """Loss derivatives per (example, position): at the student and y_ε, or at the match of θ0."""
        if (loss, eps) not in self.known:
            z, y, u = (self.z0, self.z0, self.u) if eps is None else (self.zS, self.y[float(eps)], self.uS)
            rows = (a.reshape(-1, a.shape[-1]) for a in (z, y, u))
            with float64():
                found = map(np.asarray, loss_derivatives(loss, *rows, self.w))
            self.known[loss, eps] = dict(zip(self.grid, zip(*found, strict=True), strict=True))
        return self.known[loss, eps]

    def update(self, loss, eps):
        """Δθ_S = −E Jᵀ ∂_z l, with the magnitude of what D(ε) and ‖Δθ_S‖ sum."""
        total, lost, size = np.zeros_like(self.delta), np.zeros_like(self.delta), 0.0
        y, found = self.y[float(eps)], self.at(loss, float(eps))
        for i in self.grid:
            slope, _, mixed, _ = found[i]
            total -= self.share[i] * self.JS[i].T @ slope
            off = np.abs(mixed) @ (np.abs(self.zS[i]) + np.abs(y[i]))
            size += self.share[i] * np.abs(self.uS[i]) @ (np.abs(slope) + off)
            lost += self.share[i] * np.abs(self.JS[i]).T @ (np.abs(slope) + off)
        return Update(total, size + np.sum(np.abs(total * self.delta)), np.linalg.norm(lost))

    def alignment(self, loss, eps):
        """D(ε) = Δθ_S · Δ."""
        update = self.update(loss, eps)
        return number(update.step @ self.delta, update.size)

    def ggn(self, loss):
        """G = E JᵀMJ, (P, P)."""
        G = np.zeros((self.delta.size,) * 2)
        for i in self.grid:
            M = self.at(loss)[i][1]
            G += self.share[i] * self.J[i].T @ M @ self.J[i]
        return G

    def ggn_delta(self, loss):
        """GΔ without the matrix G, for networks of more than a few hundred parameters."""
        parts = (self.share[i] * self.J[i].T @ (self.at(loss)[i][1] @ self.u[i]) for i in self.grid)
        return np.sum(list(parts), axis=0)

    def quadratic_form(self, loss):
        """q = E uᵀMu."""
        total = size = 0.0
        for i in self.grid:
            M = self.at(loss)[i][1]
            total += self.share[i] * self.u[i] @ M @ self.u[i]
            size += self.share[i] * np.abs(self.u[i]) @ np.abs(M) @ np.abs(self.u[i])
        return number(total, size)

    def second_order(self, loss):
        """h″(0) = −E [∂_y²∂_z l[u; u, u] + u · ∂_y∂_z l v]."""
        total = size = 0.0
        for i in self.grid:
            *_, mixed, cubic = self.at(loss)[i]
            total -= self.share[i] * (cubic + self.u[i] @ mixed @ self.v[i])
            size += self.share[i] * (abs(cubic) + np.abs(self.u[i]) @ np.abs(mixed) @ np.abs(self.v[i]))
        # A third derivative of a softmax sums terms of either sign of the size of u³.
        return number(total, size + np.sum(self.share[..., None] * self.w * np.abs(self.u) ** 3))

    def crossed(self, loss):
        """E J_Sᵀ M J_TΔ and its product with Δ, M = −∂_y∂_z l at the student's outputs and the teacher's."""
        rows = (a.reshape(-1, a.shape[-1]) for a in (self.zS, self.z0, self.u))
        with float64():
            *_, mixed, _ = map(np.asarray, loss_derivatives(loss, *rows, self.w))
        M = dict(zip(self.grid, -mixed, strict=True))
        update = sum(self.share[i] * self.JS[i].T @ (M[i] @ self.u[i]) for i in self.grid)
        size = sum(self.share[i] * np.abs(self.uS[i]) @ np.abs(M[i]) @ np.abs(self.u[i]) for i in self.grid)
        return update, number(update @ self.delta, size + np.sum(np.abs(update * self.delta)))

    def added(self, loss, eps):
        """[Δθ_S(ε) − Δθ_S(0)] · Δ; labels at ε = 0 are those of the teacher at θ0."""
        self.y[0.0] = self.d.view.labels(self.z0, self.w)
        update, control = self.update(loss, eps), self.update(loss, 0.0)
        return number((update.step - control.step) @ self.delta, update.size + control.size)

    def trait(self, theta):
        """L_T(θ)."""
        with float64():
            return float(trait_loss(self.d.network, self.d.trait, self.unravel(jnp.asarray(theta))))

    def trait_change(self, loss, alpha, eps):
        """L_T(θ0_S + αΔθ_S) − L_T(θ0_S)."""
        update = self.update(loss, eps)
        before, after = self.trait(self.student), self.trait(self.student + alpha * update.step)
        lost = abs(before) + abs(after) + np.abs(self.z0).max()
        return number(after - before, lost + abs(after - before) * update.size / abs(update.step @ self.delta))

    def ntk(self, other):
        """J1 J2ᵀ between this channel and another's, (N1, positions, V, N2, positions, V)."""
        return np.einsum("npvk,mqwk->npvmqw", self.J, other.J)
