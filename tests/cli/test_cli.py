"""The command line: exit codes, one line for bad input, JSON, and planted errors that it must name."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from subtheory.audit import PLANTS, planted
from subtheory.cli import environment, main
from subtheory.cli.parser import build

PROGRAM = [sys.executable, "-m", "subtheory"]

BAD = [
    (["verify", "alignment-is-ggn-from"], "alignment-is-ggn-form"),
    (["verify", "--network", "mlq"], "mlq"),
    (["verify", "--network", "mlp,convnot"], "convnot"),
    (["verify", "--loss", "cros-entropy"], "cross-entropy"),
    (["verify", "--channel", "unifrom"], "uniform"),
    (["verify", "--network", "transformer", "--channel", "uniform"], "uniform"),
    (["verify", "--without", "shared-int"], "shared-init"),
    (["verify", "--eps", "0"], "eps: must be a positive number, got 0"),
    (["verify", "--eps", "-0.1"], "-0.1"),
    (["verify", "--eps", "nan"], "nan"),
    (["verify", "--eps", "inf"], "inf"),
    (["verify", "--eps", "small"], "small"),
    (["verify", "--eps"], "eps"),
    (["verify", "--seeds", "0"], "seeds"),
    (["verify", "--seeds", "-1"], "-1"),
    (["verify", "--seeds", "1.5"], "1.5"),
    (["verify", "--device", "abacus"], "abacus"),
    (["verify", "--quick", "--full"], "--full"),
    (["verify", "--netwrok", "mlp"], "--network"),
    (["verify", "--out", __file__], "out"),
    (["explain", "trait-loss-fals"], "trait-loss-falls"),
    (["explain"], "CLAIM"),
    (["run", "eps-lader"], "eps"),
    (["certify", "--network", "tanh-2-4"], "tanh-2-4-2"),
    (["certify", "--loss", "kl"], "kl"),
    (["certify", "--upto", "0"], "upto: must be a positive number, got 0"),
    (["certify", "--upto", "far"], "far"),
    (["certify", "--alpha", "-1"], "alpha"),
    (["certify", "--seed", "4294967296"], "4294967296"),
    (["certify", "--out", "x.json"], "one --network and one --loss"),
    (["verfy"], "verfy"),
    ([], "VERB"),
    (["cite", "--no-such-flag"], "--no-such-flag"),
]


@pytest.mark.parametrize(("words", "named"), BAD, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_bad_input_is_one_line_that_names_it(words: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert named in err
    assert "Traceback" not in err


def test_every_verb_speaks_json() -> None:
    verbs = next(action for action in build()._actions if action.dest == "verb").choices
    assert verbs
    for name, parser in verbs.items():
        flags = {flag for action in parser._actions for flag in action.option_strings}
        assert "--json" in flags, name


@pytest.mark.parametrize("words", [["claims"], ["explain", "trait-loss-falls"], ["cite"], ["doctor", "--no-cache"]])
def test_short_verbs_print_text_and_json(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    text = capsys.readouterr().out
    assert main([*words, "--json"]) == 0
    assert isinstance(json.loads(capsys.readouterr().out), dict)
    assert len(text.splitlines()) > 3


def test_claims_json_has_the_promised_names(capsys: pytest.CaptureFixture[str]) -> None:
    main(["claims", "--json"])
    claims = json.loads(capsys.readouterr().out)["claims"]
    for claim in claims:
        assert {"name", "statement", "tier", "assumptions", "proof", "source"} <= set(claim)
    assert any("shared-init" in claim["assumptions"] for claim in claims)


SMALL = ["verify", "--network", "mlp", "--seeds", "2", "--no-cache", "--json"]


def test_verify_holds_and_fails_without_an_assumption(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    words = [*SMALL, "alignment-is-ggn-form", "--loss", "squared-error,kl"]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == 2
    assert found["ok"] is True
    assert found["provenance"]["seeds"] == [0, 1]
    (claim,) = found["claims"]
    assert claim["verdict"] == "holds"
    assert claim["measured"] == pytest.approx(claim["predicted"], rel=1e-3)
    assert {c["without"] for c in claim["controls"]} >= {"shared-init", "gradient-student", "small-eps"}

    assert main([*words, "--without", "shared-init"]) == 1
    without = json.loads(capsys.readouterr().out)
    assert without["ok"] is False
    assert without["claims"][0]["verdict"] == "fails"
    assert not out.exists()


def test_certify_writes_checks_and_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(tmp_path / "certificate.json")
    one = ["certify", "--network", "tanh-2-4-2", "--loss", "squared-error"]
    assert main([*one, "--out", file, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["certified"]
    assert [row["statement"][:4] for row in rows] == ["D(ε)", "L_T("] and all(row["boxes"] > 0 for row in rows)
    assert main(["certify", "--check", file]) == 0
    assert main([*one, "--check", file, "--json"]) == 0
    assert main([*one, "--upto", "1.2"]) == 1
    capsys.readouterr()
    assert main([*one, "--seed", "2", "--check", file]) == 4
    assert main(["certify", "--network", "gelu-2-4-2", "--check", file]) == 4
    assert main(["certify", "--check", str(tmp_path / "none.json")]) == 4
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and all(line.startswith("error: ") for line in lines)


def test_strict_tells_vacuous_from_holding(capsys: pytest.CaptureFixture[str]) -> None:
    # A linear network under squared error has no second-order term: nothing to check.
    words = [*SMALL, "alignment-to-second-order", "--network", "linear", "--loss", "squared-error"]
    words.remove("mlp")
    words.remove("--network")
    assert main(words) == 0
    (claim,) = json.loads(capsys.readouterr().out)["claims"]
    assert claim["verdict"] == "vacuous"
    assert claim["reason"]
    assert main([*words, "--strict"]) == 3


# Claims whose controls need no constructed witness, so that a plant costs two compilations.
CHECKED = ["alignment-by-one-jvp", "cosine-limit", "distance-has-a-critical-step"]
PLANTED = ["verify", *CHECKED, "--network", "linear", "--seeds", "2", "--channel", "uniform", "--no-cache", "--json"]
PLANTED += ["-j", "1"]  # a plant is made in this process


# All plants are tried on the claims themselves, in test_controls; here it is the command that has to say so.
@pytest.mark.parametrize("name", ["wrong-sign", "permuted-logits"])
def test_a_planted_error_is_named(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with planted(PLANTS[name]):
        code = main(PLANTED)
    found = json.loads(capsys.readouterr().out)
    assert code == 1
    assert found["ok"] is False
    assert [claim["name"] for claim in found["claims"] if claim["verdict"] == "fails"]


def test_without_a_planted_error_the_same_command_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(PLANTED) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True


def _start(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen([*PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from subtheory.cli.parser import build; build().format_help(); print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in ("'jax'", "'numpy'", "'flax'", "'matplotlib'", "'rich'", "'sympy'", "'scipy'"):
        assert heavy not in loaded


def test_a_closed_pipe_is_no_error() -> None:
    with _start("cite") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode in (0, 141)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_whoever_stops_a_verification_stops_its_workers(how: signal.Signals) -> None:
    # Jobs in the background of a script inherit an ignored SIGINT, which this test must not.
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from subtheory.cli import program; program()"
    )
    words = [sys.executable, "-c", code, "verify", "--network", "linear,mlp,mlp-relu", "--no-cache", "-j", "2"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        for _ in range(600):  # the first child is multiprocessing's own
            if len(children.read_text().split()) > 1:
                break
            time.sleep(0.1)
        time.sleep(1)  # who is killed while starting another process cannot tell it anything
        process.send_signal(how)
        _, err = process.communicate(timeout=20)  # until nobody holds the pipes any more
    assert process.returncode == (130 if how == signal.SIGINT else -how)
    assert "Traceback" not in err
    kept = re.compile(r"interrupted: \d+ of \d+ parts are kept; .+")
    # Behind it may stand what Python's own tracker of resources says.
    assert how == signal.SIGKILL or any(map(kept.fullmatch, err.splitlines())), err


def test_no_such_device_is_one_line() -> None:
    done = subprocess.run(
        [*PROGRAM, "verify", "--device", "tpu"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "device" in done.stderr


@pytest.mark.parametrize("words", [["verify"], ["run", "eps_ladder"]], ids=["verify", "run"])
def test_a_variable_that_jax_refuses_is_one_line(words: list[str]) -> None:
    """Also where JAX is imported before devices are chosen, as an experiment does."""
    wrong = os.environ | {"JAX_ENABLE_X64": "maybe"}
    done = subprocess.run([*PROGRAM, *words], env=wrong, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == "error: JAX_ENABLE_X64: JAX takes no such value, got 'maybe'\n"


def test_an_error_of_anything_else_is_no_fault_of_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of another text, or once JAX is there: such an error is a fault of the program."""
    said = ValueError("invalid truth value 'maybe' for environment 'JAX_ENABLE_X64'")
    monkeypatch.setenv("JAX_ENABLE_X64", "maybe")
    assert environment.refused(said) is None
    monkeypatch.delitem(sys.modules, "jax")
    assert environment.refused(said) is not None and environment.refused(ValueError("math domain error")) is None
