"""Every P and g that is cited has its heading in docs/theory.md, and the page names the claims that cite it."""

import io
import re
import tokenize
import tomllib
from pathlib import Path

import pytest
from samples import claim

from subtheory import citations
from subtheory.claim import CONJECTURE, FALSE
from subtheory.claims import CLAIMS, OVER_READINGS
from subtheory.cli import main
from subtheory.pages import report
from subtheory.verification.results import Verification

ROOT = Path(__file__).resolve().parents[1]
THEORY = (ROOT / citations.PAGE).read_text("utf-8")
NUMBERS = [f"g{i}" for i in range(1, 16)] + [f"P{i}" for i in range(1, 58)]
SECTIONS = dict(re.findall(r"^### ([Pg]\d+)\n(.*?)(?=^##)", THEORY, re.DOTALL | re.MULTILINE))
CHECKS = CLAIMS | OVER_READINGS
PYTHON = [*(ROOT / "src").rglob("*.py"), *(ROOT / "experiments").glob("*.py"), *(ROOT / "proofs").glob("*.py")]
PAGES = [ROOT / "README.md", ROOT / "proofs" / "README.md", *(ROOT / "docs").glob("*.md")]

numbers = pytest.mark.parametrize("number", NUMBERS)


def prose(path: Path) -> str:
    """Comments and strings of Python, comments of Coq, all of a page: names of variables cite nothing."""
    text = path.read_text("utf-8")
    if path.suffix == ".py":
        said = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
        return "\n".join(t.string for t in tokenize.generate_tokens(io.StringIO(text).readline) if t.type in said)
    return "\n".join(re.findall(r"\(\*.*?\*\)", text, re.DOTALL)) if path.suffix == ".v" else text


def listed(number: str, label: str) -> set[str]:
    """The names behind a label of a section."""
    found = re.search(rf"\*\*{label}:\*\*(.*?)(?=\*\*|\Z)", SECTIONS[number], re.DOTALL)
    return set(re.findall(r"`([a-z0-9-]+)`", found[1])) if found else set()


def test_every_number_stands_once() -> None:
    assert sorted(re.findall(r"^#+ ([Pg]\d+)\b", THEORY, re.MULTILINE)) == sorted(NUMBERS)
    assert set(SECTIONS) == set(NUMBERS)


def test_all_that_is_cited_has_its_heading() -> None:
    files = [*PYTHON, *(ROOT / "proofs" / "coq").glob("*.v"), *PAGES]
    missing = {(path.name, one) for path in files for one in citations.cited(prose(path)) if one not in SECTIONS}
    assert not missing
    assert set(citations.cited("".join(map(prose, PYTHON)))) > {"P16", "P18", "P35", "P44", "g1", "g10", "g15"}


def test_sections_that_are_cited_exist() -> None:
    found = {one for path in PYTHON for one in re.findall(r"theory §([\d.]+\d)", prose(path))}
    assert found <= set(re.findall(r"^#+ ([\d.]+) ", THEORY, re.MULTILINE))


@numbers
def test_page_and_claims_name_each_other(number: str) -> None:
    assert listed(number, "Claims") == {one.name for one in CLAIMS.values() if number in citations.cited(one.source)}
    assert not any(number in citations.cited(one.source) for one in OVER_READINGS.values())
    others = listed(number, "Also")
    assert others <= set(CHECKS) - listed(number, "Claims")
    for name in others:
        assert (f"`{name}` (*false*)" in SECTIONS[number]) == (name in OVER_READINGS)


@numbers
def test_page_links_the_proofs_of_its_claims(number: str) -> None:
    linked = set(re.findall(r"\]\(\.\./proofs/(\w+)\.py\)", SECTIONS[number]))
    assert {CLAIMS[name].proof for name in listed(number, "Claims")} - {CONJECTURE, FALSE} <= linked
    if "not in the package yet" in SECTIONS[number]:
        assert not linked and "`" not in SECTIONS[number]


@numbers
def test_sections_say_what_they_should(number: str) -> None:
    body = SECTIONS[number]
    assert body.count("**Claims:**") == 1
    assert body.count("**Refuted by**") == body.count("**Control:**") == (number[0] == "P")
    assert len(body.strip().splitlines()) <= 11
    assert citations.titles()[number][-1] == "."


def test_links_lead_to_headings() -> None:
    slugs = {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in re.findall(r"^#+ (.+)$", THEORY, re.M)}
    for path in PAGES:
        here = "" if path.name == "theory.md" else r"[\w./]*theory\.md"
        assert set(re.findall(rf"\]\({here}#([^)]+)\)", path.read_text("utf-8"))) <= slugs
    assert all(citations.address(one).split("#")[1] in slugs for one in NUMBERS)


def test_the_site_is_the_one_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project.get("urls", {}).get("Documentation", "") == citations.SITE


def test_cited() -> None:
    assert citations.cited("predictions P16 to P19, P16 and (gap g10, P5); sg1, P0, P3x, v1.P2, MLP3") == (
        "P16", "P19", "g10", "P5"
    )  # fmt: skip


def test_html_is_escaped_and_links_only_to_a_site() -> None:
    nasty = "<b>&\"' {P18}; gap g1 <script>"
    shown = "&lt;b&gt;&amp;&#34;&#39; {%s}; gap %s &lt;script&gt;"
    assert citations.html(nasty) == shown % ("P18", "g1")
    site = 'https://docs.example/"'
    assert citations.html(nasty, site) == shown % tuple(
        f'<a href="https://docs.example/&#34;/theory.html#{one.lower()}">{one}</a>' for one in ("P18", "g1")
    )
    assert citations.address("P18", "https://docs.example/") == "https://docs.example/theory.html#p18"


def test_report_shows_numbers_and_asks_for_nothing() -> None:
    text = report.page(Verification((claim(source="gap g10 & prediction P19"),)))
    assert "<dd>gap g10 &amp; prediction P19</dd>" in text and "://" not in text


def test_explain_prints_the_addresses(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for one in CHECKS.values():
        assert main(["explain", one.name]) == 0
        out = capsys.readouterr().out
        for number in citations.cited(one.source):
            assert f"\n  {number} (docs/theory.md#{number.lower()}): {citations.titles()[number]}\n" in out
    monkeypatch.setattr(citations, "titles", dict)
    main(["explain", "permuted-init-transmits-alike"])
    assert "\n  g10 (docs/theory.md#g10)\n  P19 (docs/theory.md#p19)\nTier: " in capsys.readouterr().out


def test_titles_are_empty_without_the_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(citations.resources, "CHECKOUT", tmp_path)
    assert citations.titles.__wrapped__() == {}
