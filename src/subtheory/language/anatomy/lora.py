"""What a student that trains B of W + BA alone keeps of a step, in all matrices of all layers, by rank.

Of a stacked kernel K = Wᵀ (layers, in, out) teacher and student moved by Δ and εV, V = GΔ, and A is r × in with entries
N(0, 1/r). To first order the student's step is εAᵀAV in K, and D/ε = Σ tr(AΔVᵀAᵀ) = Σλ_iχ²_r/r with λ the eigenvalues
of all S = (ΔVᵀ + VΔᵀ)/2: `theory.dynamics.adapters`, of which this is the same in stacked kernels. Source: predictions
P34 and P55.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.language.anatomy.layers import STACKED
from subtheory.theory.network import Params

Kernels = dict[str, Any]
"""Kernels by path, (layers, in, out) each."""


def kernels(params: Params) -> Kernels:
    """The matrices of the layers."""
    found = jax.tree_util.tree_leaves_with_path(params[STACKED])
    return {jax.tree_util.keystr(path): leaf for path, leaf in found if leaf.ndim == 3}


@jax.jit
def products(delta: Kernels, pulled: Kernels) -> Kernels:
    """ΔVᵀ, (layers, in, in) each."""
    return {name: jnp.einsum("lio,ljo->lij", delta[name], pulled[name]) for name in delta}


def eigenvalues(product: Kernels) -> np.ndarray:
    """λ of S of all matrices, (n,)."""
    each = [np.linalg.eigvalsh((one + one.T) / 2) for C in product.values() for one in np.asarray(C, float)]
    return np.concatenate(each)


def factors(key: Array, like: Kernels, rank: int) -> Kernels:
    """A of every matrix, (layers, r, in) each."""
    return {
        name: jax.random.normal(jax.random.fold_in(key, i), (C.shape[0], rank, C.shape[1]), C.dtype) / rank**0.5
        for i, (name, C) in enumerate(like.items())
    }


@partial(jax.jit, static_argnums=2)
def aligned(product: Kernels, key: Array, rank: int) -> Array:
    """D/ε of one draw of A, Σ tr(AΔVᵀAᵀ)."""
    A = factors(key, product, rank)
    each = [jnp.sum(jnp.einsum("lri,lij->lrj", A[n], C) * A[n], dtype=jnp.float64) for n, C in product.items()]
    return jnp.sum(jnp.stack(each))


@partial(jax.jit, static_argnums=4)
def stepped(params: Params, alpha: Any, step: Params, key: Array, rank: int) -> Params:
    """θ with K + αAᵀAV in every matrix and nothing moved elsewhere, V the step of a full student; rank 0: K + αV."""
    V = kernels(step)
    A = factors(key, V, rank) if rank else {}

    def one(path: Any, leaf: Array) -> Array:
        name = jax.tree_util.keystr(path)
        if name not in V:
            return leaf
        move = jnp.einsum("lri,lrj,ljo->lio", A[name], A[name], V[name], optimize=True) if rank else V[name]
        return leaf + jnp.asarray(alpha, leaf.dtype) * move

    return {**params, STACKED: jax.tree_util.tree_map_with_path(one, params[STACKED])}
