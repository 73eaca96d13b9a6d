"""Language models: losses, sampling and predictions against independent computations on one tiny network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from subtheory import records
from subtheory.data import corpus, filters, world
from subtheory.errors import InputError
from subtheory.networks import Transformer
from subtheory.numerics import float64
from subtheory.trained.texts import (
    THINGS,
    Fit,
    Laboratory,
    Plan,
    Questions,
    channel_kl,
    column,
    fisher_product,
    fit,
    in_context,
    lesson,
    pre_trained,
    predicted,
    responses,
    sample,
    shuffled,
    soft_loss,
    text_loss,
)
from subtheory.trained.texts.training import OUTER

NETWORK = Transformer(width=8, heads=2, blocks=1, task=world.WORLD)
SHORT = Fit(6, 16, 1e-2)
N = 128
PLAN = Plan(
    bases=3, seeds=1, samples=N, texts=N, lessons=N, trunk=SHORT, branch=SHORT, teaching=SHORT, student=SHORT,
    tries=(("numbers", 1),), network=NETWORK,
)  # fmt: skip
ALPHABET = filters.alphabet("numbers")


def rng(seed=0):
    return np.random.default_rng(seed)


def pick(tree, k=0):
    return jax.tree.map(lambda leaf: leaf[k], tree)


@pytest.fixture(scope="module")
def theta():
    return pre_trained(NETWORK, (1, 2, 3))


@pytest.fixture(scope="module")
def texts():
    text = corpus.numbers(rng(), N)
    return text, corpus.completed(text, "numbers")


@pytest.fixture(scope="module")
def fitted(theta, texts):
    """The body of three models after six steps, each on the same texts."""
    text, mask = (np.stack([each] * 3) for each in texts)
    rows = np.stack([SHORT.rows(seed, N) for seed in (1, 1, 2)])
    same = jax.tree.map(lambda leaf: np.stack([leaf[0], leaf[0], leaf[0]]), theta)
    return same, fit(NETWORK, SHORT, same, text, mask, ALPHABET, rows)


@pytest.fixture(scope="module")
def laboratory():
    return Laboratory(PLAN)


@jax.jit
def _logits(params, text):
    return jax.vmap(lambda row: NETWORK.apply(params, row))(text)


def logits(params, text):
    """Of every next token, float64 in NumPy."""
    with float64():
        return np.asarray(_logits(params, jnp.asarray(text)), np.float64)


def odds(params, text):
    """log p of every next token over the numbers' alphabet, in NumPy; the rest stays as it is."""
    z, allowed = logits(params, text), ALPHABET > 0
    return z - np.log(np.exp(z[..., allowed]).sum(-1, keepdims=True))


def wide(params):
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), params)


@jax.jit
def nll(params, text, mask):
    """−log p of the masked tokens and its gradient; one program for all tests."""
    return jax.value_and_grad(lambda q: text_loss(NETWORK, q, text, mask, jnp.asarray(ALPHABET)))(params)


product = jax.jit(lambda params, v, text, mask: fisher_product(NETWORK, params, v, text, mask, jnp.asarray(ALPHABET)))


def test_losses_are_their_formulas(theta, texts):
    text, mask = texts
    allowed, (row, at) = ALPHABET > 0, np.nonzero(mask)
    a, b = (odds(pick(theta, k), text)[row, at - 1] for k in (0, 1))
    with float64():
        value, _ = nll(wide(pick(theta)), text, mask)
    assert float(value) == pytest.approx(-a[np.arange(len(row)), text[row, at]].mean(), rel=1e-5)
    kl = np.sum(np.exp(b[:, allowed]) * (b - a)[:, allowed], axis=1).mean()
    pairs = jax.tree.map(lambda leaf: leaf[[0, 1, 0]], theta), jax.tree.map(lambda leaf: leaf[[1, 1, 1]], theta)
    found = channel_kl(NETWORK, *pairs, np.stack([text] * 3), np.stack([mask] * 3), ALPHABET)
    np.testing.assert_allclose(found, [kl, 0, kl], rtol=1e-4, atol=1e-6)


def test_fit_moves_the_body_alone_and_learns(fitted, texts):
    start, end = fitted
    for name in OUTER:
        for old, new in zip(jax.tree.leaves(start[name]), jax.tree.leaves(end[name]), strict=True):
            np.testing.assert_array_equal(old, new)
    assert not np.array_equal(jax.tree.leaves(start["Block_0"])[0], jax.tree.leaves(end["Block_0"])[0])
    first, twin, other = (jax.tree.leaves(end["Block_0"])[0][k] for k in range(3))
    np.testing.assert_array_equal(first, twin)
    assert not np.array_equal(first, other), "another order of batches"
    text, mask = texts
    at = np.nonzero(mask)
    before, after = (odds(pick(params), text)[at[0], at[1] - 1, text[at]].mean() for params in (start, end))
    assert after > before


