"""Venues, LaTeX, and the figures of the paper in one folder."""

import inspect
import json
import re
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from invented import invented
from matplotlib.text import Text
from test_figure import FOLDER

from subtheory import figure, latex, records, resources, table
from subtheory.claims import CLAIMS
from subtheory.cli import main, parser
from subtheory.ledger import parts
from subtheory.pages import paper
from subtheory.study import experiment, saved

WIDTHS = {"neurips": 5.5, "icml": 6.75, "iclr": 5.5, "jmlr": 6.0, "tmlr": 6.5, "nature": 183 / 25.4}
"""Text widths of the venues' style files, and two columns of Nature, in inches."""


def lines(name):
    """Two tables, and a figure a table for the one that has several."""
    drawn = "{name: blank() for name in tables}" if name == "tokens" else "blank()"
    return invented(name, '{name: line for name in ("aux_logits", "numbers")}', drawn)


def size(pdf):
    """Width and height of the page in inches."""
    found = re.search(rb"/MediaBox \[ ?0 0 ([0-9.]+) ([0-9.]+) ?\]", pdf)
    return float(found[1]) / 72, float(found[2]) / 72


@cache
def at(venue):
    """A figure with text that the style sized, and text with a size of its own."""
    with figure.drawn_for(venue):
        with figure.style():
            one = figure.blank(columns=2)
            one.axes[0].set_title("Δ and $\\epsilon_0 \\propto r^2$")
            one.axes[1].text(0.1, 0.5, "ε ‖ᵀ", fontsize=5)
            one.suptitle("large", fontsize="large")
        return figure.fitted(one), figure.drawn(one, "pdf")


@pytest.mark.parametrize("venue", figure.VENUES)
def test_a_venue_has_its_width_and_fonts_that_can_be_read(venue):
    one, pdf = at(venue)
    plain, _ = at(None)
    width, height = size(pdf)
    assert abs(width - figure.VENUES[venue].width) < 0.005
    assert abs(width - WIDTHS.get(venue, 9.0)) < 0.005
    assert np.isclose(height / width, plain.get_size_inches()[1] / plain.get_size_inches()[0], rtol=1e-3)
    assert b"/Type3" not in pdf and b"/FontFile2" in pdf
    texts = [text.get_fontsize() for text in one.findobj(Text) if text.get_text()]
    assert min(texts) >= figure.LEAST and max(texts) <= figure.VENUES[venue].most
    assert one.axes[1].texts[0].get_fontsize() == max(figure.LEAST, 5 * figure.VENUES[venue].text)


def test_venues_differ_and_leave_nothing_behind():
    before = dict(matplotlib.rcParams)
    plain = at(None)[1]
    pages = {venue: at(venue)[1] for venue in ("neurips", "slides")}
    assert b"STIXGeneral" in pages["neurips"] and b"STIXGeneral" not in pages["slides"]
    large = [max(text.get_fontsize() for text in at(venue)[0].findobj(Text)) for venue in ("slides", None)]
    assert large[0] > 1.5 * large[1]
    assert dict(matplotlib.rcParams) == before and at.__wrapped__(None)[1] == plain


def test_the_command_line_knows_the_venues():
    assert set(parser.VENUES) == set(figure.VENUES)


def test_a_font_cache_without_the_bundled_fonts_changes_nothing(tmp_path):
    """Matplotlib's cache may be from an installation without them: no warning, and the same bytes."""
    code = (
        "import sys, hashlib; sys.path.insert(0, sys.argv[1]);"
        "import test_figure as t; from subtheory import figure;"
        "print(hashlib.sha256(figure.drawn(t.drawn(r'$\\epsilon^2 \\to \\infty$ \u2016'), 'pdf')).hexdigest())"
    )
    words = [sys.executable, "-c", code, FOLDER]
    env = {"MPLCONFIGDIR": str(tmp_path), "PYTHONPATH": str(resources.PACKAGE.parent)}
    first = subprocess.run(words, env=env, capture_output=True, text=True, check=True)
    (cache,) = tmp_path.glob("fontlist*.json")
    known = json.loads(cache.read_text())
    fonts = [font for font in known["ttflist"] if Path(font["fname"]).is_absolute()]
    assert len(fonts) < len(known["ttflist"])
    cache.write_text(json.dumps({**known, "ttflist": fonts}))
    second = subprocess.run(words, env=env, capture_output=True, text=True, check=True)
    assert second.stderr == "" and second.stdout == first.stdout


