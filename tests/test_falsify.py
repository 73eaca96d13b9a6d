"""`falsify`: finds what is false, spares what is true, and its files run again from their numbers alone."""

import json
import random
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import find

from subtheory import counterexample, falsification, strategies
from subtheory.claim import Evidence, claim
from subtheory.claims import CLAIMS, OVER_READINGS
from subtheory.claims.over_readings import DeadZones
from subtheory.cli import main
from subtheory.cli.falsify import seconds
from subtheory.falsification import domain, judge, refutes, search
from subtheory.theory.losses import SquaredError

MINE = '''
from subtheory import strategies as sts
from subtheory.claim import Evidence, claim

@claim(formula="D(ε) ≥ 2ε|Δ|²", source="a guess",
       cases=lambda: sts.distillations(networks=["linear"], losses=["squared-error"], teachers=["random"]))
def alignment_is_large(m):
    """The alignment is at least twice what the teacher moved."""
    ratio = float(min(m.alignment / (m.eps * m.delta_norm**2)))
    return Evidence(ratio, 2.0, ratio - 2.0)
'''


def one_loss(shape, **how):
    """Cases of one shape under squared error: its program compiles fastest."""
    squared = (SquaredError(),)
    several = list(strategies.combinations([shape], squared, ("random",), ("aux",)))
    return [strategies.chosen(several).flatmap(lambda s: strategies.cases(s, together=squared, **how))]


@pytest.mark.parametrize("name", OVER_READINGS)
def test_an_over_reading_is_refuted_from_nothing(name, tmp_path):
    """Each by the first of its strategies, and again from its file; the budget is for the slowest machine."""
    over = OVER_READINGS[name]
    found = search(over, 240, drawn=domain(over)[:1])
    assert found.found is not None and found.evidence is not None
    stated = counterexample.state(over, found.found, found.evidence, None, strategies.SHAPES)
    again = counterexample.read(counterexample.write(tmp_path / "c.json", stated))
    assert again == json.loads(json.dumps(stated))
    evidence, still = counterexample.replay(over, again, strategies.SHAPES)
    assert still and evidence is not None and evidence.margin == pytest.approx(found.evidence.margin, rel=1e-6)


def cosine_below(bound):
    """A planted claim: the two updates are never this parallel."""

    @claim(formula=f"cos < {bound}", source="a plant")
    def never_parallel(m):
        """The two updates are never nearly parallel."""
        cosine = float(np.max(m.alignment / (m.update_norm * m.delta_norm)))
        return Evidence(cosine, bound, bound - cosine)

    return never_parallel


def test_ascent_goes_further_than_what_was_drawn():
    """From one drawn case, the gradient of the margin by finite differences and one pullback."""
    drawn = find(one_loss("tanh-3")[0], lambda c: judge(cosine_below(1), c) is not None, random=random.Random(0))
    start = judge(cosine_below(1), drawn)
    run = falsification._Run(falsification.Search(cosine_below(1), None), 60, None)
    run.state.worst[0] = [(start.margin, 0, drawn)]
    run.ascend(0)
    assert run.state.margin < 0.2 * start.margin


def test_a_search_is_deterministic():
    first, second = (search(cosine_below(0.4), 120, drawn=one_loss("tanh-3")) for _ in range(2))
    assert first.found is not None and first.evidence.margin < 0
    assert second.after == first.after  # how far it is made simpler depends on the clock


def test_what_is_true_is_spared():
    true = CLAIMS["alignment-is-ggn-form"]
    found = search(true, 4, drawn=one_loss("tanh-3"))
    assert found.found is None and found.cases > 0 and 0 <= found.margin <= 1
    assert found.sentence.startswith(f"nothing found: {found.cases} cases tried in ")


def test_one_ladder_alone_refutes_nothing():
    """sin(kθ) fails where ε is not small, and holds on a finer ladder: no counterexample, but for small-eps."""
    positive = CLAIMS["alignment-is-positive"]
    (control,) = [c for c in positive.controls if c.assumption.name == "small-eps"]
    d = control.witnesses()[0].distillation(0)
    assert falsification.fails(judge(positive, d))
    assert not refutes(positive, d)
    assert refutes(positive, d, without="small-eps")


def test_numbers_that_are_not_finite_refute_nothing():
    d = CLAIMS["kink-reverses-alignment"].settings()[0].distillation(0)
    broken = replace(d, x=np.full_like(d.x, np.nan))
    assert judge(CLAIMS["kink-reverses-alignment"], broken) is None


def test_dead_zones_are_decided_in_rationals():
    square = DeadZones((1,), (0,), ((1, (1,), 0, 2),))
    assert square.quadratic_form() == 2 and square.zero_until() is None
    blind = DeadZones((1,), (-1,), ((1, (1,), 1, 2),))
    assert blind.quadratic_form() == 0 and blind.zero_until() == Fraction(1, 2)
    assert blind.alignment(Fraction(3)) == -2 * (6 - 1)
    unmoved = DeadZones((0,), (1,), ((1, (1,), 0, 2),))
    assert unmoved.first_seen() is None
    over = OVER_READINGS["dichotomy-for-every-convex-loss"]
    assert [over.check(case).margin for case in (square, blind, unmoved)] == [1.0, -1.0, 1.0]
    with pytest.raises(ValueError, match="k ≥ 2"):
        DeadZones((1,), (0,), ((1, (1,), 0, 1),))


