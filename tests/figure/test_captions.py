"""Captions: every figure has one of its own that stands alone, and counts what its tables have."""

import re
from pathlib import Path

import pytest

from subtheory import resources, table
from subtheory.errors import SubtheoryError
from subtheory.figure.captions import filled
from subtheory.study import experiment

KNOWN = experiment.experiments()
ROWS = {"runs": [{"seed": 0, "net": "mlp", "n": 4, "x": 0.5}, {"seed": 1, "net": "vit", "n": 4, "x": 2.0}]}
TABLES = Path(__file__).parent / "tables"


def shown(name):
    """The tables whose figures the gallery shows."""
    gallery = (resources.experiments().parent / "docs/gallery.md").read_text("utf-8")
    return {found for found in re.findall(rf"figures/{name}-([a-z_]+)\.svg", gallery) if found != "mnist"}


def test_a_field_is_counted_listed_or_a_range():
    text = "{runs.seed} seeds of {runs.net:list}, n = {runs.n:one}, x from {runs.x:min} to {runs.x:max}, {runs.x:one}"
    assert filled(text, ROWS) == "2 seeds of mlp and vit, n = 4, x from 0.5 to 2, 0.5 to 2"
    one = {"runs": ROWS["runs"][:1]}
    assert filled("{runs.seed} seeds, {runs.net:list} at 0.1 seeds", one) == "1 seed, mlp at 0.1 seeds"
    many = {"runs": [{"n": 12_000, "who": name} for name in "abc"]}
    assert filled("{runs.n:one} {runs.who:list}", many) == "12,000 a, b and c"


@pytest.mark.parametrize("text", ["{runs.none}", "{none.seed}"])
def test_a_field_that_is_not_there_is_named(text):
    with pytest.raises(SubtheoryError, match=r"caption: .*none"):
        filled(text, ROWS)


@pytest.mark.parametrize("name", KNOWN)
def test_every_figure_has_a_caption_of_its_own_that_stands_alone(name):
    captions = KNOWN[name].captions
    assert captions and shown(name) <= set(captions)
    texts = [text for text in captions.values() if isinstance(text, str)]
    assert len(set(texts)) == len(texts)
    for text in texts:
        assert text.endswith(".") and "?" not in text and "Expected" not in text and "The same" not in text[:9], text
        assert 100 < len(text) < 750 and "subtheory run" not in text


@pytest.mark.parametrize("name", [path.name for path in sorted(TABLES.iterdir())])
def test_captions_are_true_of_quick_tables(name):
    """What they count is there; lora of four inits, defences of the tables that the figure reads."""
    tables = {path.stem: table.from_csv(path.read_text("utf-8")) for path in (TABLES / name).glob("*.csv")}
    for title in KNOWN[name].captions:
        said = KNOWN[name].caption(title, tables)
        assert "{" not in said and said.endswith(".")
        if name == "lora":
            assert "over 4 inits" in said


def test_diamonds_are_of_the_papers_data_alone():
    bars = [{"model": "student", "seeds": 20, "published": float("nan")}]
    tables = {"data": [{"data": "digits", "held_out": 400}], "aux_logits": bars}
    assert "Diamonds" not in KNOWN["aux_logits"].caption("aux_logits", tables)
    mnist = {"data": [{"data": "mnist", "held_out": 10_000}], "aux_logits": [{**bars[0], "published": 0.5}]}
    said = KNOWN["aux_logits"].caption("aux_logits", mnist)
    assert "Diamonds" in said and "10,000 held-out images (mnist)" in said and "20 seeds" in said