def test_latex_escapes_everything():
    assert latex.escape(r"50 % of a_b & {c} ~ #1 ^ $ \\") == (
        r"50 \% of a\_b \& \{c\} \textasciitilde{} \#1 \textasciicircum{} \$ \textbackslash{}\textbackslash{}"
    )
    assert latex.escape("✓ holds") == "holds" and latex.escape("Is it? Yes") == "Is it? Yes"
    assert latex.escape("ΔᵀG < ε") == r"\ensuremath{\Delta}\ensuremath{^\top}G \ensuremath{<} \ensuremath{\varepsilon}"
    shown = {
        1.23456e-5: r"\ensuremath{1.23\times10^{-5}}",
        -2.0: r"\ensuremath{-2}",
        123456.0: r"\ensuremath{1.23\times10^{5}}",
    }
    shown |= {3.0: "3", 0.5: r"\ensuremath{0.5}", float("-inf"): r"\ensuremath{-\infty}", float("nan"): "--"}
    assert {value: latex.number(value, 3) for value in shown} == shown


def test_all_symbols_of_the_package_are_spelt_out():
    texts = [text for claim in CLAIMS.values() for text in (claim.formula, claim.statement)]
    for one in experiment.experiments().values():
        texts += [one.question, one.expected]
        texts += [
            text if isinstance(text, str) else inspect.getsource(text).replace("\n", " ")
            for text in one.captions.values()
        ]
    assert latex.escape("D̂ of s̄ and θ̂") == r"\ensuremath{\hat{D}} of \ensuremath{\bar{s}} and \ensuremath{\hat{\theta}}"
    assert not set("".join(map(latex.escape, texts))) - {chr(c) for c in range(32, 127)} - set("é–’")


def test_latex_tables_align_numbers_and_have_three_digits():
    rows = [{"name_1": "a&b", "n": 12345, "x": 0.123456, "ok": True}]
    text = table.to_latex(rows, "100 %", "tab:a", 3)
    assert r"\begin{tabular}{lrrl}" in text and r"a\&b & 12345 & \ensuremath{0.123} & True \\" in text
    assert r"name\_1 & n" in text and r"\caption{100 \%}" in text and table.to_latex([], "", "") == ""


def test_large_tables_have_no_latex(tmp_path, monkeypatch):
    (tmp_path / "many.py").write_text(lines("many").replace("points: int = 4", "points: int = 41"))
    monkeypatch.setattr(resources, "experiments", lambda: tmp_path)
    monkeypatch.setattr(experiment, "draw", lambda *_: [])
    names = [{path.suffix for path in experiment.run("many", tmp_path / "out", quick).files} for quick in (True, False)]
    assert names == [{".csv", ".tex"}, {".csv"}]


class Page(HTMLParser):
    """What a page refers to."""

    def __init__(self, text):
        super().__init__()
        self.targets = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.targets += [value for name, value in attrs if name in ("src", "href")]


@pytest.fixture
def some(tmp_path, monkeypatch):
    """Two of the experiments that the paper's figures are from, one with a figure too few."""
    folder = tmp_path / "experiments"
    folder.mkdir()
    for name in ("tokens", "aux_logits"):
        (folder / f"{name}.py").write_text(lines(name))
    monkeypatch.setattr(resources, "experiments", lambda: folder)
    return tmp_path / "out"


