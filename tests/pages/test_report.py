"""The report: one page, offline, escaped, the same bytes every time, and honest about what failed or is missing."""

import base64
import csv
import hashlib
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from samples import claim, control, holding, mixed

from subtheory.audit.plants import PLANTS
from subtheory.claim import Verdict
from subtheory.claims import CLAIMS
from subtheory.pages import mathml, report
from subtheory.verification.results import Verification

TABLES = ("claims.csv", "controls.csv", "claims.tex", "references.bib", "verify.json")
NASTY = "<script>alert('x')</script>&\"{{ 7*7 }}"


def ladder():
    """Rows as a verification makes them, for two networks."""
    return [
        {
            "network": network, "init": init, "relative_size": x, "eps": x, "predicted": 1.0, "ratio": 1.0 + x,
            "size": y, "size_low": y / 2, "size_high": 2 * y, "error": x, "error_low": 0.0, "error_high": 2 * x,
            "rounding_bound": 1e-14 / x, "runs": 2,
        }
        for network in ("linear", "mlp")
        for init in ("shared", "independent")
        for x in (1e-6, 1e-3, 1e-1)
        for y in ((1.0,) if init == "shared" else (1 / x,))
    ]  # fmt: skip


class Page(HTMLParser):
    """Tags that are left open, every attribute, and the text."""

    VOID = ("meta", "br", "input")

    def __init__(self, text):
        super().__init__()
        self.open, self.attributes, self.tags, self.text = [], [], [], ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


def test_writes_page_tables_and_figure(tmp_path):
    path = report.write(mixed(), tmp_path / "new", ladder())
    assert path == tmp_path / "new" / "report.html"
    found = {str(p.relative_to(tmp_path / "new")) for p in (tmp_path / "new").rglob("*") if p.is_file()}
    assert found == (
        {"report.html"}
        | {f"tables/{name}" for name in TABLES}
        | {f"figures/eps_ladder.{ending}" for ending in ("pdf", "svg", "png", "csv", "tex")}
    )
    claims = list(csv.DictReader(io.StringIO((tmp_path / "new/tables/claims.csv").read_text("utf-8"))))
    assert [row["verdict"] for row in claims] == ["holds", "fails", "vacuous", "undecided"]
    assert json.loads((tmp_path / "new/tables/verify.json").read_text("utf-8")) == mixed().to_dict()
    assert r"\begin{tabular}" in (tmp_path / "new/tables/claims.tex").read_text("utf-8")


def test_equal_inputs_give_equal_bytes(tmp_path):
    pages = [report.write(mixed(), tmp_path / name, ladder()).read_bytes() for name in ("a", "b")]
    assert pages[0] == pages[1]
    assert report.page(holding()) != report.page(mixed())


def test_page_loads_nothing_and_runs_its_own_script_alone(tmp_path):
    text = report.write(mixed(), tmp_path, ladder()).read_text("utf-8")
    page = Page(text)
    assert not {"link", "iframe", "object", "img", "base"} & set(page.tags) and page.tags.count("script") == 1
    script = re.search(r"<script>(.*)</script>", text, re.DOTALL)[1]
    (policy,) = (value for name, value in page.attributes if name == "content" and "default-src" in value)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.startswith("default-src 'none';") and f"script-src 'sha256-{digest}';" in policy
    assert "innerHTML" not in script and "eval" not in script
    for name, value in page.attributes:
        assert not name.startswith("on")
        if name in ("href", "src", "xlink:href"):
            assert value.startswith(("#", "data:application/pdf;base64,", "data:text/csv;"))
    assert not re.search(r"https?://|//[a-z]|@import", re.sub(r"base64,[^\"]*", "", text))
    assert {"svg", "details", "table", "figure", "math"} <= set(page.tags)


