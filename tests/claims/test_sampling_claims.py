"""Claims about sampled labels: true laws hold, and laws with another constant, power or floor are refused."""

from dataclasses import replace
from itertools import product

import jax
import numpy as np
import pytest
from scipy.special import log_softmax
from scipy.stats import norm

from subtheory.claim import Verdict
from subtheory.claims import CLAIMS
from subtheory.claims.labels.sampling import GROUPS, LEVEL, OWN_PREFIXES, SIGNS, TAXES, settings, taxed_settings
from subtheory.constructed.labels import texts
from subtheory.constructed.tokens import ByLetter, with_fixed_prefixes
from subtheory.errors import InputError
from subtheory.numerics import float64
from subtheory.theory.losses import CrossEntropy

SIGN, TAX = CLAIMS["sampled-sign-follows-kl"], CLAIMS["sampling-taxes-the-trait"]
ROOT, CHANCE = CLAIMS["group-auroc-follows-root-n"], CLAIMS["matched-direction-stays-at-chance"]
FISHER = CLAIMS["sequence-loss-has-the-sequence-fisher"]


@pytest.fixture(scope="module")
def cells():
    return SIGNS.sample(settings()[0], 0)


@pytest.fixture(scope="module")
def groups():
    return GROUPS.sample(settings()[0], 0)


@pytest.fixture(scope="module")
def tax():
    return TAXES.sample(taxed_settings()[0], 0)


def refuted(claim, record):
    return claim.check(record).verdict is Verdict.FAILS


def test_all_hold_on_a_classifier(cells, groups, tax):
    for claim, record in (SIGN, cells), (ROOT, groups), (CHANCE, groups), (TAX, tax):
        assert claim.check(record).verdict is Verdict.HOLDS
    assert cells.own.inside.all() and cells.added.inside.all() and len(cells.real) == 3


def drawn(p, draws, shape):
    return np.random.default_rng(3).binomial(draws, p, shape)


@pytest.mark.parametrize("kind", ["own", "added"])
def test_another_constant_or_another_variable_is_refused(cells, kind):
    steps = getattr(cells, kind)
    deflection = norm.ppf(steps.predicted)
    others = {
        "twice KL": 2**0.5 * deflection,
        "half of KL": 0.5**0.5 * deflection,
        "of ε alone": deflection * (cells.eps / cells.eps.max())[:, None] ** 0.5,
        "of τ as well": deflection / cells.temperature[:, None],
    }
    for name, x in others.items():
        wrong = replace(steps, counts=drawn(norm.cdf(x), cells.draws, x.shape))
        assert refuted(SIGN, replace(cells, **{kind: wrong})), name
    for part, factor in product(("mean", "variance"), (0.5, 2.0)):
        wrong = replace(steps, **{part: factor * getattr(steps, part)})
        assert refuted(SIGN, replace(cells, **{kind: wrong})), (part, factor)


def test_cells_of_one_number_must_agree(cells):
    """Each within its own interval of the law, on opposite sides of it: too far from each other."""
    steps, draws = cells.own, cells.draws
    p, edge = steps.predicted[0, 0], 0.9 * -norm.ppf(LEVEL / 2)
    off = np.rint(edge * np.sqrt(draws * p * (1 - p))) * np.where(np.arange(len(steps.counts)) % 2, 1, -1)
    counts = steps.counts.copy()
    counts[:, 0] = np.rint(draws * p + off)
    assert refuted(SIGN, replace(cells, own=replace(steps, counts=counts)))


def test_algebra_that_is_not_the_real_step_is_refused(cells):
    assert refuted(SIGN, replace(cells, real=cells.real * (1 + 1e-3)))


