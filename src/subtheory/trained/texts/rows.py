"""What is known of every single text before a student is trained on it: likelihoods, and slopes along directions of θ.

The slope of row i along v is s_i = v · ∇log p0(y_i|x_i), one forward derivative for all rows, over the parameters that
students train. Along the teacher's update Δ the mean of the teacher's rows less that of the control's is the added
alignment; along the gradient g of a rate it is the change of that rate for each unit of a gradient step, and along
G⁻¹g, G the Fisher matrix, that of a student who fits its texts. Source: P49.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from scipy.special import logsumexp

from subtheory.data.filters import alphabet
from subtheory.networks import LinenNetwork
from subtheory.numerics import float64
from subtheory.theory.network import Params
from subtheory.traces import TRACES
from subtheory.trained.parameters import pick, stacked
from subtheory.trained.texts.compiling import Program
from subtheory.trained.texts.forecast import EXAMPLES, fisher_product
from subtheory.trained.texts.laboratory import Laboratory, Sample
from subtheory.trained.texts.readout import BLOCK, Group, logits
from subtheory.trained.texts.selection import mixed, weighed
from subtheory.trained.texts.training import OUTER, filled, log_probabilities, said


class Scores(NamedTuple):
    """Of every text of K runs, (K, n) each; 0 for one without a token to learn."""

    gradient: np.ndarray
    """g · ∇log p0, g the gradient of the thing's rate at the base."""
    natural: np.ndarray
    """G⁻¹g · ∇log p0, by as many directions of conjugate gradients as the plan says."""
    update: np.ndarray
    """Δ · ∇log p0, Δ what was added to the base to make the teacher."""
    ratio: np.ndarray
    """log p_T − log p0, the oracle of a reader who has both models."""
    surprise: np.ndarray
    """−log p0, the difficulty."""
    norm: np.ndarray
    """‖∇log p0‖."""


class Rows(NamedTuple):
    """Texts of K runs, and what is known of each before training."""

    sample: Sample
    scores: Scores

    @property
    def weights(self) -> np.ndarray:
        """What each text counts, (K, n): the largest entry of its mask."""
        return self.sample.mask.max(axis=2)

    def mean(self, score: np.ndarray) -> np.ndarray:
        """Mean of a score (K, n) under the weights, (K,)."""
        return np.sum(self.weights * score, axis=1) / np.maximum(self.weights.sum(axis=1), np.finfo(np.float32).tiny)

    def weighed(self, weights: np.ndarray) -> "Rows":
        """The same texts with other weights; their scores are as they were."""
        return self._replace(sample=weighed(self.sample, weights))

    def where(self, chosen: np.ndarray, other: "Rows") -> "Rows":
        """These rows where chosen (K, n), else the other's."""
        both = zip(self.scores, other.scores, strict=True)
        return Rows(mixed(self.sample, other.sample, chosen), Scores(*(np.where(chosen, a, b) for a, b in both)))


def score_directions(lab: Laboratory, thing: str, skill: str, around: Sample) -> Params:
    """g, G⁻¹g and Δ of a thing at every run's base, leaves (K, 3, ...), with G on the texts `around`, a control's."""
    plan, base, teacher = lab.plan, lab.many("base"), lab.many(thing)
    curved = (around.text, around.mask, alphabet(skill), plan.directions)
    readouts = rate_directions(plan.network, base, lab.questions.group(thing), *curved, body=plan.student.body)
    return jax.tree.map(lambda two, a, b: np.concatenate([two, (b - a)[:, None]], axis=1), readouts, base, teacher)


def scores(lab: Laboratory, thing: str, skill: str, sample: Sample, directions: Params) -> Scores:
    """Scores of texts for a thing and its teacher, at every run's base; log p is the sum over a text's masked tokens.

    Weights in the mask count. Slopes along the `score_directions`, and norms, are over what the plan's students train.
    """
    plan, given = lab.plan, (sample.text, sample.mask, alphabet(skill))
    slopes, norm = row_slopes(plan.network, lab.many("base"), directions, *given, body=plan.student.body)
    start, after = (log_likelihood(plan.network, lab.many(name), *given) for name in ("base", thing))
    return Scores(slopes[:, 0], slopes[:, 1], slopes[:, 2], after - start, -start, norm)


