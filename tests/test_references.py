"""Whom to credit: the sources of every claim resolve, and what is cited is what the page of the theory says."""

import re

import pytest

from subtheory import citations, references, resources
from subtheory.claims import CLAIMS, OVER_READINGS


@pytest.mark.parametrize("name", CLAIMS | OVER_READINGS)
def test_every_source_resolves(name):
    source = (CLAIMS | OVER_READINGS)[name].source
    for paper in references.arxiv(source):
        assert paper in references.PAPERS or paper == references.THEOREM
    assert set(citations.cited(source)) <= citations.titles().keys()


def test_the_papers_are_those_of_the_page_of_the_theory():
    page = (resources.CHECKOUT / citations.PAGE).read_text("utf-8")
    rows = re.findall(r"^\| (\d{4}\.\d{5})°? \| (.*) \|$", page, re.MULTILINE)
    assert {paper: tuple(re.findall(r"\[([Pg]\d+)\]", text)) for paper, text in rows} == references.MEANT
    assert references.MEANT.keys() == references.PAPERS.keys()


def test_a_claim_brings_its_papers():
    found = references.references([CLAIMS["alignment-is-sustained-in-training"], CLAIMS["retention-never-falls"]])
    assert list(found)[:3] == list(references.ALWAYS) and "kitkana2026:2604.25779" in found
    assert found["vo2026:2609.25721"]["eprint"] == "2609.25721"
    assert references.references() == references.ALWAYS


def test_every_entry_is_bibtex():
    text = references.bibtex(references.references(CLAIMS.values()))
    entries = re.findall(r"^@(\w+)\{([\w:.]+),\n((?:  \w+ = \{.*\},\n)+)\}$", text, re.MULTILINE)
    assert len(entries) == text.count("@") == len({key for _, key, _ in entries}) >= 13
    assert all(fields.count("{") == fields.count("}") for _, _, fields in entries)
    assert all(f"\n  {name} = {{" in f"\n{fields}" for _, _, fields in entries for name in ("title", "author", "year"))