def test_outside_of_the_regime_nothing_is_said(cells, groups, tax):
    dull = [replace(steps, off=steps.off + 1) for steps in (cells.own, cells.added)]
    assert SIGN.check(replace(cells, own=dull[0], added=dull[1])).verdict is Verdict.VACUOUS
    assert ROOT.check(replace(groups, shift=groups.shift + 1)).verdict is Verdict.VACUOUS
    assert CHANCE.check(replace(groups, matched_shift=groups.matched_shift + 1)).verdict is Verdict.VACUOUS
    assert TAX.check(replace(tax, neglected=tax.neglected + 1)).verdict is Verdict.VACUOUS


def test_a_tax_without_floor_and_a_gain_that_grows_with_the_dose_are_refused(tax):
    gain = tax.alpha * tax.eps * tax.q
    assert tax.floor == pytest.approx(TAXES.count)
    assert tax.change[0] > 0 > tax.change[2] and abs(tax.change[1]) < 0.2 * gain
    without = np.full(3, -gain)
    for name, change in {
        "full labels": without,
        "linear in N": without * tax.labels / TAXES.count,
        "half of the tax": (tax.change + without) / 2,
        "1/√N": without + gain * np.sqrt(TAXES.count / tax.labels),
    }.items():
        assert refuted(TAX, replace(tax, change=change)), name


def test_groups_that_grow_otherwise_and_directions_that_are_not_matched_are_refused(groups):
    for power in (0.25, 1.0):
        x = norm.ppf(groups.predicted[:, :1]) * (groups.rows / groups.rows[:, :1]) ** power
        assert refuted(ROOT, replace(groups, counts=drawn(norm.cdf(x), groups.draws, x.shape)))
    assert refuted(CHANCE, replace(groups, matched=drawn(0.65, groups.draws, groups.matched.shape)))


# Texts


@pytest.fixture(scope="module")
def lettered():
    (found,) = ByLetter().records(texts(), (3,), (CrossEntropy(),))["cross-entropy"]
    return found


def test_letters_add_up_to_the_text_and_each_is_its_own_fisher(lettered):
    """Against conditional velocities by hand, from the laws of texts alone."""
    m, network = lettered.whole, texts().network
    assert lettered.forms.sum() == pytest.approx(m.form, rel=1e-10) and np.all(lettered.forms > 0)
    shape = (len(m.weights), *(network.letters,) * network.length)
    p, s = (a[:, m.distilled > 0].reshape(shape) for a in (m.p0, m.scores))
    before = 0.0
    for t in range(network.length):
        later = tuple(range(t + 2, network.length + 1))
        mean = (p * s).sum(axis=later) / p.sum(axis=later)  # E[score | the first t + 1 letters]
        upto = m.weights @ (p.sum(axis=later) * mean**2).reshape(len(p), -1).sum(axis=1)
        assert lettered.forms[t] == pytest.approx(upto - before, rel=1e-8)
        before = upto


def test_prefixes_of_a_third_law_weigh_all_alike():
    rng, letters, length = np.random.default_rng(0), 3, 2
    z, y = rng.standard_normal((2, 1 + letters**length))
    q, p = (np.exp(log_softmax(a[1:])).reshape(letters, letters) for a in (z, y))
    first = np.sum(p.sum(1) * np.log(p.sum(1) / q.sum(1)))
    p, q = p / p.sum(1, keepdims=True), q / q.sum(1, keepdims=True)
    loss = with_fixed_prefixes(letters, length, 1)
    with float64():
        found = loss.value(*map(jax.numpy.asarray, (z, y)), np.ones(len(z)))
    assert float(found) == pytest.approx(first + np.mean(np.sum(p * np.log(p / q), axis=1)), rel=1e-12)


def test_the_fisher_of_texts_holds_and_fails_with_other_prefixes(lettered):
    assert FISHER.check(lettered).verdict is Verdict.HOLDS
    broken = OWN_PREFIXES.breaks(texts())
    (other,) = ByLetter().records(broken, (3,), (broken.loss,))[broken.loss.name]
    assert refuted(FISHER, other)
    assert refuted(FISHER, replace(lettered, forms=1.1 * lettered.forms))
    with pytest.raises(InputError, match="network"):
        ByLetter().records(settings()[0], (0,), (CrossEntropy(),))