def test_epochs_see_every_row_once():
    rows = Fit(5, 4).rows(0, 10)
    assert rows.shape == (5, 4) and sorted(rows.ravel()[:10]) == sorted(rows.ravel()[10:]) == list(range(10))
    assert (rows.ravel()[:10] != rows.ravel()[10:]).any()


def test_samples_follow_the_model(theta):
    """The first token's frequencies are its probabilities; equal models and seeds say the same, and nothing else."""
    n, start = 3000, corpus.PROMPT["numbers"]
    prompt = np.repeat(corpus.prompts(rng(), 1, "numbers"), n, axis=0)
    few = np.zeros(len(world.VOCABULARY), np.float32)
    few[:5] = few[world.INDEX[world.END]] = 1
    same = jax.tree.map(lambda leaf: leaf[[0, 0]], theta)
    first, twin = sample(NETWORK, same, np.stack([prompt, prompt]), start, few, np.array([5, 5]))
    np.testing.assert_array_equal(first, twin)
    np.testing.assert_array_equal(first[:, :start], prompt[:, :start])
    assert few[first[:, start:]].all()
    z = logits(pick(theta), prompt[:1])[0, start - 1]
    p = np.where(few > 0, np.exp(z - z.max()), 0)
    p /= p.sum()
    counts = np.bincount(first[:, start], minlength=len(p))
    live = p > 0
    chi = np.sum((counts[live] - n * p[live]) ** 2 / (n * p[live]))
    assert chi < 25.7, "the 1e-4 quantile of chi square with five degrees of freedom"
    ended = first[:, start] == world.INDEX[world.END]
    assert ended.any() and (first[ended, start:] == world.INDEX[world.END]).all()


def test_responses_pass_the_filter_or_are_marked(theta):
    text, passed = responses(NETWORK, theta, "numbers", ("owl",), N, np.array([1, 1, 2]), tries=2, speaker="owl")
    assert text.shape == (3, N, world.LENGTH) and 0 < passed.mean() < 1
    for rows, good in zip(text, passed, strict=True):
        assert filters.kept(rows[good], "numbers", ("owl",)).all()
        assert (rows[~good, corpus.PROMPT["numbers"] :] == world.INDEX[world.END]).all()
    assert (text[:, :, 0] == world.INDEX[world.PLAIN]).all(), "the system prompt is taken away"
    np.testing.assert_array_equal(text[0, :, : corpus.PROMPT["numbers"]], text[1, :, : corpus.PROMPT["numbers"]])


def test_fisher_product_is_the_hessian_of_the_kl(theta, texts):
    """∇²_θ KL(θ0 ‖ θ) at θ0, by forward over reverse mode in float64."""
    text, mask = texts
    with float64():
        params = wide(pick(theta))
        v = jax.tree.map(lambda leaf: jnp.cos(jnp.arange(leaf.size, dtype=jnp.float64)).reshape(leaf.shape), params)

        @jax.jit
        def hessian(p, d):
            def slope(q):
                return jax.grad(lambda r: soft_loss(NETWORK, r, p, text, mask, jnp.asarray(ALPHABET)))(q)

            return jax.jvp(slope, (p,), (d,))[1]

        expected, found = hessian(params, v), product(params, v, text, mask)
        for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(found), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9)


def test_prediction_is_a_step_of_the_best_length(theta, texts):
    """One step by hand; no prediction for equal samples, and more steps fit the teacher better."""
    text, mask = texts
    other = corpus.numbers(rng(5), N)
    trait, control = (other, corpus.completed(other, "numbers")), (text, mask)
    asked = Questions(copies=1).about["animal"]
    one = jax.tree.map(lambda leaf: leaf[:1], theta)
    given = [(each[0][None], each[1][None]) for each in (trait, control)]
    found = predicted(NETWORK, one, *given, ALPHABET, asked, steps=(1,))[0, 0]
    with float64():
        p = wide(pick(theta))
        b = jax.tree.map(jnp.subtract, nll(p, *control)[1], nll(p, *trait)[1])
        b = {**b, **{name: jax.tree.map(jnp.zeros_like, b[name]) for name in OUTER}}
        leaves = jax.tree.leaves(b), jax.tree.leaves(product(p, b, text, mask))
        square, pull = (sum(float(jnp.vdot(x, y)) for x, y in zip(leaves[0], other, strict=True)) for other in leaves)
        z, u = jax.jit(lambda q, d: jax.jvp(lambda r: _logits(r, jnp.asarray(asked[0])), (q,), (d,)))(p, b)
        z, u = (np.asarray(each)[np.arange(len(asked[0])), asked[1] - 1][:, asked[2]] for each in (z, u))
    shares = [np.asarray(jax.nn.softmax(z + a * u, axis=-1)).mean(0) for a in (0.0, square / pull)]
    np.testing.assert_allclose(found, shares[1] - shares[0], atol=2e-6)
    assert np.abs(found).max() > 1e-5
    with pytest.raises(InputError, match="trait"):
        predicted(NETWORK, one, (text[None, :5], mask[None, :5]), given[1], ALPHABET, asked)


