"""The page of the map: every link leads somewhere, all is closed and escaped, and no script but its own runs."""

import json
import re
import shutil
import subprocess
from html import unescape

import pytest

from subtheory.atlas import COLUMNS, read
from subtheory.claims import CLAIMS
from subtheory.cli import main
from subtheory.errors import InputError
from subtheory.pages import map as page
from subtheory.pages import report, scripted
from subtheory.verification.results import Verification

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
TEXT = page.page()
FRAME = (
    '<!DOCTYPE html><style>html,body{margin:0}</style><iframe id="f" width="390" height="900" src="map.html"></iframe>'
)


def links(text):
    return [unescape(href) for href in re.findall(r'<a href="([^"]+)"', text)]


def test_every_link_leads_to_a_place_on_the_page():
    ids = re.findall(r'\bid="([^"]+)"', TEXT)
    assert len(ids) == len(set(ids))
    assert {href.removeprefix("#") for href in links(TEXT)} <= set(map(unescape, ids))
    assert {f"{node.kind}-{node.name}" for node in read().nodes.values()} <= set(ids)


def test_claims_lead_to_the_report():
    there = {"cosine-limit": "holds", "trait-loss-falls": "fails"}
    report = links(page.page(there, "report"))
    assert {href for href in report if href.startswith("report.html#")} == {f"report.html#{name}" for name in there}


def test_verdicts_stand_in_the_table():
    assert "✗</b> fails" in page.page({"trait-loss-falls": "fails"}, "report")
    assert "fails</td>" not in TEXT


def test_equal_bytes_and_three_files(tmp_path):
    first, second = page.write(tmp_path / "a"), page.write(tmp_path / "b")
    assert [path.name for path in first] == ["map.html", "map.svg", "map.csv"]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(first, second, strict=True))
    assert len(first[2].read_text("utf-8").splitlines()) == 1 + len(CLAIMS)


def test_only_its_own_script_may_run():
    code = re.search(r"<script>(.*?)</script>", TEXT, re.DOTALL)[1]
    assert scripted.digest(code) in unescape(TEXT) and TEXT.count("<script") == 1 and "script-src 'unsafe" not in TEXT
    assert not re.search(r'\bon\w+="|(?:src|href)="https?:', TEXT)


def test_counts_add_up():
    *parts, total = page.summary()
    assert total["claims"] == len(CLAIMS)
    assert all(sum(row[name] for row in parts) == total[name] for name in ("claims", *COLUMNS))


def test_the_verb(tmp_path, capsys):
    assert main(["map", "--json", "--out", str(tmp_path)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["claims"]) == len(CLAIMS) and len(told["edges"]) == len(read().edges)
    assert main(["map"]) == 0
    assert "dynamics, many steps" in capsys.readouterr().out
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="output"):
        page.write(tmp_path / "file")


@pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")
def test_it_runs_in_a_browser_as_wide_as_a_phone(tmp_path):
    page.write(tmp_path)
    check = "<script>onload=()=>{const d=f.contentDocument,e=d.documentElement;document.title=JSON.stringify("
    check += "[e.scrollWidth-e.clientWidth,d.getElementById('told').textContent,"
    check += "d.querySelector('details:target')?.open])}</script>"
    (tmp_path / "frame.html").write_text(FRAME.replace("map.html", "map.html#claim-cosine-limit") + check)
    ran = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", "--dump-dom",
         "--enable-logging=stderr", "--v=0", f"--user-data-dir={tmp_path / 'user'}",
         (tmp_path / "frame.html").as_uri()],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    wide, told, opened = json.loads(unescape(re.search(r"<title>(.*?)</title>", ran.stdout)[1]))
    assert wide == 0 and told == f"{len(CLAIMS)} of {len(CLAIMS)} claims" and opened is True
    assert "CONSOLE" not in ran.stderr


def test_a_report_links_to_the_pages_that_lie_beside_it():
    nothing = Verification(())
    for link in ('<a href="map.html">', '<a href="explorer.html">'):
        assert link in report.page(nothing, beside=True) and link not in report.page(nothing)