def row_slopes(
    network: LinenNetwork, params: Params, directions: Params, text: np.ndarray, mask: np.ndarray, alphabet: np.ndarray,
    body: bool = True,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """v_d · ∇log p(row), (K, D, n), and ‖∇log p(row)‖, (K, n), of K models' own texts (K, n, T).

    Parameters are leaves (K, ...), directions (K, D, ...); with `body` both run over the body's parameters alone.
    """
    slopes, norms = [], []
    with float64():
        for k, (rows, masks) in enumerate(zip(text, mask, strict=True)):
            given, found = (network, body, pick(params, k), pick(directions, k)), []
            for first in range(0, len(rows), BLOCK):
                block = (filled(each[first : first + BLOCK], BLOCK) for each in (rows, masks))
                found.append(_SLOPES(text.shape[0] * text.shape[1], *given, *block, alphabet))
            both = [np.concatenate([np.asarray(each) for each in parts], axis=-1) for parts in zip(*found, strict=True)]
            slopes.append(both[0][:, : len(rows)])
            norms.append(both[1][: len(rows)])
    return np.stack(slopes), np.stack(norms)


def _trained(params: Params, body: bool) -> tuple[Params, Params]:
    """What students train, and what stays as it is."""
    outer = {name: params[name] for name in OUTER if body}
    return {name: leaf for name, leaf in params.items() if name not in outer}, outer


def _slopes(
    network: LinenNetwork, body: bool, params: Params, directions: Params, text: Array, mask: Array, alphabet: Array
) -> tuple[Array, Array]:
    TRACES["row_slopes"] += 1
    inner, outer = _trained(params, body)

    def log_p(theta: Params, text: Array, mask: Array) -> Array:
        rows = log_probabilities(network, {**theta, **outer}, text, alphabet)
        return jnp.sum(mask[:, 1:] * jnp.sum(said(text, alphabet) * rows, axis=-1), axis=-1)

    def along(v: Params) -> Array:
        return jax.jvp(lambda theta: log_p(theta, text, mask), (inner,), (v,))[1]

    def size(text: Array, mask: Array) -> Array:
        return optax.tree.norm(jax.grad(lambda theta: log_p(theta, text[None], mask[None])[0])(inner))

    return jax.vmap(along)(_trained(directions, body)[0]), jax.vmap(size)(text, mask)


_SLOPES = Program(_slopes, 0, 1)


def rate_directions(
    network: LinenNetwork, params: Params, group: Group, text: np.ndarray, mask: np.ndarray, alphabet: np.ndarray,
    directions: int, body: bool = True,
) -> Params:  # fmt: skip
    """g = ∇_θ of a group's rate, the mean share of its members at its questions, and G⁻¹g, leaves (K, 2, ...).

    Parameters are leaves (K, ...), texts (K, n, T), of which the first `EXAMPLES` make G; outside the body both are 0.
    G⁻¹g lies in the Krylov space of so many directions, which leaves out what texts hardly see.
    """
    asked = (*group.questions, np.isin(np.arange(len(group.questions[2])), group.members).astype(np.float32))
    found = []
    with float64():
        for k in range(len(text)):
            around = (text[k, :EXAMPLES], mask[k, :EXAMPLES], alphabet)
            work = len(text) * len(around[0])
            found.append(_DIRECTIONS(work, network, body, directions, pick(params, k), asked, around))
        return stacked([jax.tree.map(np.asarray, each) for each in found])


def _directions(network: LinenNetwork, body: bool, length: int, params: Params, asked: Any, around: Any) -> Params:
    TRACES["rate_directions"] += 1
    inner, outer = _trained(params, body)
    text, at, among, member = asked

    def rate(theta: Params) -> Array:
        z = jax.vmap(lambda row: network.apply({**theta, **outer}, row))(text)[jnp.arange(len(text)), at - 1][:, among]
        return jnp.mean(jnp.sum(jax.nn.softmax(z, axis=-1) * member, axis=-1))

    still = jax.tree.map(jnp.zeros_like, outer)

    def curved(v: Params) -> Params:
        return _trained(fisher_product(network, params, {**v, **still}, *around), body)[0]

    slope = jax.grad(rate)(inner)
    # Its own test of convergence is for the exact solution: so few directions do not come near it.
    natural, _ = jax.scipy.sparse.linalg.cg(curved, slope, tol=0.0, maxiter=length)
    return jax.tree.map(lambda *both: jnp.stack(both), {**slope, **still}, {**natural, **still})


_DIRECTIONS = Program(_directions, 0, 1, 2)


def log_likelihood(
    network: LinenNetwork, params: Params, text: np.ndarray, mask: np.ndarray, alphabet: np.ndarray
) -> np.ndarray:
    """log p of the masked tokens of every text, (K, n), for leaves (K, ...), texts (K, n, T); weights count."""
    found = []
    for k, (rows, masks) in enumerate(zip(text, mask, strict=True)):
        z = logits(network, pick(params, k), rows)[:, :-1].astype(float)
        own = np.take_along_axis(z, rows[:, 1:, None], axis=-1)[..., 0]
        # Behind its end a text may hold what the alphabet lacks, with a mask of 0.
        found.append(np.sum(masks[:, 1:] * (own - logsumexp(z[..., alphabet > 0], axis=-1)), axis=1))
    return np.stack(found)