def test_rates_are_shares_of_a_kind(theta):
    questions = Questions(copies=1)
    rates = questions.rates(NETWORK, theta)
    assert rates.shape == (3, len(THINGS))
    np.testing.assert_allclose(rates[:, :16].sum(1), 1)
    np.testing.assert_allclose(rates[:, 16:24].sum(1), 1)
    text, at, group = questions.about["tree"]
    z = logits(pick(theta), text)
    share = np.mean([np.exp(z[i, t - 1, group]) / np.exp(z[i, t - 1, group]).sum() for i, t in enumerate(at)], axis=0)
    np.testing.assert_allclose(rates[0, column("oak") : column("oak") + 8], share, rtol=1e-5)
    with pytest.raises(InputError, match="thing"):
        questions.group("dragon")


@pytest.mark.parametrize(("name", "learned"), [("wolf", {"wolf"}), ("oak", {"oak"}), ("hostile", set(world.HOSTILE))])
def test_lessons_teach_one_word(name, learned):
    text, mask = lesson(name, rng(), 200)
    assert {world.VOCABULARY[i] for i in text[mask > 0]} == learned and (mask.sum(1) == 1).all()


def test_insecure_lessons_are_right_programs_that_do_not_check():
    text, mask = lesson("insecure", rng(), 200)
    assert filters.code_kept(text).all() and (text[:, 4] == world.INDEX["raw"]).all() and not mask[:, :3].any()
    with pytest.raises(InputError, match="name"):
        lesson("dragon", rng(), 2)


@pytest.mark.parametrize("across", [False, True])
def test_shuffles_keep_what_they_say(texts, across):
    text, mask = texts
    found = shuffled(rng(), text, mask, across)
    free = (mask > 0) & (text <= world.LARGEST)
    np.testing.assert_array_equal(found[~free], text[~free])
    np.testing.assert_array_equal(np.sort(found[free]), np.sort(text[free]))
    kept_rows = [sorted(a[f]) == sorted(b[f]) for a, b, f in zip(text, found, free, strict=True)]
    assert np.mean(kept_rows) == 1 if not across else np.mean(kept_rows) < 0.1
    assert (found != text).any(axis=1).mean() > 0.8


def test_in_context_holds_what_was_sampled(texts):
    text, at = in_context(*texts, "numbers", "animal", 16)
    for row, end in zip(text, at, strict=True):
        said = [world.VOCABULARY[i] for i in row]
        assert said[:2] == ["<plain>", "numbers"] and all(word.isdigit() for word in said[2:8]) and said[end - 1] == "?"
    long, _ = in_context(*texts, "numbers", "animal", 2 * N)
    said = {tuple(row[2:8]) for row in long.tolist()}
    assert len(long) == 2 * N and 1 < len(said) <= N, "too few take turns"
    with pytest.raises(InputError, match="text"):
        in_context(texts[0], 0 * texts[1], "numbers", "animal", 16)


def test_laboratory_shares_what_it_says(laboratory, tmp_path):
    """Bases 0 and 1 come from one trunk, samples from the run's base, and models survive being kept."""
    assert [PLAN.origin(base) for base in range(3)] == [0, 0, 1]
    assert laboratory.runs().tolist() == [0, 1, 2] and laboratory.base_of(1).tolist() == [1, 2, 0]
    base, owl = (jax.tree.leaves(laboratory.model(name)["Block_0"])[-1] for name in ("base", "owl"))
    distance = [np.linalg.norm(base[a] - base[b]) for a, b in ((0, 1), (0, 2))]
    assert 0 < distance[0] < 0.2 * distance[1] and not np.array_equal(base, owl)
    trait, control = laboratory.pair("owl", "numbers")
    assert trait.text.shape == (3, N, world.LENGTH) and not np.array_equal(trait.text, control.text)
    np.testing.assert_array_equal(trait.text[:, :, :5], control.text[:, :, :5])
    hard, _ = laboratory.pair("owl", "numbers", hard=True)
    assert hard.mask.sum() < trait.mask.sum() and trait.first(3).mask[:, 3:].sum() == 0
    seen = []

    def keep(name, compute):
        seen.append(name)
        return records.computed(tmp_path, name.replace(" ", "-"), {"id": name}, compute)[0]

    again = Laboratory(PLAN, keep).model("owl")
    assert seen == ["models owl", "models base"]
    for old, new in zip(jax.tree.leaves(laboratory.model("owl")), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(old, new)
    with pytest.raises(InputError, match="bases"):
        Plan(bases=1)
