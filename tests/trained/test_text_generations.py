"""Chains of language models on a tiny network: who learns from whom, and what a chain adds in the channel."""

import jax
import numpy as np
import pytest

from subtheory.data import corpus, filters, world
from subtheory.errors import InputError
from subtheory.networks import Transformer
from subtheory.numerics import float64
from subtheory.trained.texts import (
    LESSON,
    Fit,
    Generations,
    Hop,
    Laboratory,
    Plan,
    fisher_product,
    pre_trained,
    responses,
    share_of_change,
    without_lesson,
)

NETWORK = Transformer(width=8, heads=2, blocks=1, task=world.WORLD)
SHORT = Fit(6, 16, 1e-2)
N = 128
PLAN = Plan(
    bases=2, seeds=1, samples=N, texts=N, lessons=N, trunk=SHORT, branch=SHORT, teaching=SHORT, student=SHORT,
    tries=(("numbers", 1),), copies=1, network=NETWORK,
)  # fmt: skip
RESET, ON, ELSEWHERE = Hop(), Hop(shift=None), Hop(shift=1)


def leaves(params):
    return np.concatenate([np.reshape(leaf, (len(leaf), -1)) for leaf in jax.tree.leaves(params)], axis=1)


@pytest.fixture(scope="module")
def generations():
    kept = []

    def keep(name, compute):
        kept.append(name)
        return compute()

    made = Generations(Laboratory(PLAN, keep), "owl")
    return made, kept


def test_hops_start_where_they_say(generations):
    """A step moves less than two bases differ, so that whoever starts from a base is next to it."""
    made, _ = generations
    base, teacher = leaves(made.last(()).params), leaves(made.last((LESSON,)).params)
    apart = np.linalg.norm(base[0] - base[1])
    for hop, start in ((RESET, base), (ON, teacher), (ELSEWHERE, base[::-1])):
        student = leaves(made.last((LESSON, hop)).params)
        moved, other = (np.linalg.norm(student - each, axis=1) for each in (start, start[::-1]))
        assert np.all(moved > 0) and np.all(moved < apart) and np.all(moved < other)
    with pytest.raises(InputError, match="skill"):
        Hop("poems")


def test_the_lesson_is_the_laboratorys_and_the_first_hop_its_student(generations):
    """A chain of one hop is the experiment of `tokens`, with the same samples."""
    made, _ = generations
    lab = made.lab
    np.testing.assert_array_equal(leaves(made.last((LESSON,)).params), leaves(lab.model("owl")))
    trait, control = lab.pair("owl", "numbers")
    for chain, sample in (((LESSON, RESET), trait), ((RESET,), control)):
        rates = lab.questions.rates(NETWORK, made.last(chain).params)
        np.testing.assert_array_equal(rates, lab.train(sample, "numbers"))
        np.testing.assert_array_equal(made.last(chain).kept, sample.kept)


def test_a_control_lacks_the_lesson_alone(generations):
    """Before a lesson a chain is its control, and what several chains begin with is made once."""
    made, kept = generations
    assert without_lesson((LESSON, ON, RESET)) == (ON, RESET) == without_lesson((ON, LESSON, RESET))
    late = made.last((RESET, LESSON, RESET)).params
    assert not np.array_equal(leaves(late), leaves(made.last((RESET, RESET)).params))
    assert len(kept) == len(set(kept)) and "chain numbers@0 lesson" in kept and "chain numbers@0" in kept


def test_the_same_prompts_are_answered_anew(generations):
    """Drawn again by the same numbers, a student's errors would be its own student's too."""
    params, given = generations[0].last(()).params, corpus.PROMPT["numbers"]
    (first, passed), (second, also) = (
        responses(NETWORK, params, "numbers", ("owl",), N, np.arange(2), again=i) for i in (0, 1)
    )
    np.testing.assert_array_equal(first[..., :given], second[..., :given])
    either = passed | also
    assert either.sum() > 10 and np.all(np.any(first[either] != second[either], axis=1))


def test_what_is_carried_is_the_gauss_newton_form():
    """ΔᵀGd/ΔᵀGΔ for small Δ and d, off by their size; the ancestor itself carries 1, and its control nothing."""
    eps, text = 1e-3, corpus.numbers(np.random.default_rng(0), 20)
    with float64():
        base = jax.tree.map(lambda leaf: leaf.astype(float), pre_trained(NETWORK, (1,)))
        rng = np.random.default_rng(2)
        delta, d = (jax.tree.map(lambda leaf: eps * rng.normal(size=leaf.shape), base) for _ in range(2))
        ancestor, trait = (jax.tree.map(np.add, base, each) for each in (delta, d))
        found = share_of_change(NETWORK, base, ancestor, base, trait, text)
        first = [jax.tree.map(lambda leaf: leaf[0], each) for each in (base, delta, d)]
        mask = corpus.completed(text, "numbers")
        curved = fisher_product(NETWORK, first[0], first[1], text, mask, filters.alphabet("numbers"))
        along = [sum(float(np.vdot(a, b)) for a, b in zip(*map(jax.tree.leaves, (curved, each)), strict=True))
                 for each in first[1:]]  # fmt: skip
        size = np.sqrt(sum(np.sum(leaf**2) for leaf in jax.tree.leaves(first[2])))
    assert found[0] == pytest.approx(along[1] / along[0], abs=3 * size)
    assert abs(found[0]) > 0.05, "not lost in what is left out"
    np.testing.assert_allclose(share_of_change(NETWORK, base, ancestor, base, ancestor, text), 1.0)
    np.testing.assert_array_equal(share_of_change(NETWORK, base, ancestor, base, base, text), 0.0)
