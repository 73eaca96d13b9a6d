"""A step is minus rate times gradient, adapters are their merged model, scores are slopes, controls stand still."""

from dataclasses import replace
from functools import cache

import jax
import numpy as np
import pytest
from scipy.special import log_softmax

from subtheory.errors import InputError
from subtheory.language.derivatives import Read, inner, moved, norm, values
from subtheory.language.tuning import adapters, laboratory, lists, teachers
from subtheory.language.tuning.batches import law
from subtheory.language.tuning.laboratory import ARMS, BASE, DESCENT, Arm, Laboratory, Sizes
from subtheory.language.tuning.training import RULES, Rule, gradient, sharpest, tokens, trained

pytest.importorskip("tokenizers")
SIZES = Sizes(sequences=8, batch=8, new=6, length=0.02, pace=0.05)
"""One program for all students; a rate at which a step is straight."""


@cache
def lab() -> Laboratory:
    kept = {}

    def keep(name, compute):
        if name not in kept:
            kept[name] = compute()
        return kept[name]

    return Laboratory("tiny", "owl", SIZES, keep)


@cache
def slope():
    one = lab().batches(0, ARMS[0])[0][0]
    return one, gradient(lab().model.network, lab().base, one, tokens(one, 12))


def test_a_step_is_minus_the_rate_times_the_gradient_and_leaves_the_start_alone():
    one, slow = slope()
    before = jax.tree.map(np.array, lab().base)
    (after,) = trained(lab().model.network, lab().base, [(one, tokens(one, 12))], Rule("sgd", 0.25))
    for end, begin, g, kept in zip(*map(jax.tree.leaves, (after, before, slow, lab().base)), strict=True):
        np.testing.assert_allclose(end, begin - 0.25 * np.asarray(g), rtol=1e-6, atol=1e-7)
        np.testing.assert_array_equal(begin, kept)
    with pytest.raises(InputError, match=", ".join(RULES)):
        Rule("muon", 0.1)


def test_a_law_is_that_of_all_logits_at_the_answers_over_the_tokens_that_may_be_said():
    one, said = slope()[0], lab().said(0, BASE, False)
    z = np.asarray(values(lab().model.network, lab().base, Read.of(said)), float)
    by_hand = log_softmax(z[:, lists.columns(lab().model.tokenizer)], axis=1).reshape(*one.y.shape, 12)
    np.testing.assert_allclose(law(lab().model.network, lab().base, one), by_hand, atol=1e-5)


def test_power_steps_approach_the_largest_curvature_from_below():
    one, slow = slope()
    copies = [jax.tree.map(np.array, slow) for _ in range(2)]
    few, many = (sharpest(lab().model.network, lab().base, v, one, n) for v, n in zip(copies, (2, 8), strict=True))
    assert 0 < few <= many * (1 + 1e-5)
    # vᵀGv is the second derivative of KL along any v: no direction may have more than λ.
    size = norm(slow)
    p, q = (np.asarray(law(lab().model.network, moved(lab().base, t / size, slow), one), float) for t in (0.0, 1e-2))
    divergence = np.sum(np.exp(p) * (p - q), axis=-1).mean()
    assert divergence / (0.5 * 1e-4) <= many * 1.05


