"""Figures: the same bytes every time, no global state, legible without colour."""

import hashlib
import subprocess
import sys
from pathlib import Path

import matplotlib
import pytest
from PIL import Image

from subtheory import figure

FOLDER = str(Path(__file__).parent)
ROWS = [{"x": 1.0, "y": 2.0}, {"x": 2.0, "y": 1.0}]


def drawn(title="a"):
    with figure.style():
        one = figure.blank(columns=2)
        for i in range(8):
            one.axes[0].plot([1, 2], [2, i], label=f"line {i}", **figure.mark(i))
        one.axes[0].set_title(title)
        one.axes[0].legend()
    return one


def test_saves_four_files_with_the_data(tmp_path):
    paths = figure.save(drawn(), tmp_path / "new", "fig", ROWS)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["fig.csv", "fig.pdf", "fig.png", "fig.svg"]
    assert paths["csv"].read_text() == "x,y\n1.0,2.0\n2.0,1.0\n"
    with Image.open(paths["png"]) as image:
        assert image.size[0] == figure.WIDTH * figure.STYLE["savefig.dpi"]


@pytest.mark.parametrize("ending", figure.METADATA)
def test_equal_figures_are_equal_bytes(ending):
    assert figure.drawn(drawn(), ending) == figure.drawn(drawn(), ending)
    assert figure.drawn(drawn(), ending) != figure.drawn(drawn("b"), ending)


def test_equal_bytes_in_another_process():
    code = (
        "import sys, hashlib; sys.path.insert(0, sys.argv[1]); import test_figure as t; from subtheory import figure;"
        "print([hashlib.sha256(figure.drawn(t.drawn(), e)).hexdigest() for e in figure.METADATA])"
    )
    done = subprocess.run([sys.executable, "-c", code, FOLDER], capture_output=True, text=True, check=True)
    here = [hashlib.sha256(figure.drawn(drawn(), ending)).hexdigest() for ending in figure.METADATA]
    assert done.stdout.strip() == str(here)


def test_pdf_has_no_type_3_fonts_and_no_clock():
    pdf = figure.drawn(drawn(), "pdf")
    assert b"/Type3" not in pdf and b"CreationDate" not in pdf and b"/FontFile2" in pdf
    assert b"<dc:date>" not in figure.drawn(drawn(), "svg")


def test_style_is_not_global():
    before = dict(matplotlib.rcParams)
    with matplotlib.rc_context({"lines.linewidth": 9.0, "axes.facecolor": "red"}):
        mine = figure.drawn(drawn(), "svg")
        assert matplotlib.rcParams["lines.linewidth"] == 9.0
    assert dict(matplotlib.rcParams) == before
    assert mine == figure.drawn(drawn(), "svg"), "a user's settings leak into the figure"


def test_no_pyplot():
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_figure as t; t.figure.drawn(t.drawn(), 'png');"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, FOLDER], check=True)


def test_lines_differ_by_more_than_colour():
    marks = [figure.mark(i) for i in range(8)]
    for key in ("color", "marker", "linestyle"):
        assert len({str(mark[key]) for mark in marks}) == 8, key