# Command line --------------------------------------------------------------------------------------


QUICK = ["falsify", "dichotomy-for-every-convex-loss", "--budget", "20", "--no-cache"]


def test_found_written_replayed_and_refused_when_altered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "found.json"
    assert main([*QUICK, "--out", str(file)]) == 1
    assert "counterexample found after" in capsys.readouterr().out
    assert main(["falsify", "--replay", str(file), "--no-cache", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["fails"] is True
    text = file.read_text("utf-8")
    assert "<=" in text and '"q": "0"' in text
    file.write_text(
        text.replace('"schema": 1', '"schema": 1 ').replace('"kind": "exact"', '"kind": "exactly"'), "utf-8"
    )
    assert main(["falsify", "--replay", str(file), "--no-cache"]) == 4
    assert "SHA-256" in capsys.readouterr().err
    assert main(["falsify", "--replay", str(tmp_path / "none.json"), "--no-cache"]) == 4
    assert "missing" in capsys.readouterr().err


def test_a_file_that_does_not_fit_its_claim_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its hash is right, its contents are not: another kind, and then a case that is none."""
    over = OVER_READINGS["dichotomy-for-every-convex-loss"]
    case = DeadZones((1,), (0,), ((1, (1,), 0, 2),))
    stated = counterexample.state(over, case, over.check(case), None, strategies.SHAPES)
    assert main(["falsify", "--replay", str(counterexample.write(tmp_path / "c.json", stated)), "--no-cache"]) == 0
    assert "no counterexample" in capsys.readouterr().out
    for values in ({}, {"velocity": [1], "acceleration": [], "terms": []}):
        spoilt = {**stated, "case": {"kind": "exact", "values": values, "shown": {}}}
        del spoilt["sha256"]
        spoilt = {"sha256": counterexample.cell_id(spoilt), **spoilt}
        file = counterexample.write(tmp_path / "d.json", spoilt)
        assert main(["falsify", "--replay", str(file), "--no-cache"]) == 4
        assert capsys.readouterr().err.count("\n") == 1


def test_a_claim_of_ones_own_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine, file = tmp_path / "my_claims.py", tmp_path / "c.json"
    mine.write_text(MINE, "utf-8")
    words = ["falsify", "--claims", str(mine), "--no-cache", "--json"]
    assert main([*words, "--budget", "30s", "--out", str(file)]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["found"] and found["claim"] == "alignment-is-large" and found["worst_margin"] < 0
    assert main([*words, "--replay", str(file)]) == 1
    capsys.readouterr()
    assert main(["falsify", "--replay", str(file), "--no-cache"]) == 2  # without the file nobody knows the claim
    assert "alignment-is-large" in capsys.readouterr().err


def test_nothing_found_is_said_with_numbers(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    words = ["falsify", "kink-reverses-alignment", "--budget", "2s", "--out", str(file), "--no-cache"]
    assert main(words) == 0
    assert "nothing found: " in capsys.readouterr().out and not file.exists()
    assert main([*words, "--without", "input-on-a-kink"]) == 1
    capsys.readouterr()
    assert main(["falsify", "--replay", str(file), "--no-cache"]) == 1
    assert "still a counterexample" in capsys.readouterr().out


BAD = [
    (["trait-loss-fals"], "trait-loss-falls"),
    ([], "claim: must be one of"),
    (["trait-loss-falls", "--budget", "soon"], "budget"),
    (["trait-loss-falls", "--budget", "0s"], "'0s'"),
    (["trait-loss-falls", "--budget", "-5"], "budget"),
    (["trait-loss-falls", "--seed", "-1"], "seed"),
    (["trait-loss-falls", "--seed", "x"], "seed"),
    (["trait-loss-falls", "--without", "shared-int"], "shared-init"),
    (["trait-loss-falls", "--without", "same-architecture"], "subtheory verify"),
    (["cosine-limit", "--out", "."], "out"),
    (["--claims", "no_such_file.py"], "claims"),
    (["--claims", __file__ + "x"], "claims"),
]


@pytest.mark.parametrize(("words", "named"), BAD, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_bad_input_is_one_line(words: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["falsify", "--no-cache", *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1 and named in err


@pytest.mark.parametrize(("text", "value"), [("90", 90), ("60s", 60), ("2m", 120), ("0.5m", 30)])
def test_budgets(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("broken", ["raise ValueError('no')", "x = (", "x = 1"])
def test_a_broken_claims_file_is_one_line(broken: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.py").write_text(broken, "utf-8")
    assert main(["falsify", "--claims", str(tmp_path / "mine.py"), "--no-cache"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
