"""`subtheory audit`: a table, its files, and an exit code that says whether a target was missed."""

import json

import pytest

from subtheory.audit import Check, running
from subtheory.cli import main

GOOD = Check(
    "R9", "planted errors are caught", 4, "2 of 2 kinds", "every kind", True, ({"kind": "wrong-sign", "caught": 2},)
)
BAD = Check("R10", "true claims do not fail", 4, "1 fails", "0 fail", False)


@pytest.mark.parametrize(("checks", "code"), [([GOOD], 0), ([GOOD, BAD], 1)])
def test_a_target_that_is_missed_is_the_exit_code(checks, code, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(running, "CHECKS", [lambda quick, tell, one=one: one for one in checks])
    assert main(["audit", "--quick", "--json", "--no-cache", "--out", str(tmp_path)]) == code
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads((tmp_path / "audit.json").read_text("utf-8"))
    assert found["ok"] is (code == 0) and [check["row"] for check in found["checks"]] == [c.row for c in checks]
    assert found["checks"][0]["details"] == [{"kind": "wrong-sign", "caught": 2}]
    assert len((tmp_path / "audit.csv").read_text("utf-8").splitlines()) == 1 + len(checks)
    assert main(["audit", "--no-cache"]) == code
    said = capsys.readouterr().out
    assert ("misses its target: R10" in said) is (code == 1)


def test_a_folder_that_cannot_be_written_comes_before_the_work(monkeypatch, capsys):
    monkeypatch.setattr(running, "CHECKS", [lambda *_: pytest.fail("computed")])
    assert main(["audit", "--out", __file__]) == 2
    assert capsys.readouterr().err.startswith("error: out:")
