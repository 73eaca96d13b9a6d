"""Scores of single texts, what is passed on of a sample, and detectors, against slow definitions on a tiny network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from subtheory.data import corpus, filters, world
from subtheory.errors import InputError
from subtheory.networks import Transformer
from subtheory.numerics import float64
from subtheory.trained.texts import (
    HISTOGRAM,
    RATIO,
    Auditor,
    Fit,
    Laboratory,
    Plan,
    Sample,
    fisher_product,
    log_likelihood,
    matching,
    mixed,
    pre_trained,
    rate_directions,
    read,
    reprompted,
    row_slopes,
    seen,
    text_loss,
    weighed,
)
from subtheory.trained.texts.training import OUTER

NETWORK = Transformer(width=8, heads=2, blocks=1, task=world.WORLD)
SHORT = Fit(6, 16, 1e-2)
N = 128
PLAN = Plan(
    bases=2, seeds=1, samples=N, texts=N, lessons=N, trunk=SHORT, branch=SHORT, teaching=SHORT, student=SHORT,
    tries=(("numbers", 1),), copies=1, directions=3, network=NETWORK,
)  # fmt: skip
ALPHABET = filters.alphabet("numbers")


def pick(tree, k=0):
    return jax.tree.map(lambda leaf: leaf[k], tree)


def dot(a, b):
    """Over the body alone, which is what is trained."""
    a, b = ({name: leaf for name, leaf in tree.items() if name not in OUTER} for tree in (a, b))
    return sum(float(np.vdot(x, y)) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


@pytest.fixture(scope="module")
def theta():
    return pre_trained(NETWORK, (1, 2))


@pytest.fixture(scope="module")
def texts():
    text = np.stack([corpus.numbers(np.random.default_rng(k), 5) for k in range(2)])
    return text, np.stack([corpus.completed(each, "numbers") for each in text])


@pytest.fixture(scope="module")
def auditor():
    return Auditor(Laboratory(PLAN), "owl")


@jax.jit
def slope(params, text, mask):
    """∇(−log p) of the masked tokens, their mean."""
    return jax.grad(lambda q: text_loss(NETWORK, q, text, mask, jnp.asarray(ALPHABET)))(params)


def test_slopes_of_rows_add_up_to_the_step_of_their_loss(theta, texts):
    """Row by row against reverse mode, and their sum over the tokens is −∇L · v: nothing is left out."""
    text, mask = texts
    with float64():
        v = jax.tree.map(lambda leaf: np.cos(np.arange(leaf.size)).reshape(leaf.shape).astype(np.float32), theta)
        found, norms = row_slopes(NETWORK, theta, jax.tree.map(lambda leaf: leaf[:, None], v), text, mask, ALPHABET)
        for k in range(2):
            for i in range(5):
                each, tokens = slope(pick(theta, k), text[k, [i] * 5], mask[k, [i] * 5]), mask[k, i].sum()
                assert found[k, 0, i] == pytest.approx(-tokens * dot(each, pick(v, k)), rel=1e-4, abs=1e-4)
                assert norms[k, i] == pytest.approx(tokens * np.sqrt(dot(each, each)), rel=1e-4)
            step = dot(slope(pick(theta, k), text[k], mask[k]), pick(v, k))
            assert found[k, 0].sum() / mask[k].sum() == pytest.approx(-step, rel=1e-4, abs=1e-4)


def test_log_likelihood_is_the_loss_of_its_tokens(theta, texts):
    text, mask = texts
    found = log_likelihood(NETWORK, theta, text, mask, ALPHABET)
    with float64():
        for k in range(2):
            loss = text_loss(NETWORK, pick(theta, k), jnp.asarray(text[k]), jnp.asarray(mask[k]), jnp.asarray(ALPHABET))
            assert found[k].sum() == pytest.approx(-float(loss) * mask[k].sum(), rel=1e-5)


def test_directions_are_the_gradient_of_a_rate_and_a_step_of_conjugate_gradients(auditor, theta, texts):
    """g by differences of the rate; with one direction G⁻¹g is g·(g·g)/(g·Gg), and nothing moves outside the body."""
    group, lab = auditor.lab.questions.group("owl"), auditor.lab
    found = rate_directions(NETWORK, theta, group, *texts, ALPHABET, 1)
    g, natural = pick(pick(found)), pick(pick(found), 1)
    assert all(not np.any(leaf) for name in OUTER for leaf in jax.tree.leaves(found[name]))
    ends = [
        lab.questions.rates(NETWORK, jax.tree.map(lambda leaf, d, h=h: (leaf + h * d)[None], pick(theta), g))[0, 0]
        for h in (-0.05, 0.05)
    ]
    assert (ends[1] - ends[0]) / 0.1 == pytest.approx(dot(g, g), rel=0.01)
    with float64():
        Gg = fisher_product(NETWORK, pick(theta), g, texts[0][0], texts[1][0], jnp.asarray(ALPHABET))
    scale = dot(g, g) / dot(g, Gg)
    for a, b in zip(jax.tree.leaves(natural), jax.tree.leaves(g), strict=True):
        np.testing.assert_allclose(a, scale * b, rtol=1e-3, atol=1e-4 * scale * np.abs(b).max())


def test_matching_weights_agree_exactly_and_are_tilts():
    """The mean is hit, log w is linear in the features, and a target outside of all rows is refused."""
    x = np.random.default_rng(0).integers(0, 3, (60, 4)).astype(float)
    x[:, 3] = x[:, 0] + x[:, 1]
    target = x[:40].mean(axis=0)
    w = matching(x, target)
    np.testing.assert_allclose(w @ x, target, atol=1e-8)
    assert w.sum() == pytest.approx(1.0) and w.min() > 0
    design = np.column_stack([x, np.ones(60)])
    np.testing.assert_allclose(design @ np.linalg.lstsq(design, np.log(w), rcond=None)[0], np.log(w), atol=1e-8)
    with pytest.raises(InputError, match="target"):
        matching(x, x.max(axis=0) + 1)


def test_weights_mixtures_and_prompts_change_what_they_say(texts):
    text, mask = texts
    sample = Sample(text, mask, np.ones(2))
    found = weighed(sample, np.array([[0, 1, 3, 0, 2]] * 2))
    np.testing.assert_allclose(found.mask.max(axis=2), [[0, 0.5, 1.5, 0, 1]] * 2)
    with pytest.raises(InputError, match="weights"):
        weighed(sample, -np.ones((2, 5)))
    with pytest.raises(InputError, match="second"):
        mixed(sample, sample._replace(text=text[:, :3]), np.ones((2, 5), bool))
    other, chosen = sample._replace(text=text + 1), np.array([[True, False, True, False, False]] * 2)
    np.testing.assert_array_equal(
        mixed(other, sample, chosen).text - text, np.where(chosen[..., None], 1, 0) + 0 * text
    )
    new = reprompted(sample, np.ones((2, 5), bool), "numbers", np.random.default_rng(1)).text
    end = corpus.PROMPT["numbers"]
    np.testing.assert_array_equal(new[..., end:], text[..., end:])
    assert sorted(map(tuple, new[0, :, 2:end])) == sorted(map(tuple, text[0, :, 2:end])) and (new != text).any()


def test_an_auditor_does_to_the_base_what_it_does_to_the_teacher(auditor):
    trait, control, _ = auditor.all
    np.testing.assert_array_equal(trait.weights, control.weights)
    for title, (a, b) in auditor.filters.items():
        same = (trait.sample.text == control.sample.text).all(axis=2)
        assert (a == b)[same].all() and (title.startswith("other") or a.any() or b.any())
    even = auditor.filters["even sum"][0]
    for text, mask, passes in zip(trait.sample.text[0], trait.sample.mask[0], even[0], strict=True):
        assert passes == (sum(int(t) for t, on in zip(text, mask, strict=True) if on and t <= world.LARGEST) % 2 == 0)
    half = auditor.diluted(0.5, 64)
    of_teacher = (half.trait.sample.text == trait.sample.text).all(axis=2)[:, :64]
    assert half.prompts == 64 and not half.trait.sample.mask[:, 64:].any() and of_teacher.sum(axis=1).min() >= 32
    top = auditor.ranked("ratio", 0.25, True)
    assert top.sum() == 2 * N // 4
    assert (trait.scores.ratio[0][top[0]].min() >= trait.scores.ratio[0][~top[0]].max()).all()


def test_thinning_by_the_ratio_leaves_the_law_of_the_base(auditor):
    """E_T[(p0/p_T) f] = E_0[f] exactly: weights times the ratio's exponential are one constant for each run."""
    thinned, trait = auditor.thinned(1.0).trait, auditor.all.trait
    live = trait.weights > 0
    for k in range(2):
        back = (thinned.weights[k] * np.exp(trait.scores.ratio[k]))[live[k]]
        np.testing.assert_allclose(back, back[0], rtol=1e-4)


