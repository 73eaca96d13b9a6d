"""The page of a row forecast: offline, escaped, the same every time."""

import numpy as np
import pytest

from subtheory.pages.forecast import write
from subtheory.study.forecast import Forecast, drawn

AUDIT = [
    {"scores": name, "pearson": 0.5, "spearman": 0.5, "first_tenth": 0.1}
    for name in ("forecast", "difficulty", "gradient norm", "null")
]


def made(messages=()):
    rows = [
        {"row": i, "score": float(s), "share": float(s) / 9, "information": 1.0, "difficulty": 1.0,
         "gradient_norm": 2.0, "null": 0.5}
        for i, s in enumerate(np.linspace(-1, 2, 9))
    ]  # fmt: skip
    ends = {f"{name}{end}": 0.5 for name in ("alignment", "readout") for end in ("", "_low", "_high")}
    more = {"added_alignment": 0.5, "added_readout": 0.1, "rows": 9.0, "labels": 9.0, "form": 0.4, "kl": 1.8,
            "kl_exact": 1.7, "sign_probability": 0.97, "adds_up": 0.2, "null": 0.3, "null_share": 0.1}  # fmt: skip
    return Forecast(rows, ends | more, AUDIT, [0.1, -0.1], messages)


def test_a_page_opens_offline_is_escaped_and_stays_the_same(tmp_path):
    found = made(("<b>model</b> & co",))
    page, *_ = write(found, tmp_path / "one")
    text = page.read_text("utf-8")
    assert "&lt;b&gt;model&lt;/b&gt; &amp; co" in text and "<b>model" not in text
    assert "://" not in text and "<script" not in text and "<svg" in text
    assert all(name in text for name in ("gradient norm", "difficulty", "null"))
    again, *_ = write(found, tmp_path / "two")
    assert again.read_bytes() == page.read_bytes()


def test_a_sum_that_misses_the_step_is_said(tmp_path):
    found = made()
    found.totals["adds_up"] = 3.0
    assert "do NOT add up" in write(found, tmp_path)[0].read_text("utf-8")


def test_the_figure_draws_what_the_rows_say():
    found = made()
    spread, total, heavy = drawn.figure(found).axes
    np.testing.assert_allclose(total.lines[0].get_ydata()[1:], np.cumsum([row["share"] for row in found.rows]))
    band = total.collections[0].get_paths()[0].vertices[:, 1].max()
    assert band == pytest.approx(2 * np.sqrt(9) / 9)
    assert [label.get_text() for label in heavy.get_yticklabels()][-1] == "8" and spread.get_ylabel() == "density"
