"""README and docs/adding.md: tables come from the code, snippets work where they say, the start says what matters."""

import importlib.util
import re
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import numpy as np
import pytest

from subtheory import Linear, check, float64
from subtheory.claims import CLAIMS
from subtheory.cli import __doc__ as exit_codes
from subtheory.cli import main
from subtheory.proof.running import Ran
from subtheory.setting.setting import Setting

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text("utf-8")
ADDING = (ROOT / "docs" / "adding.md").read_text("utf-8")
START = "\n".join(TEXT.splitlines()[:30])
SNIPPETS = re.findall(r"^```python\n(# (\S+?\.py).*?)^```", ADDING, re.DOTALL | re.MULTILINE)


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("readme", ROOT / "scripts" / "readme.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def snippet(where: str) -> dict[str, Any]:
    """What the page's snippet for that file defines, run among the names of that module."""
    (code,) = [code for code, path in SNIPPETS if path == where]
    assert len(code.splitlines()) <= 14
    names: dict[str, Any] = {"__name__": "snippet"}
    if where.startswith("src/"):
        module = import_module(where.removeprefix("src/").removesuffix(".py").replace("/", "."))
        names |= vars(module)
    before = set(names)
    exec(compile(code, where, "exec"), names)  # the code is our own page
    return {name: value for name, value in names.items() if name not in before}


def test_tables_are_current() -> None:
    readme = script()
    for page in readme.TABLES:
        assert readme.current(page) == page.read_text("utf-8"), "run scripts/readme.py"


def test_a_claim_is_proved_only_if_its_proof_names_it_and_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    readme = script()
    claim = CLAIMS["zero-branch-is-exact"]
    assert readme.tier(claim) == "proved"
    assert readme.tier(replace(claim, name="another")) == "measured"
    failed = Ran("step", "A sentence.", 1, 0.0, failed="1 is not 2")
    monkeypatch.setattr(readme, "prove", lambda proof: [failed])
    assert readme.tier(replace(claim, source="again")) == "measured"


def test_start_says_what_a_stranger_needs() -> None:
    commands = ("make verify", "make test", "Python ≥ 3.11", "pip install -e .")
    for needed in (*commands, "ε ΔᵀGΔ + O(ε²) ≥ 0", "exactly zero", "!["):
        assert needed in START


def test_readme_is_short() -> None:
    assert len(TEXT.splitlines()) <= 200


def test_file_of_the_readme_is_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"^```python\n# mine.py\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    (tmp_path / "mine.py").write_text(code, "utf-8")
    own = ["--model", f"{tmp_path}/mine.py:network", "--seeds", "1"]
    assert main(["verify", "alignment-is-ggn-form", *own]) == 0
    assert "1 of 1 claim" in capsys.readouterr().out


def test_exit_codes_are_those_of_the_command_line() -> None:
    for code in ("0", "1", "2", "3", "4", "130"):
        assert re.search(rf"\b{code}\b", exit_codes or "")
        assert re.search(rf"Exit codes:.*\b{code} ", TEXT, re.DOTALL)
    assert main(["verify", "no-such-claim"]) == 2


def test_layout_names_folders_that_exist() -> None:
    (block,) = re.findall(r"## Where things are\n+```\n(.*?)```", ADDING, re.DOTALL)
    folders = re.findall(r"[\w/]+/(?=\s)", block)
    assert folders
    for folder in folders:
        assert (ROOT / folder).is_dir(), folder


def test_claim_of_the_page_holds_and_fails_without_its_assumption() -> None:
    claim = snippet("src/subtheory/claims/first_order.py")["alignment_is_proportional"]
    setting = Setting(Linear())
    assert check(claim, setting, seeds=2).verdict == "holds"
    assert check(claim, setting, seeds=2, without="shared-init").verdict == "fails"


def test_network_of_the_page_computes_in_float64() -> None:
    from subtheory.networks import require_float64

    network = snippet("src/subtheory/networks/mlp.py")["Gated"]()
    with float64():
        params = network.init(jax.random.key(0))
    x = np.zeros(network.example.shape)
    require_float64(network, params, x)
    with float64():
        assert network.apply(params, x).shape == (network.task.outputs,)


def test_loss_of_the_page_states_its_own_hessian() -> None:
    loss = snippet("src/subtheory/theory/losses.py")["PseudoHuber"]()
    with float64():
        y, v, w = jax.random.normal(jax.random.key(0), (3, 4), "float64")
        w = w**2
        by_jax = jax.hessian(lambda z: loss.value(z, y, w))(y) @ v
        np.testing.assert_allclose(loss.hessian(y, v, w), by_jax, atol=1e-12)
        np.testing.assert_allclose(jax.grad(lambda z: loss.value(z, y, w))(y), 0, atol=1e-12)


def test_teacher_of_the_page_is_a_direction() -> None:
    from subtheory.setting.setting import Setting

    teacher = snippet("src/subtheory/setting/teachers.py")["SignDescent"]()
    plain = Setting(Linear()).distillation(0).delta
    found = Setting(Linear(), teacher=teacher).distillation(0).delta
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a, np.sign(b)), found, plain)


def test_student_of_the_page_aligns_and_is_another_one() -> None:
    rule = snippet("src/subtheory/theory/rule.py")["Momentum"]()
    setting = Setting(Linear()).but(rule=rule)
    assert check(CLAIMS["alignment-is-positive"], setting, seeds=2).verdict == "holds"
    assert check(CLAIMS["alignment-is-ggn-form"], setting, seeds=2).verdict == "fails"
    assert check(CLAIMS["alignment-is-ggn-form"], setting.but(rule=replace(rule, steps=1)), seeds=2).verdict == "holds"


def test_view_of_the_page_cuts_off_and_turns_what_is_beyond() -> None:
    view = snippet("src/subtheory/theory/views/view.py")["Clipped"]()
    np.testing.assert_array_equal(view.labels(np.array([0.04, -3.0, 1.5]), np.ones(3)), [0.04, -1.0, 1.0])
    claim, setting = CLAIMS["alignment-is-ggn-form"], Setting(Linear())
    assert check(claim, setting.but(view=replace(view, bound=0.1)), seeds=2).verdict == "fails"
    assert check(claim, setting.but(view=replace(view, bound=1e3)), seeds=2).verdict == "holds"


def test_channel_of_the_page_draws() -> None:
    from subtheory import DIGITS

    channel = snippet("src/subtheory/data/channels.py")["SaltAndPepper"]()
    with float64():
        x = channel.inputs(jax.random.key(0), 5, DIGITS)
    assert x.shape == (5, *DIGITS.shape) and x.dtype == np.float64
    assert set(np.unique(x)) == {-1.0, 1.0}


def test_experiment_of_the_page_is_one() -> None:
    from subtheory.study.experiment import PARTS

    found = snippet("experiments/critical_step.py")
    assert set(PARTS) <= set(found)
    rows = [{"seed": 0, "step": 20.0}, {"seed": 1, "step": 30.0}]
    assert found["figure"]({"critical_step": rows}).axes


@pytest.mark.parametrize("path", [path for _, path in SNIPPETS])
def test_snippets_name_files_that_exist_or_new_experiments(path: str) -> None:
    assert (ROOT / path).is_file() or path.startswith("experiments/")