def test_paper_makes_what_there_is_and_says_what_is_missing(some, capsys):
    assert main(["paper", "--quick", "--no-cache", "--out", str(some), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    made = {row["figure"]: row for row in found["figures"]}
    assert len(found["figures"]) == len(paper.FIGURES)
    assert Path(made["10"]["file"]).name == "figure-10-aux_logits.pdf" and made["10"]["tables"] == "computed"
    assert Path(made["3"]["file"]).name == "figure-03-tokens-numbers.pdf"
    assert made["5"]["missing"] == "tokens draws no figure of code" and made["5"]["files"] == []
    assert made["i"]["missing"] == "there is no experiment 'eps_ladder'"
    assert all(Path(file).is_file() for row in found["figures"] for file in row["files"])
    page, tex = (Path(path).read_text("utf-8") for path in found["pages"])
    targets = Page(page).targets
    assert len(targets) == 2 * 5 and all((some / "paper" / target).is_file() for target in targets)
    assert "&lt;twice&gt;" in page and "<twice>" not in page and "there is no experiment" in page
    assert tex.count(r"\includegraphics") == 2 and "textwidth=5.5000in" in tex
    assert all((some / "paper" / name).is_file() for name in re.findall(r"\]\{(.*?\.pdf)\}", tex))


def test_paper_draws_from_saved_tables_at_a_venue(some, monkeypatch, capsys):
    experiment.run("aux_logits", some)
    monkeypatch.setattr(experiment, "run", None)
    (made,) = paper.make(some, ["aux_logits"], venue="jmlr")
    assert made.tables == "saved" and abs(size(made.files["pdf"].read_bytes())[0] - 6.0) < 0.005
    file = resources.experiments() / "aux_logits.py"
    file.write_text(file.read_text() + "\n")
    (made,) = paper.make(some, ["10"])
    assert made.tables == "saved by other code"
    assert main(["paper", "10", "--no-cache", "--out", str(some)]) == 0
    assert "figure-10-aux_logits.pdf" in capsys.readouterr().out


def test_paper_prefers_the_data_of_the_paper_where_a_run_has_them(some):
    """Of the same kind, whole or quick; else the default's tables are computed."""
    file = resources.experiments() / "aux_logits.py"
    fields = "points: int = 4\n    data: str = 'digits'\n    n: int = 1"
    file.write_text(file.read_text().replace("points: int = 4", fields))
    for given in ({"n": 2}, {"data": "mnist", "n": 3}):
        experiment.run("aux_logits", some, given=given)
    (made,) = paper.make(some, ["10"])
    assert made.tables == "saved" and made.command == "subtheory run aux_logits --set data=mnist --set n=3"
    assert "data=mnist" in (some / "paper/index.html").read_text()
    (quick,) = paper.make(some, ["10"], quick=True)
    assert quick.tables == "computed" and quick.command == "subtheory run aux_logits"


def test_paper_keeps_what_an_earlier_call_made(some):
    """Page and document show both calls; a figure whose file is gone is gone, and one made again stands once."""
    paper.make(some, ["10"], quick=True)
    paper.make(some, ["3"], quick=True)
    page, tex = ((some / "paper" / name).read_text("utf-8") for name in ("index.html", "paper.tex"))
    assert tex.count(r"\includegraphics") == 2 and tex.index("tokens-numbers.pdf") < tex.index("aux_logits.pdf")
    assert {"figure-10-aux_logits.pdf", "figure-03-tokens-numbers.pdf"} <= set(Page(page).targets)
    (some / "paper/figure-10-aux_logits.pdf").unlink()
    paper.make(some, ["3"], quick=True)
    assert (some / "paper/paper.tex").read_text("utf-8").count(r"\includegraphics") == 1
    (some / "paper" / paper.MADE).write_text("{")
    assert paper.earlier(some / "paper") == []


def test_paper_announces_what_did_not_come_out(some, capsys):
    file = resources.experiments() / "aux_logits.py"
    finding = "from subtheory.study.finding import Finding"
    off = f"def findings(tables):\n    {finding}\n    return [Finding('y is x', 2.0, 0, 1)]\n"
    file.write_text(file.read_text() + off)
    assert main(["paper", "10", "--quick", "--no-cache", "--out", str(some)]) == 1
    said = "y is x: 2, predicted 0 to 1"
    assert said in capsys.readouterr().out and said in (some / "paper/index.html").read_text("utf-8")
    assert f"Not as predicted: {said}" in (some / "paper/paper.tex").read_text("utf-8")
    (made,) = paper.make(some, ["3"], quick=True)
    assert not made.missed, "of another experiment"
    assert said in (some / "paper/index.html").read_text("utf-8"), "an earlier call's is still said"


def test_paper_goes_on_where_a_figure_has_no_room(some, monkeypatch):
    real = figure.fitted

    def fitted(drawn, caption=""):
        if "Digits from auxiliary" in caption:
            raise figure.Unfit("venue", "9 panels", "must have fewer")
        return real(drawn, caption)

    monkeypatch.setattr(figure, "fitted", fitted)
    third, tenth = paper.make(some, ["3", "10"], quick=True)
    assert third.files and not tenth.files and tenth.missing == "venue: must have fewer, got 9 panels"


def test_figures_for_a_venue_do_not_replace_the_others(some):
    experiment.run("aux_logits", some)
    before = (some / "aux_logits/figures/aux_logits.pdf").read_bytes()
    paths = saved.figures(some, venue="icml")
    assert {path.parent for path in paths} == {some / "aux_logits/figures/icml"}
    assert (some / "aux_logits/figures/aux_logits.pdf").read_bytes() == before
    assert r"\begin{figure*}" in (some / "aux_logits/figures/icml/aux_logits.tex").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["paper", "11"], "figure: must be one of"),
        (["paper", "eps_lader"], "figure: unknown, did you mean 'eps_ladder'?"),
        (["paper", "--venue", "neurip"], "neurips"),
        (["figures", "--venue", "IMAX"], "IMAX"),
        (["figures", "tokns"], "out: must hold the tables"),
        (["paper", "--out", __file__], "out: must be a folder"),
    ],
)
def test_bad_input_is_one_line(some, words, said, tmp_path, capsys):
    assert main([*words, *(() if "--out" in words else ("--out", str(tmp_path / "none")))]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1 and said in err


def test_entries_are_numbered_once_and_planned_experiments_draw_what_is_named():
    assert len({entry.file for entry in paper.FIGURES if entry.experiment}) == sum(
        bool(entry.experiment) for entry in paper.FIGURES
    )
    assert {"3", "5", "8", "10", "16"} <= {entry.number for entry in paper.FIGURES}
    assert paper.chosen(["iii"]) == tuple(entry for entry in paper.FIGURES if entry.number == "iii")
    with pytest.raises(records.InputError, match="figure"):
        paper.chosen(["xiv"])
    assert parts.kept("outside", lambda: [1]) == [1]
