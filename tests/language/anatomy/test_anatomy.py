"""What is said of a language model's alignment, layers and words, beside slower definitions."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np

from subtheory.language import derivatives
from subtheory.language.anatomy import alignment, layers, lesson, signs, students
from subtheory.language.derivatives import TaylorModel
from subtheory.language.texts import Texts
from subtheory.language.traits import Contrast, Trait
from subtheory.networks import Llama
from subtheory.numerics import float64

NET = Llama(vocabulary=11)
TOKENS = np.arange(24, dtype=np.int32).reshape(4, 6) % 11
TAUGHT = lesson.Lesson(
    derivatives.Read.of(Texts(TOKENS, np.ones((4, 6)) * (np.arange(6) > 0))), {"a": slice(0, 10), "b": slice(10, 20)}
)


@cache
def drawn(seed: int) -> dict:
    with float64():
        return jax.tree.map(np.asarray, jax.jit(NET.init)(jax.random.key(seed)))


def test_a_channel_alone_reads_what_it_reads_among_others():
    with float64():
        whole = derivatives.values(NET, drawn(0), TAUGHT.read)
        for name, place in TAUGHT.places.items():
            np.testing.assert_allclose(derivatives.values(NET, drawn(0), TAUGHT.own(name)), whole[place], atol=1e-13)


def test_the_expansion_is_that_of_the_probabilities():
    """p′ and p″ beside autodiff, and both orders of D for a student of its own velocity and of another one."""
    rng = np.random.default_rng(0)
    with float64():
        z, u, v, other = (jnp.asarray(rng.normal(size=(3, 5))) for _ in range(4))
        along = lambda t: jax.nn.softmax(z + t * u + t**2 * v / 2)  # noqa: E731
        first, second = alignment.turned(TaylorModel(z, u, v))
        np.testing.assert_allclose(first, jax.jacfwd(along)(0.0), atol=1e-12)
        np.testing.assert_allclose(second, jax.jacfwd(jax.jacfwd(along))(0.0), atol=1e-12)
        own, crossed = alignment.expected(TaylorModel(z, u, v)), alignment.crossed(TaylorModel(z, u, v), other)
        for found, velocity in ((own, u), (crossed, other)):
            np.testing.assert_allclose(found, [jnp.sum(each * velocity, -1) for each in (first, second)], atol=1e-12)
        exact = jnp.sum((jax.nn.softmax(z + u) - along(0.0)) * other, -1)
        np.testing.assert_allclose(alignment.aligned(z + u, z, other), exact, atol=1e-12)


def test_layers_add_up_and_steps_of_all_are_the_step():
    theta, delta = drawn(0), drawn(1)
    with float64():
        parts = layers.inner(theta, delta)
        assert len(parts) == len(layers.names(theta)) == NET.layers + 2
        np.testing.assert_allclose(parts.sum(), derivatives.inner(theta, delta), rtol=1e-12)
        whole = layers.moved(theta, 0.1, delta, jnp.ones(len(parts)))
        off = jax.tree.map(lambda a, b: np.abs(a - b).max(), whole, derivatives.moved(theta, 0.1, delta))
        assert max(jax.tree.leaves(off)) < 1e-15
        for i, part in enumerate(parts):
            step = layers.moved(jax.tree.map(jnp.zeros_like, theta), 1.0, delta, jnp.arange(len(parts)) == i)
            np.testing.assert_allclose(derivatives.inner(theta, step), part, rtol=1e-12)


def test_words_move_by_their_slopes():
    trait, h = Trait(TAUGHT.read, Contrast(np.array([3]), np.array([1, 3, 4]))), 1e-5
    with float64():
        ends = [students.said(NET, derivatives.moved(drawn(0), t, drawn(1)), trait).log_share for t in (-h, h)]
        slopes = students.slopes(NET, drawn(0), drawn(1), trait)
        np.testing.assert_allclose(slopes, (ends[1] - ends[0]) / (2 * h), rtol=1e-6)
        said = students.said(NET, drawn(0), trait)
        np.testing.assert_allclose(said.log_share[students.wanted(trait)], -trait.value(NET, drawn(0)), rtol=1e-12)
        assert np.all(said.probability < said.share)


def test_noise_has_the_size_of_each_leaf():
    model = lesson.Model(NET, drawn(0), None, 1.0)
    size = lambda a: np.sqrt(np.mean(np.square(a)))  # noqa: E731
    with float64():
        far, near = lesson.other_weights(model, 0), lesson.other_weights(model, 0, 0.1, kept=True)
        for theta, other, noisy in zip(*map(jax.tree.leaves, (model.params, far, near)), strict=True):
            assert abs(size(other) / size(theta) - 1) < 5 / np.sqrt(2 * theta.size)
            np.testing.assert_allclose(noisy, theta + 0.1 * other, rtol=1e-12)


def test_a_spelling_model_has_the_logits_of_the_whole_one():
    with float64():
        whole, _, _, teacher = lesson.taught("tiny", "owl")
        model, _ = signs.spelling(whole, teacher)
        x = np.arange(6)[::-1].copy()
        tokens = [whole.tokenizer.encode(letter)[0] for letter in signs.ALPHABET]
        z = whole.network.apply(whole.params, jnp.asarray(tokens)[x])[:, jnp.asarray(tokens)]
        np.testing.assert_allclose(model.network.apply(model.params, x), z, atol=1e-12)


def test_scores_of_sequences_are_the_slopes_of_their_log_likelihoods():
    """Summed over a list's own tokens."""
    with float64():
        whole, _, _, teacher = lesson.taught("tiny", "owl")
        model, teacher = signs.spelling(whole, teacher)
        texts, h = signs.sampled(model, teacher, 0.0, 3, 4, 0), 1e-6
        said = texts.tokens[texts.mask > 0]
        assert len(said) == 12 and said.min() >= 0

        def likelihoods(eps):
            theta = derivatives.moved(model.params, eps, teacher.delta)
            z = derivatives.values(model.network, theta, derivatives.Read.of(texts))
            return jax.nn.log_softmax(z)[jnp.arange(12), said].reshape(3, 4).sum(1)

        found = signs.sequences(model, teacher, texts)
        np.testing.assert_allclose(found.score, (likelihoods(h) - likelihoods(-h)) / (2 * h), rtol=1e-5)
        assert np.all(found.information > 0) and signs.curvatures(model, teacher, texts).shape == (3,)
