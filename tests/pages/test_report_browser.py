"""The report in a browser: no request, nothing on the console, the filter works, a narrow page is not too wide."""

import re
import subprocess
from shutil import which

import pytest
from samples import claim, mixed

from subtheory.claims import CLAIMS
from subtheory.pages import report
from subtheory.verification.results import Verification

BROWSER = which("chromium") or which("chromium-browser") or which("google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
    "--enable-logging=stderr", "--virtual-time-budget=2000", "--allow-file-access-from-files", "--hide-scrollbars",
    "--dump-dom",
)  # fmt: skip

FRAME = """<!DOCTYPE html><iframe id="page" src="all.html" style="width:390px;height:900px;border:0"></iframe>
<script>addEventListener("load", () => { const inside = document.getElementById("page").contentDocument;
inside.querySelectorAll("details").forEach((one) => { one.open = true; });
const wide = [...inside.querySelectorAll("*")].filter((one) => one.getBoundingClientRect().right > 390.5);
document.title = inside.documentElement.scrollWidth + " " + wide.map((one) => one.tagName).join(); });</script>"""
"""Says in its title how wide the page is in a frame of 390 pixels, and what stands out of it, all opened."""

pytestmark = pytest.mark.skipif(not BROWSER, reason="there is no Chromium here")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("report")
    (place / "report.html").write_text(report.page(mixed()), "utf-8")
    every = Verification(tuple(claim(name, formula=one.formula, proof=one.proof) for name, one in CLAIMS.items()))
    (place / "all.html").write_text(report.page(every), "utf-8")
    (place / "frame.html").write_text(FRAME, "utf-8")
    return place


def opened(folder, name):
    """The page as it is after its script has run; the console has to be silent."""
    words = [
        BROWSER,
        *FLAGS,
        f"--user-data-dir={folder / 'profile'}",
        f"{(folder / 'report.html').parent.as_uri()}/{name}",
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    assert "CONSOLE" not in done.stderr
    return done.stdout


def rows(text):
    """Names of the rows in their order, and which are hidden."""
    found = re.findall(r'<tr id="row-([\w-]+)"([^>]*)>', text)
    return [name for name, _ in found], {
        name for name, attributes in found if re.search(r'\shidden(=""|\s|$)', attributes)
    }


def test_without_a_filter_everything_is_shown_in_the_order_of_the_theory(folder):
    text = opened(folder, "report.html")
    order, hidden = rows(text)
    assert order == [claim.name for claim in mixed()] and not hidden and "4 of 4 claims" in text


def test_the_filter_hides_and_sorts(folder):
    order, hidden = rows(opened(folder, "report.html#verdict=fails"))
    assert set(order) - hidden == {"second-order-term"}
    text = opened(folder, "report.html#text=gauss&tier=measured&sort=verdict")
    order, hidden = rows(text)
    assert order == ["second-order-term", "sign-rule", "zero-branch", "alignment-is-ggn-form"]
    assert hidden == {"sign-rule"} and "3 of 4 claims" in text
    assert re.search(r'id="about-sign-rule"[^>]* hidden', text)


def test_a_link_to_a_claim_opens_what_is_said_about_it(folder):
    assert re.search(r'id="about-zero-branch" open', opened(folder, "report.html#about-zero-branch"))


def test_a_page_of_390_pixels_is_not_wider(folder):
    assert "<title>390 </title>" in opened(folder, "frame.html")
