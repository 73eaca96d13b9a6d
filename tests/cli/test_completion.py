"""Completion: every verb and flag is known to every shell, and bash does as its script says."""

import shutil
import subprocess
from functools import cache

import pytest

from subtheory.claims import CLAIMS
from subtheory.cli import main
from subtheory.cli.completion import names, script
from subtheory.cli.parser import SHELLS, build
from subtheory.networks import NETWORKS
from subtheory.study.experiment import experiments


@cache
def written(shell: str) -> str:
    return script(shell, build(), names())


@pytest.mark.parametrize("shell", SHELLS)
def test_every_verb_and_flag_and_name_is_there(shell: str) -> None:
    text = written(shell)
    verbs = next(action for action in build()._actions if action.dest == "verb").choices
    for verb, parser in verbs.items():
        assert verb in text
        for flag in (flag for action in parser._actions for flag in action.option_strings if flag.startswith("--")):
            assert (f"-l {flag[2:]}" if shell == "fish" else flag) in text, (verb, flag)
    for name in (*CLAIMS, *NETWORKS, *experiments()):
        assert name in text


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_can_read_its_script(shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run([shell, "-n"], input=written(shell), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


ASKED = """
ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _subtheory; echo "${COMPREPLY[*]}"; }
ask subtheory ver
ask subtheory verify trait-loss-falls-b
ask subtheory verify --network mlp,x
ask subtheory verify --network conv
ask subtheory verify --qui
ask subtheory certify --network attent
ask subtheory run eps
ask subtheory run --seeds ""
ask subtheory sweep sta
ask subtheory verify --out x
ask subtheory figures --venue jm
"""


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
def test_bash_completes_what_was_begun() -> None:
    text = written("bash") + ASKED
    done = subprocess.run(["bash"], input=text, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.split("\n")[:-1] == [
        "verify", "trait-loss-falls-below-its-step", "", "convnet", "--quick --quiet", "attention", "eps_ladder", "",
        "status", "", "jmlr",
    ]  # fmt: skip


def test_the_verb_prints_the_script(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash"]) == 0
    assert capsys.readouterr().out == written("bash")
    assert main(["completion", "tcsh"]) == 2
    assert "invalid choice: 'tcsh'" in capsys.readouterr().err