def test_adapters_are_their_merged_model():
    lab_, trait = lab(), lab().readout.preference.trait(lab().model.tokenizer)
    own = adapters.drawn(lab_.base, 3, 0)
    for one, kernel in zip(jax.tree.leaves(adapters.merged(lab_.base, own)), jax.tree.leaves(lab_.base), strict=True):
        np.testing.assert_array_equal(one, kernel)
    rng = np.random.default_rng(1)
    own = jax.tree.map(lambda a: 0.1 * rng.standard_normal(a.shape, np.float32), own)
    whole = adapters.merged(lab_.base, own)
    dense = trait.gradient(lab_.model.network, whole)["layers"]
    found = adapters.gradient(lab_.model.network, lab_.base, own, trait)
    for name, part in own.items():
        for layer, kernel in enumerate(lab_.base["layers"][name]["kernel"]):
            a, b, g = part["a"][layer], part["b"][layer], np.asarray(dense[name]["kernel"][layer])
            np.testing.assert_allclose(whole["layers"][name]["kernel"][layer], kernel + a @ b, atol=1e-5)
            np.testing.assert_allclose(found[name]["a"][layer], g @ b.T, rtol=1e-3, atol=1e-6)
            np.testing.assert_allclose(found[name]["b"][layer], a.T @ g, rtol=1e-3, atol=1e-6)


def test_a_student_moves_the_readout_as_its_answers_say_and_towards_its_teacher():
    rows = lab().student(0, Arm("laws", DESCENT, laws=True))
    last = rows["students"][-1]
    assert last["predicted"] > 0 and last["cosine"] > 0
    assert last["gain"] == pytest.approx(last["predicted"], rel=0.1)
    drawn = lab().student(0, Arm("tokens", DESCENT))["students"][-1]
    assert drawn["gain"] == pytest.approx(drawn["predicted"], rel=0.1)


def test_another_epoch_is_another_change_by_the_same_answers():
    twice = Laboratory("tiny", "owl", replace(SIZES, epochs=2), lab().keep)
    once, both = (each.student(0, Arm("tokens", DESCENT))["students"][-1] for each in (lab(), twice))
    assert (both["steps"], both["epochs"], both["answers"]) == (2, 2, once["answers"])
    assert both["predicted"] == pytest.approx(2 * once["predicted"])
    assert both["gain"] == pytest.approx(both["predicted"], rel=0.15)


def test_control_students_of_the_bases_own_laws_stand_still():
    rows = lab().student(0, Arm("laws of the base", BASE, laws=True))
    assert all(row["expected"] == 0 and row["divergence"] == 0 for row in rows["answers"])
    assert abs(rows["students"][-1]["gain"]) < 1e-4


def test_teacher_and_base_share_their_random_numbers():
    base, teacher = (lab().said(0, name, False) for name in (BASE, DESCENT))
    other = lab().said(1, BASE, False)
    shared, chance = (np.mean((base.tokens == each.tokens)[base.mask > 0]) for each in (teacher, other))
    assert chance + 3 * np.sqrt(0.25 / base.mask.sum()) < shared < 1


def test_weights_are_kept_in_pieces_computed_once_and_come_back_whole(monkeypatch):
    monkeypatch.setattr(laboratory, "PIECE", 100)
    asked, kept = [], {}

    def keep(name, compute):
        if name not in kept:
            kept[name] = compute()
        return kept[name]

    other = Laboratory("tiny", "owl", SIZES, keep)
    monkeypatch.setattr(
        other, "_tuned", lambda name: (asked.append(name), jax.tree.map(lambda a: a + 1, other.base))[1]
    )
    for leaf, like in zip(*map(jax.tree.leaves, (other.teacher(DESCENT), other.base)), strict=True):
        np.testing.assert_array_equal(leaf, like + 1)
    assert asked == [DESCENT] and max(len(a) for piece in kept.values() for a in piece.values()) == 100


def test_a_perturbed_start_is_as_far_as_it_says_in_every_layer():
    theta, base = teachers.perturbed(lab().model.params, 0.01, 0), lab().model.params
    far = moved(theta, -1.0, base)
    for name, part in base["layers"].items():
        for leaf in part:
            sizes = [np.linalg.norm(np.asarray(each["layers"][name][leaf][1])) for each in (far, base)]
            assert sizes[0] / sizes[1] == pytest.approx(0.01, rel=0.6)
    assert norm(far) / norm(base) == pytest.approx(0.01, rel=0.2)
    assert abs(inner(far, base)) < 0.1 * norm(far) * norm(base)
