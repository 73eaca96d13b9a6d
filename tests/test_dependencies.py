"""The supply chain: every direct dependency has its reason, and an audit that found nothing out does not say clean."""

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
MOST = 14


@pytest.fixture(scope="module")
def audit():
    spec = importlib.util.spec_from_file_location("audit_dependencies", ROOT / "scripts" / "audit_dependencies.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_direct_dependency_has_its_reason_and_there_are_few():
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    table = re.findall(
        r"^\| ([a-z0-9-]+) \| (.+) \| (.+) \|$", (ROOT / "docs/dependencies.md").read_text("utf-8"), re.M
    )
    assert [name for name, *_ in table if name != "package"] == [Requirement(each).name for each in wanted]
    assert len(wanted) <= MOST


CLEAN = {"name": "a", "version": "1.0", "vulns": []}
HOLE = {"name": "b", "version": "2.0", "vulns": [{"id": "X-1", "fix_versions": ["2.1"]}]}
UNKNOWN = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("found", "last", "code"),
    [
        (None, "not audited", 0),
        ([], "not audited", 0),
        ([UNKNOWN, UNKNOWN], "not audited", 0),
        ([CLEAN], "1 audited, 0 known vulnerabilities", 0),
        ([CLEAN, HOLE], "2 audited, 1 known vulnerabilities", 1),
        ([HOLE, UNKNOWN], "1 audited, 1 known vulnerabilities", 1),
    ],
)
def test_a_pin_that_nothing_is_known_of_is_not_one_without_a_hole(audit, found, last, code):
    lines, given = audit.told(found)
    assert last in lines[-1] and given == code
    assert (UNKNOWN in (found or []) and code == 1) == any(line == "not audited: c" for line in lines)
    assert (code == 1) == any(line == "b 2.0: X-1, mended in 2.1" for line in lines)


def test_every_pin_of_the_lock_is_audited_with_its_hashes(audit):
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    pins = audit.entries(lock)
    assert len(pins) == len(re.findall(r"^[a-z0-9-]+==", lock, re.M)) and all("--hash=sha256:" in pin for pin in pins)


def test_an_audit_that_cannot_run_is_told_in_one_line(audit, monkeypatch, capsys):
    """No uvx, and one that says something else than JSON."""
    for command in (("no-such-program",), ("echo", "no index")):
        monkeypatch.setattr(audit, "COMMAND", command)
        assert audit.main() == 0
        assert capsys.readouterr().out.count("\n") == 1
