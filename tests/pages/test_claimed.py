"""What a report says of a claim: differences, the worst run again, a picture of every run."""

import math
import re

import numpy as np
import pytest
from samples import claim, holding

from subtheory.claim import Verdict
from subtheory.cli.parser import build
from subtheory.pages import claimed
from subtheory.pages.numbers import number
from subtheory.pages.picture import picture
from subtheory.verification.runs import COLUMNS, VERDICTS, Runs


def runs(*rows):
    """Runs of one setting: ε, measured, predicted, margin, verdict."""
    table = [(0, i, *row[:4], VERDICTS.index(row[4])) for i, row in enumerate(rows)]
    return Runs(("mlp / kl",), np.array(table, COLUMNS))


@pytest.mark.parametrize(
    ("x", "text"),
    [(0.5, "0.5"), (-3.2e-7, "−3.2·10⁻⁷"), (1e-12, "10⁻¹²"), (2e20, "2·10²⁰"), (math.inf, "∞"), (math.nan, "–")],
)
def test_numbers_are_written_as_people_read_them(x, text):
    assert number(x) == text


def test_the_difference_is_told_and_both_numbers_show_it():
    one = claim(measured=1.00000018, predicted=1.0, margin=0.4, every=runs((8e-7, 1.00000018, 1.0, 0.4, Verdict.HOLDS)))
    found = claimed.agreement(one)
    assert found["said"] == "relative difference 1.8·10⁻⁷"
    assert found["lines"] == [
        "measured 1.00000018, predicted 1", "at ε = 8·10⁻⁷, 0.23 times ε", "stated up to O(ε²) · margin 0.4"
    ]  # fmt: skip
    assert claimed.difference(0.25, 0.0) == ("off by 0.25", 0.25)
    assert claimed.difference(2.0, 2.0)[0] == "equal to the last digit"
    assert claimed.agreement(claim(measured=math.nan))["said"] == "nothing to compare"


def test_a_command_runs_the_seed_of_the_worst_run_on_the_same_settings():
    one = claim(worst="mlp / kl / noise / seed 7")
    told = {"command": "subtheory verify cosine-limit --quick --network mlp --loss=kl --seeds 9 -j 2 --out somewhere"}
    words = claimed.again(one, told).split()
    wanted = ["--quick", "--network", "mlp", "--loss=kl", "--seed", "7", "--seeds", "1"]
    assert words == ["subtheory", "verify", "alignment-is-ggn-form", *wanted]
    read = build().parse_args(words[1:])
    assert (read.claims, read.quick, read.network, read.loss, read.seed) == ([one.name], True, ["mlp"], ["kl"], "7")
    for other in (claim(worst="vit / run 3"), claim("of-my-own", worst="mlp / seed 7")):
        assert not claimed.again(other, told)
    assert not claimed.again(one, {"command": "notebook.py"})


def test_the_picture_has_a_point_for_every_place_and_failures_above_the_line():
    held = [(1e-4 * (i + 1), 1.0, 1.0, 0.5, Verdict.HOLDS) for i in range(20)]
    every = runs(*held, (1e-3, 2.0, 1.0, -3.0, Verdict.FAILS), (1e-3, 1.0, 1.0, 0.0, Verdict.VACUOUS))
    svg = picture(claim(every=every))
    line = float(re.search(r'y1="([\d.]+)"', svg)[1])
    (fails,) = re.findall(r'<path class="fails" d="M[\d.]+ ([\d.]+)h0"/>', svg)
    heights = {float(y) for y in re.findall(r"M[\d.]+ ([\d.]+)h0", re.search('"holds" d="([^"]+)"', svg)[1])}
    assert float(fails) < line - 2 and all(y >= line for y in heights)
    assert "21 runs, the largest error is 4 of its tolerance" in svg and "vacuous" not in svg
    assert picture(claim()) == "" and len(picture(claim(every=runs(*held * 50)))) < 3000


def test_controls_are_told_with_the_share_of_runs_that_fail():
    assert claimed.failures(holding().claims[0]) == "fails in 100 % of runs without it"
    assert claimed.failures(claim(controls=[])) == ""
