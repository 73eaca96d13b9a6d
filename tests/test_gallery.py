"""The table of figures in docs/gallery.md: no experiment misses, and it says what experiments and sections say."""

import re

import pytest
from loaded import load

from subtheory.study import experiment
from subtheory.study.finding import Finding, least, most, rate, shown

with pytest.MonkeyPatch.context() as patch:
    gallery = load("scripts/gallery.py", patch)
TEXT = gallery.GALLERY.read_text("utf-8")
KNOWN = experiment.experiments()


def test_the_table_is_current():
    assert gallery.current(TEXT) == TEXT, "run scripts/gallery.py with a folder of results"


def test_no_experiment_and_no_figure_misses():
    rows = [re.split(r"(?<!\\) \| ", line.strip("| ")) for line in gallery.table(TEXT)]
    assert [row[1] for row in rows] == [f"`{one.command}`" for one in KNOWN.values()]
    assert all(len(row) == 4 and row[2] and row[3] for row in rows), [row for row in rows if len(row) < 4]
    named = {name for row in rows for name in re.findall(r"[a-z_]+(?:-[a-z_]+)?", row[0])}
    drawn = set(re.findall(r"!\[[^\]]*\]\(figures/([a-z_-]+)\.svg\)", TEXT)) - {"aux_logits_mnist"}
    assert drawn <= named


@pytest.mark.parametrize("name", gallery.REPORTED)
def test_times_from_elsewhere_stand_there(name):
    """Beside the experiment's name."""
    said = " ".join((gallery.MODELS.read_text("utf-8") + TEXT.partition("## All figures")[2]).split())
    near = [said[max(0, at.start() - 300) : at.end() + 1500] for at in re.finditer(name, said)]
    assert any(gallery.REPORTED[name] in words for words in near)


def test_a_time_is_the_last_one_stated():
    assert gallery.time("x", "Two inits.\nAbout 22 CPU\nminutes.") == "22 CPU minutes"
    assert (
        gallery.time("x", "After 3 minutes nothing. Two and a half minutes of CPU.") == "two and a half minutes of CPU"
    )
    assert gallery.time("x", "Minutes.") == "minutes" and gallery.time("x", "") == gallery.UNKNOWN


def test_a_tolerance_is_that_of_the_first_finding_that_has_one():
    assert gallery.tolerance([shown("a", 1), most("off", [0.1], 0.5)]) == "off, at most: 0 to 0.5"
    assert gallery.tolerance([rate("all", [True])]) == "all: 1" and gallery.tolerance([shown("a", 1)]) == ""
    assert gallery.tolerance([least("b", [1], 2)]) == "b, at least: 2 or more"
    assert gallery.tolerance([Finding("c", 1.0, high=3.0)]) == "c: 3 or less"
