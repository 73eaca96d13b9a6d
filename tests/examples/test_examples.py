"""The examples run from top to bottom, at a smaller size, and say what they promise."""

import re
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SMALLER = {"SEEDS": "1", "AMOUNTS": "(0, 1)", "CLAIMS": '["alignment-is-ggn-form", "trait-loss-falls"]'}


def ran(name: str) -> dict[str, Any]:
    """What an example leaves behind; its constants stand at the start of a line."""
    text = (EXAMPLES / f"{name}.py").read_text("utf-8")
    assert text.count("\n# %% ") >= 3
    for constant, value in SMALLER.items():
        text = re.sub(rf"^{constant} = .*$", f"{constant} = {value}", text, flags=re.MULTILINE)
    names: dict[str, Any] = {"__name__": "__main__"}
    with matplotlib.rc_context({"backend": "agg"}):
        exec(compile(text, name, "exec"), names)  # the code is our own example
        plt.close("all")
    return names


def test_own_model_is_validated(capsys: pytest.CaptureFixture[str]) -> None:
    found = ran("validate_your_model")
    assert found["result"].ok and "<table" in found["html"]
    assert "trait-loss-falls: holds, measured -1.0" in capsys.readouterr().out


def test_own_init_is_ablated(capsys: pytest.CaptureFixture[str]) -> None:
    found = ran("ablate_your_init")
    assert found["walked"].ok and "<table" in found["html"]
    assert re.search(r"permutation: alignment \S+, trait change 1\.000", capsys.readouterr().out)


def test_paper_figure_has_the_width_of_its_venue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = ran("paper_figure")
    assert found["ax"].get_title(loc="left") == found["TITLE"]
    (page,) = re.findall(rb"/MediaBox \[ ?0 0 ([\d.]+) ", (tmp_path / "ablation.pdf").read_bytes())
    assert float(page) == pytest.approx(5.5 * 72, abs=0.1)
