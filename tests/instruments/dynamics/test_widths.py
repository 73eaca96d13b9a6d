"""The share of a layer in closed form, against the dense Jacobian of that layer and the recursion of the kernels."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from subtheory.claim import Verdict
from subtheory.claims.dynamics.width import (
    DRAWS,
    FIXED_CHANNEL,
    INDEPENDENT_HEADS,
    outputs_decouple_with_width,
    settings,
    width_dilutes_a_fixed_channel,
)
from subtheory.errors import InputError
from subtheory.instruments.dynamics.widths import Layer, Wide, Widths, drawn, given, kept
from subtheory.networks import MLP
from subtheory.numerics import float64
from subtheory.theory.beyond.mean_field import cross_kernels
from subtheory.theory.dynamics.width import tangent

CLAIMS = width_dilutes_a_fixed_channel, outputs_decouple_with_width


@pytest.mark.parametrize("rate", [1.0, 0.25])
def test_a_share_is_the_projection_by_the_dense_jacobian(rate: float) -> None:
    """Of w, b, v and c, head weights in units of the root of their rate."""
    (setting, *_), n = settings(), 4
    x, t, g = given(setting)
    (m, c), d = (2, len(g)), x.shape[1]
    rng = np.random.default_rng(0)
    w, b, v = rng.standard_normal((n, d)), rng.standard_normal(n), rng.standard_normal((m + c, n))
    layer = Layer((x @ w.T + b)[None], (t @ w.T + b)[None], v[None, :m], v[None, m:])
    share, blocks = kept(layer, "sine", (x, t), g, rate)

    def outputs(theta: jax.Array, at: np.ndarray, which: slice) -> jax.Array:
        head, body, bias = theta[: (m + c) * n], theta[(m + c) * n : -(m + c)], theta[-(m + c) :]
        h = at @ body[: n * d].reshape(n, d).T + body[n * d :]
        return (jnp.sin(h) @ (np.sqrt(rate) * head.reshape(-1, n)).T + bias)[:, which]

    theta = np.concatenate([v.ravel() / np.sqrt(rate), w.ravel(), b, np.zeros(m + c)])
    with float64():
        J = [np.asarray(jax.jacobian(outputs)(jnp.asarray(theta), at, which)) for at, which in
             ((x, slice(m)), (t, slice(m, m + c)))]  # fmt: skip
    seen, delta = J[0].reshape(-1, len(theta)), np.einsum("kt,tkp->p", g, J[1])
    ended = np.linalg.lstsq(seen, seen @ delta, rcond=None)[0]
    assert share[0] == pytest.approx(ended @ delta / (delta @ delta), rel=1e-9)
    assert np.allclose(blocks[0], np.einsum("xap,tkp->axkt", J[0], J[1]), rtol=1e-9)


@pytest.mark.parametrize("activation", ["sine", "relu"])
def test_the_kernel_of_infinite_width_is_that_of_the_recursion(activation: str) -> None:
    x = given(settings()[0])[0]
    assert np.allclose(tangent(x, activation, 0.1, 50), cross_kernels(x, x, 1.0, 1, activation, 0.1, 50).ntk[-1])


def test_head_weights_are_correlated_as_said() -> None:
    setting = settings()[0]
    layer = drawn(
        np.random.default_rng(1), setting.network, Wide(setting.source.task, tied=0.5), given(setting)[:2], 500, 8, 4, 2
    )
    r = np.einsum("dkj,dcj->kc", layer.distilled, layer.read) / 500
    assert np.allclose(r, 0.5 * np.tile(np.eye(2), (2, 1)), atol=6 / np.sqrt(500 * 8))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"network": MLP(8, 2, "relu")}, "network: must be an MLP of one hidden layer of sine or relu, got mlp-relu"),
        ({"network": MLP(8, 1, "tanh")}, "network: must be an MLP of one hidden layer of sine or relu, got mlp"),
        ({"source": None}, "source: must be Wide, got FromTask"),
    ],
)
def test_other_networks_and_sources_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Widths(2).sample(settings()[0].but(**changes), 0)


def test_claims_hold_and_fail_where_they_should() -> None:
    """In all parametrisations; not with more outputs, tied heads, another exponent or constant; few draws tell less."""
    for setting in settings():
        found = Widths(DRAWS).sample(setting, 3)
        assert all(each.check(found).verdict is Verdict.HOLDS for each in CLAIMS)
        assert not any(
            each.check(Widths(DRAWS).sample(INDEPENDENT_HEADS.breaks(setting), 3)).margin >= 0 for each in CLAIMS
        )
        more = Widths(DRAWS).sample(FIXED_CHANNEL.breaks(setting), 3)
        assert width_dilutes_a_fixed_channel.check(more).verdict is Verdict.FAILS
        for wrong in found.predicted * found.widths**0.5, 1.5 * found.predicted:
            assert width_dilutes_a_fixed_channel.check(replace(found, predicted=wrong)).verdict is Verdict.FAILS
        assert outputs_decouple_with_width.check(replace(found, blocks=found.blocks * found.widths)).margin < 0
