"""A small network of a user's own, in float32, and a short `verify` of it."""

import jax.numpy as jnp
import numpy as np

import subtheory as st

RNG = np.random.default_rng(11)
X = RNG.standard_normal((8, 3)).astype(np.float32)
LABELS = np.arange(8) % 4
PARAMS = {
    "W": RNG.standard_normal((3, 5)).astype(np.float32),
    "V": RNG.standard_normal((5, 4)).astype(np.float32),
    "b": RNG.standard_normal(4).astype(np.float32),
}
TWO = ("alignment-is-ggn-form", "alignment-by-one-jvp")


def apply(params, x):
    return jnp.tanh(x @ params["W"]) @ params["V"] + params["b"]


def verify(model=apply, params=PARAMS, **changes):
    return st.verify(model, params, **{"trait": (X, LABELS), "channel": X, "claims": TWO, "seeds": 2,
                                       "loss": "squared-error", "examples": 4} | changes)  # fmt: skip
