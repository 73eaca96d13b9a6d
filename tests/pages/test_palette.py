"""Colours of the report: contrast AA in both schemes, and verdicts that differ without red and green, too."""

import itertools
import re

import numpy as np
import pytest

from subtheory.pages import report

CSS = (report.TEMPLATES / "report.css").read_text("utf-8")
SCHEMES = {
    "light": CSS[: CSS.index("@media")],
    "dark": CSS[CSS.index("prefers-color-scheme: dark") : CSS.index("box-sizing")],
    "print": CSS[CSS.index("@media print") :],
}
TEXT, GRAPHICS = 4.5, 3.0
"""Least contrasts of WCAG 2.1, level AA: of text (1.4.3), and of what is drawn (1.4.11)."""

DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
)
"""In linear RGB (Machado, Oliveira and Fernandes 2009, severity 1)."""


XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
"""Tristimulus values of linear sRGB (IEC 61966-2-1, white point D65)."""

NOTICEABLE = 2.3
"""CIE 1976 difference of two colours that are just told apart side by side (Mahy, Van Eycken, Oosterlinck 1994)."""


def linear(colour):
    """sRGB as light."""
    c = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def contrast(one, other):
    """(L1 + 0.05)/(L2 + 0.05) of relative luminances, the lighter above."""
    low, high = sorted(float(linear(colour) @ (0.2126, 0.7152, 0.0722)) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def lab(light):
    """CIE 1976 L*a*b* of linear sRGB, in which equal distances look about alike; what no screen shows is cut off."""
    t = XYZ @ np.clip(light, 0, 1) / XYZ.sum(axis=1)
    f = np.where(t > 216 / 24389, np.cbrt(t), (24389 / 27 * t + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.fixture(params=SCHEMES)
def palette(request):
    return dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", SCHEMES[request.param]))


def test_black_on_white_is_21():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


def test_text_can_be_read(palette):
    for name in ("ink", "quiet", "link", "holds", "fails", "vacuous", "undecided"):
        for ground in ("paper", "wash"):
            assert contrast(palette[name], palette[ground]) >= TEXT, (name, ground)


def test_verdicts_differ_to_a_reader_who_sees_no_red_and_green(palette):
    seen = {name: lab(DEUTERANOPIA @ linear(palette[name])) for name in ("holds", "fails", "vacuous", "undecided")}
    for one, other in itertools.combinations(seen, 2):
        assert np.linalg.norm(seen[one] - seen[other]) > NOTICEABLE, (one, other)


def test_differences_are_those_of_cielab():
    """White is L* = 100 without colour; sRGB's red and green are where they are known to be."""
    assert np.allclose(lab(linear("#ffffff")), [100, 0, 0], atol=1e-3)
    assert np.allclose(lab(linear("#ff0000")), [53.24, 80.09, 67.20], atol=0.02)
    red, green = (lab(DEUTERANOPIA @ linear(colour)) for colour in ("#d64a4a", "#6c8a3c"))
    plain = lab(linear("#d64a4a")) - lab(linear("#6c8a3c"))
    assert np.linalg.norm(red - green) < np.linalg.norm(plain), "what tells red from green is gone"
