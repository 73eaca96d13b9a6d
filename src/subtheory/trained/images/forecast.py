"""What one step of theory says of a trained teacher: its displacement, through the control-subtracted cross-kernel."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from subtheory.networks import LinenNetwork
from subtheory.numerics import float64, to_numpy, widen
from subtheory.theory.beyond.cross_kernel import mixed_hessian
from subtheory.theory.distillation import outputs
from subtheory.theory.network import Params
from subtheory.trained.images.workload import Workload

EXAMPLES = 256
"""Rows of the noise over which the expectation is taken: the first ones that the students see."""


class OneStep(NamedTuple):
    """First order in Δ = θ_T − θ0 of a plain, full-expectation step of every student; (K, A) each."""

    kernel: np.ndarray
    """E[(J_SΔ)ᵀ M (J_TΔ)], the control-subtracted alignment with Δ; NaN for students with parameters of their own."""
    functional_cosine: np.ndarray
    """E[(J_SΔ_S)ᵀ M (J_TΔ)]/√(E[(J_SΔ_S)ᵀ M (J_SΔ_S)] E[(J_TΔ)ᵀ M (J_TΔ)]), Δ_S what the student would learn itself."""


def one_step(
    workload: Workload, theta0: Params, teachers: Params, students: Params, learned: Params, keys: Array,
    teacher_network: LinenNetwork | None = None, examples: int = EXAMPLES,
) -> OneStep:  # fmt: skip
    """Cross-kernel and functional cosine of students (K, A, ...) with teachers (K, ...) that began at θ0 (K, ...).

    `learned` (K, A, ...) is where the students would arrive if the trait itself were taught to them as it was to
    their teacher, Δ_S = learned − students. What the teacher's update adds to a student's step lies along Δ_S by
    ε E[(J_SΔ_S)ᵀ M (J_TΔ)], by the proof of P18 for any direction. `kernel` compares parameters, so that it depends
    on how hidden units are numbered; `functional_cosine` compares functions, is 1 at a shared init and at a
    permuted one, and is defined for another architecture. M is taken at the teacher's init, as forward KL and squared
    error do.
    """
    with float64():
        arrays = widen((theta0, teachers, students, learned))
        return OneStep(*to_numpy(_one_step(workload, teacher_network, examples, *arrays, keys)))


@partial(jax.jit, static_argnums=(0, 1, 2))
def _one_step(
    workload: Workload, origin: LinenNetwork | None, examples: int,
    theta0: Params, teachers: Params, students: Params, learned: Params, keys: Array,
) -> tuple[Array, Array]:  # fmt: skip
    w = jnp.asarray(workload.weights(workload.outputs), jnp.float64)

    def group(each: tuple[Params, Params, Params, Params, Array]) -> tuple[Array, Array]:
        start, theta_T, inits, ends, key = each
        x = workload.noise(key, jnp.arange(examples))

        def velocity(network: LinenNetwork, params: Params, along: Params) -> tuple[Array, Array]:
            return jax.jvp(lambda theta: outputs(network, theta, x), (params,), (along,))

        delta = optax.tree.sub(theta_T, start)
        y, u_T = velocity(origin or workload.network, start, delta)
        pulled = workload.loss.hessian(y, u_T, w)

        def student(pair: tuple[Params, Params]) -> tuple[Array, Array]:
            init, end = pair
            z, u_S = velocity(workload.network, init, optax.tree.sub(end, init))
            own = jnp.sum(u_S * workload.loss.hessian(y, u_S, w))
            cosine = jnp.sum(u_S * pulled) / jnp.sqrt(own * jnp.sum(u_T * pulled))
            if origin:
                return jnp.full((), jnp.nan), cosine
            z, u = velocity(workload.network, init, delta)
            return jnp.sum(u * mixed_hessian(workload.loss, z, y, u_T, w)) / examples, cosine

        return jax.lax.map(student, (inits, ends))

    return jax.lax.map(group, (theta0, teachers, students, learned, keys))
