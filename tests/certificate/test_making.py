"""What cannot be certified is named."""

import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from certified import LOSSES
from matplotlib.figure import Figure
from shapes import SINGLE

import subtheory as st
from subtheory.certificate.cases import CASES
from subtheory.theory.rule import Signs
from subtheory.theory.views import Accepted


@pytest.mark.parametrize(
    "field, change",
    [
        ("network", {"network": replace(SINGLE, activation="relu")}),
        ("network", {"network": st.VisionTransformer()}),
        ("loss", {"loss": st.KL()}),
        ("student", {"rule": Signs()}),
        ("student", {"view": Accepted()}),
        ("alpha", {}),
        ("upto", {}),
        ("x", {"x": np.full((5, 2), np.nan)}),
    ],
)
def test_what_cannot_be_certified_is_named(field, change):
    d = replace(CASES["tanh-2-4-2"].distillation(1, LOSSES[0]), **change)
    alpha, upto = (np.inf if field == "alpha" else 1.0), (-1.0 if field == "upto" else 1.0)
    with pytest.raises(st.InputError) as raised:
        st.certify(d, upto, alpha=alpha)
    assert raised.value.field == field


def test_trait_statements_are_for_mlps_with_data():
    with pytest.raises(st.InputError, match="MLP"):
        st.certify(CASES["convnet"].distillation(1, LOSSES[0]), 1.0, kinds=("trait-loss",))
    d = replace(CASES["tanh-2-4-2"].distillation(1, LOSSES[0]), trait=st.FunctionTrait(lambda theta: 0.0))
    with pytest.raises(st.InputError, match="trait"):
        st.certify(d, 1.0, kinds=("trait-loss",))


def test_a_second_spelling_that_differs_is_refused():
    class Twice(st.MLP):
        def apply(self, params, x):
            return 2 * SINGLE.apply(params, x)

    d = replace(CASES["tanh-2-4-2"].distillation(1, LOSSES[0]), network=Twice(4, 1, task=SINGLE.task))
    with pytest.raises(st.InputError, match="form on balls"):
        st.certify(d, 1.0)


def test_a_certificate_is_seen_in_a_notebook_as_a_table_and_a_picture(monkeypatch):
    found = st.certify(CASES["tanh-2-4-2"].distillation(1, LOSSES[0]), 0.1, kinds=("alignment", "trait-loss"))
    page = found._repr_html_()
    assert "D(ε) &gt; 0" in page and page.count("<table>") == 2 and "squared-error" in page
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=list))
    assert found.to_pandas() == found.rows() and len(found.rows()) == 2
    curve = found.plot(Figure().subplots()).get_lines()[1]
    statement = found.found["alignment"].statement
    assert curve.get_ydata().tolist() == [float(value) for value in statement.values] and min(curve.get_ydata()) > 0
    x = curve.get_xdata()
    assert np.all(np.diff(x) > 0) and 0 < x[-1] < found.upto()
    assert np.allclose([found.value(float(at)) for at in x], curve.get_ydata(), rtol=1e-12)
