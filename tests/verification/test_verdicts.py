"""From evidence to verdicts: numbers that are not finite, controls of few seeds, one count of controls everywhere."""

import re
from argparse import Namespace
from dataclasses import replace

import numpy as np
import pytest
from samples import claim, control, holding, mixed, untried

import subtheory as st
from subtheory.claim import NOT_FINITE, Control, Evidence, Verdict
from subtheory.claims import CLAIMS
from subtheory.claims.assumptions import SHARED_INIT
from subtheory.cli.verbs import verify as command
from subtheory.pages import report
from subtheory.verification.results import Verification
from subtheory.verification.verdicts import control_result, summarize

CLAIM = CLAIMS["cosine-limit"]
SETTING = st.Setting(st.MLP())
GOOD, BAD = Evidence(1.0, 1.0, 0.5), Evidence(0.3, 1.0, -4.0)


def rows(*evidence, seeds=None):
    return [(SETTING, i if seeds is None else i % seeds, one) for i, one in enumerate(evidence)]


@pytest.mark.parametrize(
    "numbers", [(np.nan, 1.0, 0.5), (1.0, np.nan, 0.5), (1.0, 1.0, np.nan), (np.inf, 1.0, -np.inf), (1.0, -np.inf, 1.0)]
)
def test_a_number_that_is_not_finite_says_nothing(numbers):
    one = Evidence(*numbers)
    assert one.verdict is Verdict.UNDECIDED and one.undecided == NOT_FINITE
    assert Evidence(*numbers, vacuous="why").verdict is Verdict.VACUOUS, "a reason that is given stays"
    assert Evidence(1.0, 1.0, -np.inf).verdict is Verdict.FAILS, "an infinite margin is a clear one"


def test_one_such_run_is_enough_not_to_hold_and_never_refutes():
    nan = Evidence(np.nan, np.nan, np.nan)
    found = summarize(CLAIM, rows(*[GOOD] * 99, nan), 100)
    assert found.verdict is Verdict.UNDECIDED and found.reason == NOT_FINITE and not found.ok
    # Where it really fails, the worst run is one that failed, not one without numbers.
    found = summarize(CLAIM, rows(*[GOOD] * 9, nan, BAD), 11)
    assert found.verdict is Verdict.FAILS and found.measured == 0.3 and found.failed == 1


def test_a_run_that_says_why_it_is_undecided_is_one_of_many():
    """A slope that could not be fitted is no number, and the claim says so: that is no fault of a number."""
    open_ = Evidence(np.nan, 1.0, 0.0, undecided="too few draws")
    assert summarize(CLAIM, rows(*[GOOD] * 19, open_), 20).verdict is Verdict.HOLDS
    found = summarize(CLAIM, rows(*[GOOD] * 17, *[open_] * 3), 20)
    assert found.verdict is Verdict.UNDECIDED and found.reason == "too few draws" and found.ok
    assert control_result(Control(SHARED_INIT, fails=0.95), rows(*[BAD] * 99, open_)).reason == ""


def test_such_a_run_is_no_control_that_broke():
    declared = Control(SHARED_INIT, fails=0.95)
    found = control_result(declared, rows(*[Evidence(np.nan, np.nan, np.nan)] * 24))
    assert not found.as_declared and found.failed_fraction == 0 and found.verdict is Verdict.UNDECIDED
    assert found.reason == NOT_FINITE and not found.wrong
    assert control_result(declared, rows(*[BAD] * 24)).shown == "yes"


@pytest.mark.parametrize(
    ("fails", "failed", "runs", "seeds", "shown"),
    [
        (0.25, 0, 6, 1, "undecided"),
        (0.25, 0, 64, 64, "NO"),
        (0.25, 2, 64, 64, "NO"),
        (0.25, 10, 64, 64, "undecided"),
        (0.95, 5, 6, 6, "undecided"),
        (0.95, 0, 24, 4, "NO"),
        (0.95, 12, 24, 24, "NO"),
        (0.25, 2, 6, 1, "yes"),
    ],
)
def test_controls_of_few_seeds_are_undecided(fails, failed, runs, seeds, shown):
    found = control_result(
        Control(SHARED_INIT, fails=fails), rows(*[BAD] * failed, *[GOOD] * (runs - failed), seeds=seeds)
    )
    assert found.shown == shown and bool(found.reason) == (shown == "undecided")
    of_it = claim(controls=[found])
    assert of_it.ok == (shown != "NO")
    assert Verification((of_it,)).decided == (shown != "undecided")


def test_a_witness_that_does_not_fail_is_never_undecided():
    assert control_result(Control(SHARED_INIT, witnesses=lambda: ()), rows(GOOD)).shown == "NO"


def test_what_cannot_be_broken_counts_nowhere_and_is_listed_apart():
    found = control_result(Control(SHARED_INIT, fails=0.95), [])
    assert not found.tried and not found.as_declared and not found.wrong
    assert found.reason == "cannot be broken on these settings" and found.declared == "fails in at least 95 % of runs"


def test_controls_are_counted_alike_everywhere(capsys, monkeypatch):
    many = [control(), untried(), replace(control(), without="b", as_declared=False, verdict=Verdict.UNDECIDED)]
    found = Verification((claim(controls=many), claim("b", controls=[control(), untried("differentiable")])))
    assert (found.broke, found.tried) == (2, 3)
    assert [row["controls"] for row in found.claim_table()] == ["1/2", "1/1"]
    assert len(found.control_table()) == 3 and [row["not broken"] for row in found.untried_table()] == [
        "same-architecture", "differentiable",
    ]  # fmt: skip
    assert "same-architecture" in found.summary() and "same-architecture" in found._repr_html_()
    command._print(found, Namespace(quiet=False, verbose=False))
    assert "2 of 3 controls break as declared" in capsys.readouterr().out
    page = " ".join(re.sub(r"<[^>]*>", " ", report.page(found)).split())
    assert (
        "2/3 controls broke as declared" in page
        and "cannot be broken on these settings fails in at least 90 % of runs not tried" in page
    )
    assert "1 of 3 controls remain undecided" in page


@pytest.mark.parametrize("verification", [holding(), mixed()])
def test_a_verdict_without_numbers_has_a_reason(verification):
    for one in verification.claims:
        assert np.isfinite([one.measured, one.predicted]).all() or one.reason
