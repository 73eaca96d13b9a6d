"""Texts of figures: what collides is found, and every figure makes room for its texts at every venue."""

from pathlib import Path

import pytest

from subtheory import figure, resources, table
from subtheory.figure.layout import room
from subtheory.study import experiment

TABLES = Path(__file__).parent / "tables"
"""Of quick runs."""
COLUMNS = [name for name, one in figure.VENUES.items() if one.column]


def crowded():
    """Long titles and labels in narrow panels, names of points that are close, and a legend upon marks."""
    with figure.style():
        drawn = figure.sheet(3.2)
        left, right = drawn.subplots(1, 2)
        x = [i / 20 for i in range(21)]
        left.plot(x, [y / 9 % 1 for y in range(21)], "o", label="marks everywhere")
        left.plot(x, [y / 7 % 1 for y in range(21)], "s", label="and here")
        left.set_title("(a) A title that is far too long for a panel of this width")
        left.set_ylabel("what is measured over what is predicted")
        left.legend()
        for i in range(5):
            right.plot(0.5 + i / 100, 0.5 + i / 80, "o", color="black")
            figure.beside(right, f"name {i}", (0.5 + i / 100, 0.5 + i / 80))
        right.set(title="(b) and another one that is no shorter than that", xlim=(0, 1), ylim=(0, 1))
    return drawn


def test_what_collides_is_named():
    found = " ".join(figure.collisions(crowded()))
    assert "'(a) A title that is far too long for a panel of this width' overlaps '(b) and another" in found
    assert "'name 0' overlaps 'name 1'" in found and "the legend of 'marks everywhere' lies upon" in found
    with figure.style():
        drawn = figure.blank()
        drawn.set_layout_engine("none")
        drawn.panels[0].text(0.95, 0.5, "far over the edge of all of it")
        drawn.panels[0].text(0.2, 0.5, "turned", rotation=45)
        drawn.panels[0].text(0.3, 0.5, "beside")
        drawn.panels[0].text(5, 0.5, "not drawn", clip_on=True)
    (found,) = figure.collisions(drawn)
    assert found.startswith("'far over the edge of all of it' leaves the figure by")
    drawn.panels[0].texts[2].set_x(0.22)
    drawn.panels[0].texts[0].remove()
    assert "'turned' overlaps 'beside'" in figure.collisions(drawn)


def test_a_figure_is_not_changed_by_looking():
    drawn = crowded()
    canvas, size = drawn.canvas, tuple(drawn.get_size_inches())
    figure.collisions(drawn)
    assert drawn.canvas is canvas and tuple(drawn.get_size_inches()) == size
    assert figure.drawn(drawn, "png")[:4] == b"\x89PNG"


@pytest.mark.parametrize("venue", [None, "neurips", "nature", "slides"])
def test_crowded_texts_make_room(venue):
    with figure.drawn_for(venue):
        assert figure.collisions(figure.fitted(crowded())) == []


@pytest.mark.parametrize("venue", COLUMNS)
def test_crowded_texts_make_room_in_a_column(venue):
    with figure.drawn_for(venue, single=True):
        assert figure.collisions(figure.fitted(crowded())) == []


def test_mathematics_is_not_broken_and_numbers_are_left_out():
    with figure.style():
        drawn = figure.sheet(1.6, 2.0)
        axes = drawn.subplots()
        axes.set(yscale="symlog", ylim=(-1e9, 1e9), title="a long title with $a + b + c$ in it, and more of it")
        figure.fitted(drawn)
    assert "$a + b + c$" in axes.get_title(loc="left") and "\n" in axes.get_title(loc="left")
    assert 0.0 in axes.get_yticks() and len(axes.get_yticks()) < 12 and figure.collisions(drawn) == []


def test_more_panels_than_a_slide_holds_are_refused():
    with figure.drawn_for("slides"), figure.style():
        drawn = figure.sheet(12)
        drawn.subplots(14, 1)
        with pytest.raises(figure.Unfit, match=r"^venue: must have no more panels.* got 14 panels$"):
            figure.fitted(drawn)


CASES = [
    ("eps_ladder", ["neurips"], ["nature"]), ("defences", [], ["icml"]), ("lora", ["slides"], []),
    ("heads", [None, *figure.VENUES], COLUMNS),
]  # fmt: skip


@pytest.mark.parametrize(("name", "venues", "columns"), CASES, ids=[case[0] for case in CASES])
def test_figures_of_experiments_can_be_read(name, venues, columns):
    """Every venue for one, a few for others; scripts/collisions.py looks at all."""
    paths = (TABLES / name).glob("*.csv")
    if name == "eps_ladder":
        paths = [resources.experiments().parent / "docs/figures/eps_ladder-quick.csv"]
    tables = {path.stem.partition("-")[0]: table.from_csv(path.read_text("utf-8")) for path in paths}
    one = experiment.experiments()[name]
    for venue, single in [*((venue, False) for venue in venues), *((venue, True) for venue in columns)]:
        with figure.drawn_for(venue, single):
            for title, drawn in one.figures(tables).values():
                caption = one.caption(title, tables)
                assert figure.collisions(figure.fitted(drawn, caption)) == [], (venue, single)
                if venue and figure.VENUES[venue].captions:
                    assert drawn.get_figheight() + room(caption, drawn.get_figwidth()) <= figure.VENUES[venue].height
