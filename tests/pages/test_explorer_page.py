"""The explorer: the stored grid is whole and as the code finds it, and the page walks through it offline."""

import json
import math
import re
import shutil
import subprocess
from html import unescape

import numpy as np
import pytest

from subtheory.pages import explorer, scripted
from subtheory.study.experiment import experiments

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
GRID = explorer.stored()
TEXT = explorer.page(GRID)


def test_the_stored_grid_is_that_of_the_default_plan():
    module = experiments()["explorer"].module
    walks = [
        (network.name, channel, loss.name, path)
        for network, channels in module.PLAN.networks
        for channel in channels
        for path, _ in module.PLAN.paths
        for loss in module.PLAN.losses
    ]
    assert [tuple(walk[name] for name in explorer.CHOSEN) for walk in GRID["walks"]] == walks
    assert GRID["eps"] == list(module.SIZES) and GRID["seeds"] == module.PLAN.seeds
    for walk in GRID["walks"]:
        assert tuple(walk["amounts"]) == dict(module.PLAN.paths)[walk["path"]]
        for name in explorer.COLUMNS:
            numbers = np.array(walk[name], float)
            assert numbers.shape == (len(walk["amounts"]), len(GRID["eps"]))
            assert np.isfinite(numbers).all() or (name == "positive_predicted" and walk["path"] != "noise")


def test_stored_cells_are_what_the_code_finds():
    """One walk of the default plan anew, two of its amounts; printed digits may turn."""
    module = experiments()["explorer"].module
    network, channels = module.PLAN.networks[0]
    amounts = (0.01, 1.0)
    plan = module.Plan(((network, channels[:1]),), module.PLAN.losses, (("noise", amounts),))
    found = explorer.grid(module.walked(plan, network, channels[0], "noise", amounts)["explorer"])
    for new in found["walks"]:
        old = next(walk for walk in GRID["walks"] if all(walk[name] == new[name] for name in explorer.CHOSEN))
        at = [old["amounts"].index(amount) for amount in amounts]
        for name in explorer.COLUMNS:
            expected = np.array(old[name])[at]
            assert np.allclose(np.array(new[name]), expected, rtol=1e-3, atol=1e-6), (new["loss"], name)


def test_numbers_are_short_and_what_is_none_is_null():
    rows = [
        {"network": "n", "channel": "c", "loss": "l", "path": "noise", "amount": a, "eps": e, "seeds": 2}
        | dict.fromkeys(explorer.COLUMNS, value)
        for a in (0.0, 1.0)
        for e, value in ((0.1, math.pi), (0.01, math.nan))
    ]
    walk = explorer.grid(rows)["walks"][0]
    assert walk["amounts"] == [0.0, 1.0] and all(walk[name] == [[3.142, None]] * 2 for name in explorer.COLUMNS)
    with pytest.raises(AssertionError, match="every cell"):
        explorer.grid(rows[:-1])


def test_only_its_own_script_may_run_and_nothing_is_asked_for():
    code = re.search(r"<script>(.*?)</script>", TEXT, re.DOTALL)[1]
    assert scripted.digest(code) in unescape(TEXT) and "script-src 'unsafe" not in TEXT
    assert not re.search(r'\bon\w+="|(?:src|href)="https?:|url\(', TEXT)
    assert len(TEXT.encode()) < 1_500_000 and TEXT == explorer.page(explorer.stored())
    assert json.loads(re.search(r'id="grid">(.*?)</script>', TEXT, re.DOTALL)[1])["walks"] == GRID["walks"]


def test_without_a_script_there_is_a_table():
    body = re.search(r"<tbody>(.*?)</tbody>", TEXT, re.DOTALL)[1]
    assert body.count("<tr>") == len(GRID["walks"][0]["amounts"]) * len(GRID["eps"])
    assert '<form id="controls" hidden>' in TEXT and '<details id="cells" open>' in TEXT


SCRIPT = """<!DOCTYPE html><style>html,body{margin:0}</style>
<iframe id="f" width="390" height="900" src="explorer.html"></iframe><script>onload = () => {
const d = f.contentDocument, e = d.documentElement, at = id => d.getElementById(id), said = [];
const set = (id, value) => { at(id).value = value; at(id).dispatchEvent(new Event("input", { bubbles: true })); };
const tell = () => said.push([at("walk").textContent, at("eps-told").textContent, at("amount-told").textContent,
  d.querySelector("#of-positive .was").textContent, d.querySelector("#of-positive .said").textContent,
  d.querySelectorAll("#cells tbody tr").length, d.querySelectorAll("#of-trait circle").length]);
tell(); set("network", "transformer"); set("path", "permutation"); set("eps", "0"); set("amount", "6"); tell();
at("cells").open = true;
const out = [...d.querySelectorAll("main *")].filter(one =>
  !one.closest(".wide") && one.getBoundingClientRect().right > 390.5);
const names = [...d.querySelectorAll("select, input")].every(one => one.labels.length === 1 && one.tabIndex === 0);
document.title = JSON.stringify([e.scrollWidth - e.clientWidth, out.length, names, said]); };</script>"""


@pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")
def test_it_walks_in_a_browser_as_wide_as_a_phone(tmp_path):
    explorer.write(tmp_path)
    (tmp_path / "frame.html").write_text(SCRIPT, "utf-8")
    ran = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", "--dump-dom",
         "--enable-logging=stderr", "--v=0", f"--user-data-dir={tmp_path / 'user'}",
         (tmp_path / "frame.html").as_uri()],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    wide, out, named, (first, then) = json.loads(unescape(re.search(r"<title>(.*?)</title>", ran.stdout)[1]))
    assert (wide, out, named) == (0, 0, True) and "CONSOLE" not in ran.stderr
    assert first[0] == "mlp, uniform, squared-error, noise" and first[5] == 42 and first[6] == 7
    assert then[0] == "transformer, random-tokens, squared-error, permutation" and then[1:3] == ["0.1", "1"]
    walk = next(w for w in GRID["walks"] if ", ".join(w[name] for name in explorer.CHOSEN) == then[0])
    assert float(then[3]) == pytest.approx(walk["positive"][6][0], abs=5e-4) and then[4] == "no law"
