"""Claims about detection judge counts exactly: planted errors of any of their parts are seen."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import binom, norm

from subtheory.claim import Verdict
from subtheory.claims import CLAIMS
from subtheory.claims.labels import detection
from subtheory.claims.labels.detection import CHANCE, DRAWS, MARGIN, TEST
from subtheory.instruments.detected import PEARSON, RATIO, STATISTIC, STUDENT, TRAINED
from subtheory.statistics import surprise

BOUNDARY, NOTHING = CLAIMS["transfer-and-detection-share-one-boundary"], CLAIMS["statistics-can-see-nothing"]


@pytest.fixture(scope="module")
def shared():
    return BOUNDARY.reads.sample(detection.settings()[0], 0)


@pytest.fixture(scope="module")
def hidden():
    return NOTHING.reads.sample(detection.matched()[1], 0)


def planted(d, name, part, p):
    """The same record with counts of another probability."""
    told = d.told[name]
    cells = getattr(told, part)
    counts = np.random.default_rng(5).binomial(cells.draws, p, cells.counts.shape)
    return replace(d, told=d.told | {name: replace(told, **{part: replace(cells, counts=counts)})})


def test_both_hold(shared, hidden):
    assert BOUNDARY.check(shared).verdict is NOTHING.check(hidden).verdict is Verdict.HOLDS


@pytest.mark.parametrize("name, part", [(STUDENT, "towards"), (RATIO, "towards"), (RATIO, "power"), (RATIO, "ahead"),
                                        (RATIO, "false")])  # fmt: skip
def test_a_part_that_is_off_its_law_is_seen(shared, name, part):
    law = ndtr(getattr(shared.told[name], part).argument)
    assert BOUNDARY.check(planted(shared, name, part, law)).verdict is Verdict.HOLDS
    wrong = BOUNDARY.check(planted(shared, name, part, np.clip(law + 0.15 * np.where(law < 0.5, 1, -1), 0, 1)))
    assert wrong.verdict is Verdict.FAILS and wrong.margin < 0


@pytest.mark.parametrize("name", [STATISTIC, TRAINED, PEARSON])
def test_a_detector_that_sees_something_is_seen(hidden, name):
    """At ½ + margin and at ½ − margin, whichever of the three it is."""
    for p in (0.5 + MARGIN, 0.5 - MARGIN):
        assert NOTHING.check(planted(hidden, name, "ahead", p)).verdict is Verdict.FAILS


def test_a_student_or_a_ratio_that_hears_nothing_is_seen(hidden):
    for name, part in ((STUDENT, "towards"), (RATIO, "power"), (RATIO, "ahead")):
        p = 0.05 if part == "power" else 0.5
        assert NOTHING.check(planted(hidden, name, part, p)).verdict is Verdict.FAILS


def test_outside_its_regime_nothing_is_judged(shared):
    far = {name: replace(told, **{part: replace(getattr(told, part), neglected=np.full((2, 2), 0.4))
                                  for part in ("towards", "power", "false", "ahead")})
           for name, told in shared.told.items()}  # fmt: skip
    assert BOUNDARY.check(replace(shared, told=far)).verdict is Verdict.VACUOUS


def test_chance_of_a_false_alarm_is_what_is_stated():
    k = np.arange(DRAWS + 1)
    total = 0.0
    for p in (0.841, 0.977, 0.26, 0.64, 0.05, 0.76, 0.921):
        true = p + 0.2 * np.sqrt(p * (1 - p) / DRAWS) * np.array([-1, 1])
        alarms = surprise(k, DRAWS, p) > norm.isf(CHANCE / 2)
        total = max(total, *(np.sum(binom.pmf(k[alarms], DRAWS, each)) for each in true))
    assert 640 * total < 1e-4 / 5
    pairs = 4 * DRAWS
    share = np.arange(pairs + 1) / pairs
    error = np.sqrt(share * (1 - share) / pairs)
    refused = np.abs(share - 0.5) + norm.isf(TEST) * error > MARGIN
    assert 3 * 16 * np.sum(binom.pmf(np.arange(pairs + 1)[refused], pairs, 0.5)) < 2e-5
