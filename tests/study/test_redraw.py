"""Figures drawn again by whoever publishes them: from CSV, rows or a folder, into any axes, by Python and command."""

import json
import shutil

import matplotlib
import pytest
from invented import invented
from matplotlib.figure import Figure

import subtheory as st
from subtheory import figure, resources
from subtheory.cli import main
from subtheory.errors import InputError
from subtheory.study import experiment, redraw

LINES = """
def _lines(rows, columns=1):
    drawn = blank(columns)
    for axes in drawn.panels:
        axes.plot([r["x"] for r in rows], [r["y"] for r in rows], label="twice", color="#0072B2")
        axes.legend()
    return drawn
CAPTIONS = {"line": lambda tables: f"{len(tables['line'])} points."}
"""
ONE = invented("one", '{"line": line, "other": [{"name": "a"}]}', "_lines(tables['line'])") + LINES
MANY = invented(
    "many", '{"line": line, "wide": line, "more": line}',
    '{"line": _lines(tables["line"]), "wide": _lines(tables["wide"], 2 + 0 * len(tables["more"]))}',
) + LINES  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two experiments, one with a figure of two panels, and their results, once for all tests."""
    place = tmp_path_factory.mktemp("made")
    folder = place / "experiments"
    folder.mkdir()
    (folder / "one.py").write_text(ONE)
    (folder / "many.py").write_text(MANY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resources, "experiments", lambda: folder)
        for name in ("one", "many"):
            experiment.run(name, place / "results", quick=True)
    return place


@pytest.fixture
def stored(made, tmp_path, monkeypatch):
    """A copy of them, where a command leaves results."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(resources, "experiments", lambda: tmp_path / "experiments")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "results"


class Frame:
    """As much of a pandas.DataFrame as is asked for."""

    def to_dict(self, how):
        return ROWS if how == "records" else None


ROWS = [{"x": 0, "y": 1.0}, {"x": 2, "y": 3.0}]


def test_from_results_a_csv_a_folder_rows_or_a_data_frame(stored):
    saved = stored / "many/quick"
    ways = [st.draw("many-wide"), st.draw("many-wide", saved), st.draw("many-wide", saved / "tables"),
            st.draw(saved / "figures/many-wide.csv"), st.draw("many-wide", saved / "tables/wide.csv")]  # fmt: skip
    assert all(len(one.panels) == 2 for one in ways) and len({figure.drawn(one, "svg") for one in ways}) == 1
    for given in (ROWS, Frame(), {"line": ROWS}):
        assert list(st.draw("one", given).axes[0].lines[0].get_ydata()) == [1, 3]


def test_what_the_command_draws_is_what_python_draws(stored):
    assert (stored / "one/quick/figures/one.svg").read_bytes() == figure.drawn(st.draw("one"), "svg")


def test_into_axes_of_ones_own_and_nothing_else_is_created(stored):
    mine = Figure(figsize=(4, 2))
    left, middle, right = mine.subplots(1, 3)
    before = dict(matplotlib.rcParams)
    assert st.draw("one", ax=left, title="Mine", colours=["red"], xlim=(0, 9)) is left
    assert left.get_title(loc="left") == "Mine" and left.get_xlim() == (0, 9) and len(left.lines) == 1
    assert left.lines[0].get_color() == (1, 0, 0, 1) and not middle.lines
    assert st.draw("many-wide", ax=[middle, right], title=["A", None])[1] is right
    assert [len(axes.lines) for axes in mine.axes] == [1, 1, 1] and middle.get_title(loc="left") == "A"
    st.draw("many-wide", ax=left, panel=2, labels={"twice": "2x"})
    assert len(left.lines) == 2 and left.get_legend().get_texts()[0].get_text() == "2x"
    assert mine.axes == [left, middle, right] and tuple(mine.get_size_inches()) == (4, 2)
    assert dict(matplotlib.rcParams) == before


