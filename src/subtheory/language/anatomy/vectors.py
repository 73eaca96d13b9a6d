"""Teachers and students that train one vector, or one in each layer, added to what enters a layer.

Restricted alike, R, they have D = εΔ_RᵀG_RRΔ_R ≥ 0; a teacher that moved everything adds ε(Δ_R)·(GΔ)_R to such a
student, of either sign. Source: predictions P35 and P56.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from subtheory.language.anatomy import alignment
from subtheory.language.anatomy.layers import STACKED
from subtheory.language.anatomy.lesson import Lesson, Model
from subtheory.language.anatomy.rows import Row, blurred
from subtheory.language.derivatives import Read, jvp, moved, pull, values
from subtheory.language.traits import Trait
from subtheory.numerics import LADDER_RATIO
from subtheory.theory.losses import covariance
from subtheory.theory.network import Params

VECTOR = "steering"
DIVERGENCE = 1e-7
"""KL per token that sets a teacher's size; the larger one moves `LADDER_RATIO` as far."""


def steered(model: Model) -> Model:
    """The model with a vector in each layer, 0 at first."""
    network = replace(model.network, steered=True)
    zeros = jnp.zeros((network.layers, network.width), jax.tree.leaves(model.params)[0].dtype)
    return replace(model, network=network, params=_with(model.params, zeros))


def _with(params: Params, vectors: jax.Array) -> Params:
    return {**params, STACKED: {**params[STACKED], VECTOR: vectors}}


def vector_rows(model: Model, trait: Trait, lesson: Lesson, every: int) -> list[Row]:
    """Of all layers' vectors, of each `every`-th alone, and of a teacher that moved everything."""
    model = steered(model)
    network, params = model.network, model.params
    delta = jax.tree.map(jnp.negative, trait.gradient(network, params))
    vectors = delta[STACKED][VECTOR]
    nothing = jax.tree.map(jnp.zeros_like, params)
    z, velocity = jvp(network, params, delta, lesson.read)
    whole = {name: _quadratic(z, velocity, place) for name, place in lesson.places.items()}
    near = values(network, moved(params, _size(whole), delta), lesson.read)
    crossing = {name: _pulled(model, z, velocity, place, lesson.own(name)) for name, place in lesson.places.items()}
    del delta
    rows = []
    for label, which in _parts(len(vectors), every):
        own = vectors * which[:, None]
        z, u = jvp(network, params, _with(nothing, own), lesson.read)
        q = {name: _quadratic(z, u, place) for name, place in lesson.places.items()}
        ladder = [(_size(q) * scale) for scale in (LADDER_RATIO, 1.0)]
        labels = [values(network, moved(params, eps, _with(nothing, own)), lesson.read) for eps in ladder]
        for name, place in lesson.places.items():
            ratio = [
                alignment.mean(alignment.aligned(y, z, u), place) / (eps * q[name])
                for y, eps in zip(labels, ladder, strict=True)
            ]
            scale = (q[name] * whole[name]) ** 0.5
            rows.append(
                {
                    "vectors": label, "channel": name, "eps": ladder[1], "q": q[name], "ratio": ratio[1],
                    "ratio_before": ratio[0], "rounding": blurred(z) / (ladder[1] * q[name] ** 0.5),
                    "unmatched": alignment.mean(alignment.aligned(near, z, u), place) / (_size(whole) * scale),
                    "predicted_unmatched": float(np.sum(crossing[name] * np.asarray(own))) / scale,
                    "unmatched_over_matched": float(np.sum(crossing[name] * np.asarray(own))) / q[name],
                }
            )  # fmt: skip
        if label == "all":
            singles = {name: np.sum(crossing[name] * np.asarray(vectors), axis=1) for name in crossing}
    least = {name: float(np.min(each) / whole[name]) for name, each in singles.items()}
    return [row | {"least_unmatched": least[row["channel"]]} for row in rows]


def _parts(layers: int, every: int) -> list[tuple[str, jax.Array]]:
    places = jnp.arange(layers)
    single = [(str(i + 1), (places == i) * 1.0) for i in range(0, layers, every)]
    return [("all", jnp.ones(layers)), *single]


def _quadratic(z: jax.Array, u: jax.Array, place: slice) -> float:
    return alignment.mean(alignment.spread(z, u), place)


def _size(q: dict[str, float]) -> float:
    """ε with a mean KL over channels of `DIVERGENCE` a token, ½ε²q."""
    return float(np.sqrt(2 * DIVERGENCE / np.mean(list(q.values()))))


def _pulled(model: Model, z: jax.Array, u: jax.Array, place: slice, read: Read) -> np.ndarray:
    """(GΔ) in the vectors, (layers, width)."""
    bent = alignment.placed(covariance(jax.nn.softmax(z), u), place)
    return np.asarray(pull(model.network, model.params, bent, read)[STACKED][VECTOR])