@pytest.mark.parametrize(
    ("verification", "sentence", "tone"),
    [
        (holding(), "Every claim holds, and every control breaks as declared", "holds"),
        (mixed(), "claims that fail 1, controls not as declared 1", "fails"),
        (Verification((claim(), claim("b", Verdict.VACUOUS))), "1 of 2 remain vacuous or undecided", "undecided"),
        (Verification((claim(controls=[control(as_declared=False)]),)), "claims that fail 0, controls not as", "fails"),
        (Verification(()), "Nothing was verified", "vacuous"),
    ],
)
def test_headline_tells_what_was_found(verification, sentence, tone):
    text = report.page(verification)
    assert sentence in text and f'class="result {tone}"' in text
    assert (tone == "holds") == (verification.ok and verification.decided)


def test_page_shows_every_claim_and_control():
    page = report.page(mixed())
    text = Page(page).text
    for one in mixed().claims:
        for said in (one.name, one.statement, one.source, one.proof, one.tier, one.worst, one.reason):
            assert said in text
        assert mathml.math(one.formula) in page
        for broken in one.controls:
            assert broken.without in text and broken.declared in text
    assert "3/4 controls broke as declared" in " ".join(text.split())
    assert "✗ NO" in text and "25 % of 16" in text and not re.search(r"\bnan\b", text)
    for name, value in {"commit": "0123456789ab+", "environment": "NPROC=1", "seeds": "0, 1"}.items():
        assert name in text and value in text


def test_verdicts_have_a_word_and_a_sign():
    text = " ".join(Page(report.page(mixed())).text.split())
    for said in ("✓ holds", "✗ fails", "○ vacuous", "? undecided"):
        assert said in text


def test_assumptions_are_told_in_words():
    text = Page(report.page(holding())).text
    assert "Teacher and student start from the same parameters θ0." in text
    assert "not broken on these settings" in text  # the hand-made claim breaks one of its assumptions only


def test_everything_is_escaped(tmp_path):
    bad = claim(NASTY, statement=NASTY, formula=NASTY, source=NASTY, proof=NASTY, reason=NASTY, worst=NASTY,
                controls=[replace(control(NASTY), declared=NASTY)])  # fmt: skip
    rows = [{**row, "network": f"{row['network']}{NASTY}-->"} for row in ladder()]
    found = replace(Verification((bad,), {NASTY: NASTY}), messages=(NASTY,))
    page = Page(report.write(found, tmp_path, rows).read_text("utf-8"))
    assert page.tags.count("script") == 1 and page.text.count(NASTY) >= 12
    assert all(NASTY not in name for name, value in page.attributes)


def test_inline_svg_keeps_the_drawing_only():
    svg = '<?xml?>\n<svg xmlns:xlink="http://a" xmlns="http://b">\n <metadata>http://c</metadata><!-- x --><g/></svg>'
    assert report.inline(svg, 'a "b"') == '<svg role="img" aria-label="a &#34;b&#34;"><g/></svg>'


def test_every_link_in_the_page_leads_to_something_in_it():
    page = Page(report.page(holding()))
    there = {value for name, value in page.attributes if name == "id"}
    links = {value[1:] for name, value in page.attributes if name == "href"}
    assert links <= there and "about-alignment-is-ggn-form" in links


def test_what_is_missing_is_told():
    lines = "\n".join(report.missing(mixed(), False, False))
    for said in ("Only 1 of", "rounding level", "zero-branch", "too few runs: sign-rule", "could not be broken",
                 "quick", "No figure", "planted errors", "nor is Coq", "committed, beside 0123456789ab"):  # fmt: skip
        assert said in lines
    assert "recorded" in "\n".join(report.missing(Verification(()), True, True))
    whole = Verification(tuple(claim(name) for name in CLAIMS), {"command": "subtheory verify", "commit": "01"})
    assert [line[:10] for line in report.missing(whole, True, True)] == ["The proofs"]


def test_planted_errors_are_a_stored_table_or_said_not_to_have_been_run(monkeypatch, tmp_path):
    stored = report.planted_errors()
    assert stored["ok"] and all(row["caught"] == row["seeds"] for row in stored["rows"])
    assert {row["kind"] for row in stored["rows"]} == set(PLANTS)
    text = Page(report.page(holding())).text
    assert stored["found"] in text and stored["command"] in text and all(row["kind"] in text for row in stored["rows"])
    monkeypatch.setattr(report, "PLANTED", tmp_path / "none.json")
    assert "Not run" in Page(report.page(holding())).text
