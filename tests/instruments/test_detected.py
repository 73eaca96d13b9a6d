"""Detectors of data sets: what each scores against its definition, and what is counted against its law."""

import numpy as np
import pytest
from scipy.special import ndtr

from subtheory.constructed.labels import both, distilled, letters
from subtheory.errors import InputError
from subtheory.instruments import detected
from subtheory.instruments.detected import (
    PEARSON,
    RATIO,
    STATISTIC,
    STUDENT,
    TRAINED,
    Detected,
    alone,
    data_sets,
    labelling,
    leading,
    needed,
    pearson,
    ratio,
    reader,
    student,
)
from subtheory.networks import Linear
from subtheory.setting.student import Elsewhere, Redrawn
from subtheory.statistics import surprise
from subtheory.theory.losses import KL
from subtheory.theory.rule import Signs
from subtheory.theory.views import Matched, Within

EPS = (2e-4, 2e-5)
CLASSIFIER, TEXTS = (setting.but(eps=EPS) for setting in both())
READS = Detected(200, (1.0, 2.0), letters)
SEED = 1


@pytest.fixture(scope="module", params=[CLASSIFIER, TEXTS], ids=["labels", "texts"])
def found(request):
    return READS.sample(request.param, SEED)


def half(setting):
    return setting.but(view=Within(tuple(distilled(setting)[::2].tolist())))


# Scores ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [lambda s: s, half, lambda s: s.but(init=Redrawn())], ids=["all", "half", "redrawn"])
def test_a_student_of_data_sets_takes_its_real_step(change):
    """Mean over the law of labels: D(ε) of the step that the student takes, and D(0) of its control."""
    setting = change(CLASSIFIER)
    m = labelling(setting, SEED)
    raw = student(m, setting.but(subtracted=False), SEED).weights[0, 0]
    np.testing.assert_allclose(m.mean((m.r * raw).sum(-1)), m.alignment, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(m.mean((m.r0 * raw).sum(-1)), m.control, rtol=1e-9, atol=1e-12)
    less = student(m, setting, SEED).weights[0, 0]
    np.testing.assert_allclose(m.mean((m.r * less).sum(-1)), m.added, rtol=1e-6)


def test_scores_are_those_of_the_definition():
    m, classes = labelling(TEXTS, SEED), letters(TEXTS)
    counts = data_sets(m, m.r[0], 1000, 3, np.random.default_rng(0))
    assert counts.shape == (3, *m.p0.shape) and np.all(counts.sum(axis=(1, 2)) == 1000)
    known = distilled(TEXTS)
    by_hand = [np.sum(c[:, known] * np.log(m.p[0][:, known] / m.p0[:, known])) for c in counts]
    np.testing.assert_allclose(ratio(m).scores(0, 0, counts), by_hand, rtol=1e-9)
    # A reader sees how many texts of each histogram there are, whatever their prompts.
    kinds = sorted(set(classes))
    total = lambda law: np.array([law[..., np.array(classes) == c].sum(axis=-1) for c in kinds]).T  # noqa: E731
    seen, base, law = total(counts.sum(axis=1)), total(m.weights @ m.p0), total(m.weights @ m.p[0])
    on = base > 0
    one, other = reader(m, classes), pearson(m, classes)
    np.testing.assert_allclose(one.scores(0, 0, counts), seen[:, on] @ np.log(law[on] / base[on]), rtol=1e-6)
    assert one.kl[0] == pytest.approx(np.sum(law[on] * np.log(law[on] / base[on])), rel=1e-6)
    chi = np.sum((seen - 1000 * base)[:, on] ** 2 / (1000 * base[on]), axis=1)
    np.testing.assert_allclose(other.scores(0, 0, counts), chi, rtol=1e-9)
    assert np.all(one.kl < ratio(m).kl)
    assert np.sum(on) == 20, "histograms of 3 letters out of 4"


# Counts ---------------------------------------------------------------------------------------------


def test_counts_are_those_of_the_laws(found):
    """Each detector's own, where it has one: within 4.5 standard errors, exactly counted; and nothing is left out."""
    for name, told in found.told.items():
        for cells in (told.towards, told.power, told.false, told.ahead):
            lawful = ~np.isnan(cells.argument)
            assert np.all(lawful) == (name not in (TRAINED, PEARSON))
            p = ndtr(cells.argument[lawful])
            assert np.all(cells.neglected[lawful] < 0.01)
            assert np.all(surprise(cells.counts[lawful], cells.draws, p) < 4.5), name


def test_numbers_of_labels_give_the_deflections(found):
    np.testing.assert_allclose(found.deflection, np.tile([1.0, 2.0], (2, 1)), rtol=1e-5)
    for name in (RATIO, STUDENT):
        np.testing.assert_allclose(found.told[name].towards.argument, found.deflection, rtol=1e-3)
    weaker = found.told[STATISTIC]
    np.testing.assert_allclose(weaker.towards.argument, np.sqrt(2 * found.rows * weaker.kl[:, None]), rtol=1e-2)


def test_matched_labels_hide_their_classes_and_the_student_hears_a_part():
    for setting in (CLASSIFIER, TEXTS):
        found = READS.sample(setting.but(view=Matched(letters(setting))), SEED)
        heard = found.deflection * np.sqrt(found.kl / found.full)[:, None]
        np.testing.assert_allclose(found.told[STUDENT].towards.argument, heard, rtol=1e-2)
        assert np.all(np.abs(found.told[STATISTIC].kl) < 0.01 * found.kl)


def test_a_student_without_its_control_has_the_sign_of_the_control():
    found = READS.sample(half(CLASSIFIER).but(subtracted=False), SEED)
    m = labelling(half(CLASSIFIER), SEED)
    assert np.all(found.told[STUDENT].towards.counts == READS.draws * (m.control > 0))


def test_one_model_alone_is_a_detector_of_no_direction():
    """log p0 and log p_ε differ by O(ε): they see alike, less than both together."""
    m = labelling(TEXTS, SEED)
    rows = needed(m.divergence(m.log_r, m.log_r0), (1.0,))
    both_alone = {"teacher": alone(m, m.log_p), "init": alone(m, m.log_p0), RATIO: ratio(m)}
    told = detected.detections(m, both_alone, rows, 50, np.random.default_rng(0)).told
    one, other, best = (told[name].towards.argument for name in both_alone)
    np.testing.assert_allclose(one, other, atol=1e-2)
    assert np.all(np.abs(one) < best)


def test_arguments_lose_what_is_linear_in_eps():
    eps, d = np.array([4e-3, 1e-3]), np.array([[1.0, 2.0], [1.0, 2.0]])
    np.testing.assert_allclose(leading((1 + 3 * eps)[:, None] * d, d, eps), d, rtol=1e-12)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("loss", {"loss": KL()}),
        ("rule", {"rule": Signs()}),
        ("student", {"init": Elsewhere(Linear(task=CLASSIFIER.network.task))}),
        ("eps", {"eps": (1e-4,)}),
        ("view", {"view": Matched(tuple(range(7)))}),
    ],
)
def test_what_it_does_not_speak_of_is_named(field, changes):
    with pytest.raises(InputError) as caught:
        READS.sample(CLASSIFIER.but(**changes), SEED)
    assert caught.value.field == field
