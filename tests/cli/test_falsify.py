"""`falsify`: what it finds runs again from its file, and bad input is one line."""

import json
from pathlib import Path

import pytest

from subtheory.cases import strategies
from subtheory.claims import OVER_READINGS
from subtheory.claims.over_readings import DeadZones
from subtheory.cli import main
from subtheory.cli.verbs.falsify import seconds
from subtheory.falsification import counterexample

MINE = '''
from subtheory.cases import strategies as sts
from subtheory.claim import Evidence, claim

@claim(formula="D(ε) ≥ 2ε|Δ|²", source="a guess",
       cases=lambda: sts.distillations(networks=["linear"], losses=["squared-error"], teachers=["random"]))
def alignment_is_large(m):
    """The alignment is at least twice what the teacher moved."""
    ratio = float(min(m.alignment / (m.eps * m.delta_norm**2)))
    return Evidence(ratio, 2.0, ratio - 2.0)
'''


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
        text.replace('"schema": 2', '"schema": 2 ').replace('"kind": "exact"', '"kind": "exactly"'), "utf-8"
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
    (["permuted-init-transmits-alike"], "compares several runs"),
    (["raw-step-approaches-the-teacher", "--without", "one-jacobian"], "subtheory verify"),
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
