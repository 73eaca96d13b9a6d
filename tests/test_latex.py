"""LaTeX of the tables: uncertainties in the last digits, verdicts as macros, and an article that compiles."""

import math
import re
import subprocess
from shutil import which

import pytest
from samples import claim, mixed

from subtheory import latex
from subtheory.claims import CLAIMS
from subtheory.verification.results import Verification


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (1.98, 0.03, "1.98(3)"), (1.98, 0.012, "1.980(12)"), (1.0, 2.4e-7, "1.0000000(2)"), (-0.5, 0.25, "-0.5(2)"),
        (3.2e-7, 4e-9, r"3.20(4)\times10^{-7}"), (123456.0, 700.0, r"1.235(7)\times10^{5}"), (12.0, 30.0, "12(30)"),
        (0.0, 0.02, "0.00(2)"),
    ],
)  # fmt: skip
def test_an_uncertainty_stands_in_the_last_digits(value, error, text):
    assert latex.uncertain(value, error) == rf"\ensuremath{{{text}}}"


def test_without_an_uncertainty_it_is_a_number():
    assert latex.uncertain(1.0, 1e-17) == "1"
    assert latex.uncertain(0.5, 0.0) == r"\ensuremath{0.5}" and latex.uncertain(math.nan, 1.0) == "--"


def test_each_verdict_is_a_macro_that_a_document_can_define_itself():
    text = mixed().to_latex()
    for name in ("holds", "fails", "vacuous", "undecided"):
        assert rf"\providecommand{{\verdict{name}}}" in text and rf"& \verdict{name}{{}} &" in text


@pytest.mark.skipif(not which("pdflatex"), reason="there is no pdflatex here")
def test_a_plain_article_takes_the_tables(tmp_path):
    many = Verification(tuple(map(claim, CLAIMS)) + mixed().claims)
    head = r"\documentclass{article}\usepackage{booktabs}\begin{document}"
    (tmp_path / "a.tex").write_text(head + many.to_latex() + r"\end{document}", "utf-8")
    done = subprocess.run(["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "a.tex"], cwd=tmp_path,
                          capture_output=True, text=True, timeout=120)  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    wide = [float(pt) for pt in re.findall(r"Overfull \\hbox \(([\d.]+)pt too wide", done.stdout)]
    assert all(pt < 3 for pt in wide) and not re.search("Float too large", done.stdout)
