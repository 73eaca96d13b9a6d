"""Formulas as MathML: every claim's, with nothing lost, words left as words, and any text taken."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from subtheory.claims import CLAIMS
from subtheory.pages import mathml

INSIDE = {"math", "mi", "mn", "mo", "mrow", "msub", "msup", "msubsup", "mover", "msqrt", "mspace", "mtext"}
PARTS = {"msub": 2, "msup": 2, "msubsup": 3, "mover": 2}
"""How many children an element has."""


class Formula(HTMLParser):
    """The words outside of `<math>`, the text inside, and whether every element has its number of children."""

    def __init__(self, text):
        super().__init__()
        self.open, self.children, self.words, self.text, self.sound = [], [], "", "", True
        self.feed(str(text))
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        assert tag in INSIDE
        if self.children:
            self.children[-1] += 1
        self.open.append(tag)
        self.children.append(0)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        self.sound &= self.children.pop() == PARTS.get(tag, 0) or tag not in PARTS

    def handle_data(self, data):
        self.text += data
        self.words += "" if self.open else data


def plain(formula):
    """A formula without what only says where its signs stand, in the signs that are drawn."""
    signs = mathml.RAISED | mathml.LOWERED | mathml.ACCENTS | {"Σ": "∑", "√": ""}
    return re.sub(r"[\s_^(){},]", "", "".join(signs.get(c, c) for c in formula.replace("...", "…")))


@pytest.mark.parametrize("name", CLAIMS)
def test_every_formula_is_set_and_nothing_of_it_is_lost(name):
    formula = CLAIMS[name].formula
    found = Formula(mathml.math(formula))
    assert found.sound
    assert sorted(re.sub(r"[\s^(){},]", "", found.text)) == sorted(plain(formula))
    assert len(found.words.split()) < len(formula.split())  # there is mathematics in it
    assert not re.search(r"[\d_^=≤≥<>]|[^\x00-\x7F]", found.words)


@pytest.mark.parametrize(
    ("formula", "markup"),
    [
        ("x", "<math><mi>x</mi></math>"),
        ("θ0", '<math><msub><mi>θ</mi><mn>0</mn></msub></math>'),
        ("G²", '<math><msup><mi>G</mi><mn>2</mn></msup></math>'),
        ("Δ_iᵀ", '<math><msubsup><mi mathvariant="normal">Δ</mi><mi>i</mi><mi>T</mi></msubsup></math>'),
        ("f_θ0", "<math><msub><mi>f</mi><msub><mi>θ</mi><mn>0</mn></msub></msub></math>"),
        ("λmax", "<math><msub><mi>λ</mi><mi>max</mi></msub></math>"),
        ("√P", "<math><msqrt><mi>P</mi></msqrt></math>"),
        ("s̄", '<math><mover accent="true"><mi>s</mi><mo stretchy="false">¯</mo></mover></math>'),
        ("−q", '<math><mo form="prefix" lspace="0" rspace="0">−</mo><mi>q</mi></math>'),
        ("for all x", "for all <math><mi>x</mi></math>"),
        ("a letter", "a letter"),
        ("a and b", "<math><mi>a</mi></math> and <math><mi>b</mi></math>"),
        ("of either sign", "of either sign"),
        ("sign x", '<math><mi>sign</mi><mspace width="0.2em"></mspace><mi>x</mi></math>'),
    ],
)  # fmt: skip
def test_what_is_set_how(formula, markup):
    assert mathml.math(formula) == markup


def test_a_line_breaks_at_operators_outside_of_short_brackets():
    pieces = mathml.math("D(ε) = (I − αG)Δ + O(ε²), so q = 0").split(" so ")[0].count("<math>")
    assert pieces == 2
    long = f"E[{' + '.join('abcde')} + {' + '.join('fghij')}]"
    assert mathml.math(long).count("<math>") > 1


@given(st.text(max_size=30) | st.text("θΔε0_^{}()√ᵀ²x−= |‖'.-", max_size=20))
@settings(max_examples=60, deadline=None)
@example("</math><script>")
@example("x_")
@example("√")
@example("√ ^0")
@example("x^ y")
@example("x^word")
@example("a^(")
def test_any_text_is_taken_and_escaped(text):
    assert Formula(mathml.math(text)).sound
