"""What an author changes of a figure: each change is seen, nothing else moves, and what is no change is one line."""

import numpy as np
import pytest

from subtheory import figure
from subtheory.errors import InputError
from subtheory.figure import changes


def two(shared=False):
    """Two panels with a line of the first and of the second colour each, a legend of the whole and a written place."""
    with figure.style():
        drawn = figure.sheet(2.0)
        left, right = drawn.subplots(1, 2, sharey=shared)
        for axes, top in ((left, 1), (right, 3)):
            for i, name in enumerate(("mlp", "convnet")):
                axes.plot([1, 2], [0, top + i], label=name, **figure.mark(i))
        left.set(title="(a) one", xlabel="x", ylabel="y")
        right.set_xticks([1, 2], ["mlp", "other"])
        left.text(1.9, 0.1, "here")
        drawn.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return drawn


def changed(**given):
    return changes.changed(two(), changes.of(given))


def test_nothing_changes_nothing():
    assert figure.drawn(changed(), "svg") == figure.drawn(two(), "svg")


@pytest.mark.parametrize("given", [{"title": ["A", None]}, {"title": "A|"}])
def test_titles_of_panels(given):
    left, right = changed(**given).panels
    assert left.get_title(loc="left") == "A" and right.get_title(loc="left") == ""


def test_one_value_is_for_all_panels_and_a_title_for_the_whole():
    drawn = changed(title="Mine", xlabel="ε", ylim="0,9", xlim=(0, 3))
    assert drawn.get_suptitle() == "Mine" and drawn.panels[0].get_title(loc="left") == "(a) one"
    assert {axes.get_xlabel() for axes in drawn.panels} == {"ε"}
    assert {axes.get_ylim() for axes in drawn.panels} == {(0, 9)} and drawn.panels[1].get_xlim() == (0, 3)


def test_what_is_written_outside_the_new_limits_goes():
    assert not changed(xlim="1,1.5").panels[0].texts[0].get_visible()
    assert changed(xlim="1,2").panels[0].texts[0].get_visible()


def test_labels_of_legends_ticks_and_titles():
    drawn = changed(labels="mlp -> My net; (a) one -> (a) first")
    assert [text.get_text() for text in drawn.legends[0].get_texts()] == ["My net", "convnet"]
    drawn.draw_without_rendering()
    assert [text.get_text() for text in drawn.panels[1].get_xticklabels()] == ["My net", "other"]
    assert drawn.panels[0].get_title(loc="left") == "(a) first"


def test_colours_take_the_place_of_ours_in_lines_and_legends():
    drawn = changed(colours="red,#00aa00")
    lines = [*drawn.panels[0].lines, *drawn.legends[0].get_lines()]
    assert [line.get_color() for line in lines[:2]] == [(1, 0, 0, 1), (0, 170 / 255, 0, 1)]
    assert [line.get_markerfacecolor() for line in lines[2:]] == [(1, 0, 0, 1), (0, 170 / 255, 0, 1)]


def test_colours_keep_how_opaque_a_band_is():
    with figure.style():
        drawn = figure.blank()
        band = drawn.panels[0].fill_between([0, 1], [0, 1], color=figure.COLOURS[0], alpha=0.25)
        bar = drawn.panels[0].bar([0], [1], facecolor="#123456", edgecolor=figure.COLOURS[1])[0]
    changes.changed(drawn, changes.of({"colours": ["black", "white"]}))
    assert np.allclose(band.get_facecolor(), [[0, 0, 0, 0.25]])
    assert bar.get_edgecolor() == (1, 1, 1, 1) and bar.get_facecolor()[:3] == (0x12 / 255, 0x34 / 255, 0x56 / 255)


def test_a_panel_alone_has_the_ticks_and_the_label_that_it_shared():
    drawn = changes.changed(two(shared=True), changes.of({"panel": "2", "title": "B"}))
    (axes,) = drawn.axes
    assert axes.get_title(loc="left") == "B" and axes.get_ylabel() == "y" and axes.get_ylim()[1] > 4
    drawn.draw_without_rendering()
    assert any(text.get_text() for text in axes.get_yticklabels()) and axes.get_position().width > 0.8
    assert len(drawn.legends) == 1


def test_a_height():
    assert changed(height="3.5").get_figheight() == 3.5


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("titel", "a"), ("title", 3), ("title", "a|b|c"), ("title", "x" * 301), ("title", "$\\nonsense{$"),
        ("xlim", "0"), ("xlim", "0,nan"), ("xlim", "1,1"), ("xlim", "a,b"), ("xlim", (1, 2, 3)), ("ylim", True),
        ("labels", "mlp"), ("labels", "mlq -> x"), ("labels", 3), ("colours", "nope"), ("colours", []),
        ("panel", 0), ("panel", 3), ("panel", "x"), ("panel", 1.5), ("height", 0), ("height", "1e3"), ("height", "x"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_line_that_names_it(key, value):
    with pytest.raises(InputError) as error:
        changed(**{key: value})
    assert "\n" not in str(error.value) and str(error.value).startswith("set" if key == "titel" else key)


def test_no_limit_below_zero_on_a_logarithmic_axis():
    drawn = two()
    drawn.panels[0].set_xscale("log")
    with pytest.raises(InputError, match="xlim: must be positive"):
        changes.changed(drawn, changes.of({"xlim": "-1,2"}))


def test_a_caption_says_what_is_left():
    whole = "Means over inits. (a) Cosine; (b) loss of students."
    one = [changes.caption(whole, changes.of({"panel": n})) for n in (1, 2, 3)]
    assert one == ["Means over inits. Cosine", "Means over inits. loss of students.", f"Panel 3 of: {whole}"]
    assert changes.caption(whole, changes.NONE) == whole
