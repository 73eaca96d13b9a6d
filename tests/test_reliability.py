"""What `scripts/reliability.py` measures, a little of each: and that each measure would see what it is there for."""

import sys
from pathlib import Path
from random import Random

import jax
import numpy as np
import pytest
import sympy as sp
from matplotlib.text import Text

from subtheory import figure
from subtheory.cli import main
from subtheory.errors import LONGEST, InputError
from subtheory.study import ladder

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import reliability
from checks import bits, finite, identities, inputs, pages, seeds
from checks.row import Row


@pytest.mark.parametrize("kind", ["number", "flag", "lineage"])
def test_wrong_inputs(kind):
    row = inputs.r6(quick=True, kinds=(kind,))
    assert row.ok and row.count >= inputs.FEW, row.missed


@pytest.mark.parametrize("words", [["certify", "--alpha=--"], ["verify", "--network=--"], ["verify", "--seed="]])
def test_a_flag_without_a_value_is_none(words, capsys):
    """Argparse makes a list of the first two, and the third was taken for the default."""
    assert main(words) == 2
    assert "must be given a value" in capsys.readouterr().err


def test_a_long_value_is_cut():
    assert len(str(InputError("x", "9" * 10**6, "must be less"))) < LONGEST + 40


def test_one_seed_is_the_same_alone_and_among_others():
    row = bits.r19(quick=True)
    assert row.ok and row.count == bits.SEEDS + 2, row.missed


def test_a_seed_that_depends_on_its_neighbours_would_be_seen(monkeypatch):
    theta = np.random.default_rng(0).normal(size=(bits.SEEDS, 3))
    monkeypatch.setattr(bits, "drawn", lambda name: (None, None, theta, theta, None))
    monkeypatch.setattr(bits, "measured", lambda f, theta, *_: [theta if theta.ndim == 1 else np.nextafter(theta, 9)])
    monkeypatch.setattr(bits, "by_jax", lambda network, f, theta, x, one_by_one: theta * (1 + 1e-9 * one_by_one))
    assert len(bits.r19(quick=True).missed) == bits.SEEDS + 1


@pytest.mark.parametrize("what", ["nan in W", "inf in the channel"])
def test_numbers_that_are_not_finite(what):
    name, call = next((name, call) for said, name, call in finite.cases() if said == what)
    assert finite.judged(name, call) == ""


def test_a_number_that_is_taken_or_misnamed_would_be_seen():
    def refused():
        raise InputError("x", 1, "must be finite")

    assert finite.judged("W", refused).startswith("names something else")
    assert finite.judged("W", lambda: None) == "a forecast was made"
    assert finite.judged("W", lambda: 1 / 0).startswith("ZeroDivisionError")


def test_figures_are_fit_for_print_and_others_would_be_seen():
    row = pages.r28(quick=True)
    assert row.ok and row.count == len(figure.VENUES), row.missed
    with figure.drawn_for("icml"):
        drawn = ladder.figure(pages.rungs())
        small = figure.drawn(drawn, "pdf")  # not fitted: another width
        for text in drawn.findobj(Text):
            text.set_fontsize(3)
    wanted = figure.VENUES["icml"].width
    assert "in wide" in pages.fit(small, wanted)
    assert "texts small" in pages.fit(figure.drawn(drawn, "pdf"), wanted)
    assert "Type 3" in pages.fit(small + pages.TYPE3, wanted)


def test_a_verdict_that_changes_is_seen():
    found = pages.verification()
    known = seeds.verdicts(found)
    assert seeds.changed(known, known) == []
    assert seeds.changed(known, dict.fromkeys(known, "holds")) and seeds.changed(known, {})


def test_other_seeds_are_verified():
    """A claim that holds, and its controls, which break as declared."""
    found = seeds.verified(seeds.STEP, ("linear",), ("alignment-is-ggn-form",))
    (claim,) = found.claims
    assert str(claim.verdict) == "holds" and claim.seeds == seeds.EACH
    said = seeds.verdicts(found)
    assert len(said) == 1 + len(claim.tried) > 1 and set(said.values()) >= {"holds", "yes"}


def test_a_gpu_that_is_not_there_is_no_success_and_said(capsys):
    if jax.default_backend() == "gpu":
        pytest.skip("one is there")
    assert reliability.main(["R21"]) == 0
    assert "not measured" in capsys.readouterr().out


def test_an_identity_that_does_not_hold_in_numbers_would_be_seen():
    x, y = sp.symbols("x y", positive=True)
    same, wrong, unknown = (sp.sqrt(x**2), x), (x + y, x + 1.000001 * y), (sp.Function("f")(x), x)
    row = Row("", "")
    assert (
        identities.measured(row, "made up", [same, ((x + y) ** 2, x**2 + 2 * x * y + y**2), wrong, unknown], Random(0))
        == 1
    )
    assert row.count == 2 and len(row.missed) == 1


def test_identities_of_a_proof_hold_in_numbers():
    row = identities.r16(quick=True)
    assert row.ok and row.count > 20