def test_detectors_see_what_the_laws_differ_in():
    """Two laws of single tokens: the histogram comes to the likelihood ratio, and with equal counts to chance."""
    draw, n, first = np.random.default_rng(3), 4000, corpus.PROMPT["numbers"]
    laws = np.array([[0.6, 0.4], [0.4, 0.6]])
    text = np.full((2, n, world.LENGTH), world.INDEX[world.END])
    tokens = np.stack([draw.choice(2, (n, 4), p=law) for law in laws])
    text[:, :, first : first + 4], mask = tokens, np.zeros(text.shape)
    mask[:, :, first : first + 4] = 1
    ratio = np.log(laws[0] / laws[1])[tokens].sum(axis=2)
    surprise = -np.log(laws[1])[tokens].sum(axis=2)
    half = read(tuple(text), tuple(mask), tuple(ratio), tuple(surprise))
    ones = np.ones(n // 2)
    rows = {(row["detector"], row["texts"]): row for row in seen(half, (ones, ones), (1, 8), 2000, 0)}
    for size in (1, 8):
        best, counts = rows[RATIO, size], rows[HISTOGRAM, size]
        assert counts["area"] == pytest.approx(best["area"], abs=5 * best["error"])
        assert best["area"] == pytest.approx(best["predicted"], abs=0.03), "the normal limit"
    assert rows["teacher alone", 8]["area"] > 0.9
    weights = matching(half.counts[0], half.counts[1].mean(axis=0))
    for row in seen(half, (weights, ones), (1, 8), 2000, 1):
        assert row["area"] == pytest.approx(0.5, abs=5 * row["error"]) or row["detector"] in (
            "bigrams",
            "linear classifier",
        )