def test_a_figure_keeps_its_style_when_it_is_saved(stored, tmp_path):
    st.draw("one", venue="icml", single_column=True).savefig(tmp_path / "mine.pdf")
    pdf = (tmp_path / "mine.pdf").read_bytes()
    assert b"/Type3" not in pdf and b"STIXGeneral" in pdf and b"/MediaBox [0 0 234 " in pdf.replace(b"[ 0", b"[0")
    assert st.draw("one")._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("two", {}, "experiment: "), (3, {}, "figure: must be the name"), ("many", {}, "figure: has several"),
        ("many-wid", {}, "figure: unknown, did you mean 'wide'?"), ("one", {"table": 3}, "table: must be rows"),
        ("one", {"table": []}, "table: must be rows"), ("one", {"table": "none.csv"}, "table: must be a CSV file"),
        ("one", {"table": [{"a": 1}]}, "table: not the tables of this figure"), ("one", {"ax": 3}, "ax: must be axes"),
        ("one", {"venue": "icmll"}, "venue: unknown"), ("one", {"style": "none"}, "style: must be a style file"),
        ("one", {"single_column": True}, "single-column: needs a venue"), ("one", {"size": 3}, "set: must be one of"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(stored, name, given, said):
    with pytest.raises(InputError) as error:
        st.draw(name, **given)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_axes_are_as_many_as_panels(stored):
    axes = list(Figure().subplots(1, 3))
    for given in ({"ax": axes}, {"ax": axes[:1]}, {"ax": axes[:2], "panel": 1}, {"ax": axes[0], "panel": 3}):
        with pytest.raises(InputError, match=r"ax: |panel: "):
            st.draw("many-wide", **given)


def test_without_results_it_says_which_command_makes_them(stored, monkeypatch, tmp_path):
    monkeypatch.setattr(redraw, "RESULTS", "nowhere")
    with pytest.raises(InputError, match="subtheory run one"):
        st.draw("one")
    (tmp_path / "many-wide.csv").write_text("x,y\n1,2.0\n2,3.5\n")
    with pytest.raises(InputError, match=r"line\.csv"):
        st.draw(tmp_path / "many-wide.csv")


def test_the_command_changes_one_figure(stored, capsys):
    words = ["--out", str(stored), "--set", "title=Mine", "--set", "colours=red", "--venue", "icml", "--single-column"]
    assert main(["figures", "many-line", *words, "--json"]) == 0
    files = json.loads(capsys.readouterr().out)["files"]
    folder = stored / "many/quick/figures/icml-column"
    assert files == [str(folder / f"many-line.{end}") for end in ("pdf", "svg", "png", "csv", "tex")]
    assert (
        "Mine" in (folder / "many-line.svg").read_text("utf-8") or "#ff0000" in (folder / "many-line.svg").read_text()
    )
    tex = (folder / "many-line.tex").read_text()
    assert r"\begin{figure}" in tex and "2 points." in tex


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "title=a"], "set: changes one figure"), (["many", "--set", "title=a"], "set: has several figures"),
        (["one", "--set", "titel=a"], "set: unknown, did you mean 'title'?"), (["one", "--set", "a"], "set: must be"),
        (["one", "--style", "none"], "style: must be a style file"), (["many-x"], "figure: "), (["on"], "experiment: "),
        (["one", "--single-column"], "single-column: needs a venue"), (["one", "--set", "panel=2"], "panel: "),
    ],
)  # fmt: skip
def test_bad_words_are_one_line(stored, words, said, capsys):
    assert main(["figures", *words, "--out", str(stored)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(f"error: {said}") and err.count("\n") == 1


def test_what_did_not_come_out_is_announced(stored, capsys):
    file = resources.experiments() / "one.py"
    found = "[__import__('subtheory').study.Finding('y is x', 2.0, 0.9, 1.1)]"
    file.write_text(file.read_text().replace("return []", f"return {found}"))
    assert main(["figures", "one", "--out", str(stored)]) == 1
    assert "NOT as predicted, " in capsys.readouterr().out
    assert main(["figures", "many", "--out", str(stored)]) == 0


def test_what_has_no_room_is_named_when_the_others_are_drawn(stored, monkeypatch, capsys):
    real = figure.fitted

    def fitted(drawn, caption=""):
        if len(figure.panels(drawn)) > 1:
            raise figure.Unfit("venue", "2 panels", "must have fewer")
        return real(drawn, caption)

    monkeypatch.setattr(figure, "fitted", fitted)
    assert main(["figures", "--venue", "neurips"]) == 2
    assert capsys.readouterr().err == "error: venue: must have fewer, got many-wide\n"
    assert sorted(path.name for path in stored.rglob("neurips/*.pdf")) == ["many-line.pdf", "one.pdf"]
