"""The public surface: a fixed list of names, each documented, and the notebook session that shows them."""

import inspect

import numpy as np
import pytest
from shapes import SMOOTH

import subtheory as st

PUBLIC = [
    "draw",
    "Ablations",
    "Forecast",
    "Lineage",
    "Accepted",
    "All",
    "Along",
    "Assumption",
    "Bregman",
    "CHANNELS",
    "CLAIMS",
    "Carried",
    "Certificate",
    "Claim",
    "Control",
    "ConvNet",
    "CrossEntropy",
    "DIGITS",
    "DataError",
    "Descent",
    "Distillation",
    "Elsewhere",
    "Entries",
    "Evidence",
    "Full",
    "FunctionTrait",
    "Half",
    "InputError",
    "JensenShannon",
    "KL",
    "L1",
    "LOSSES",
    "Loss",
    "LabelledTrait",
    "Layers",
    "Leaves",
    "Linear",
    "MLP",
    "NETWORKS",
    "Orthogonal",
    "Quartic",
    "Redrawn",
    "ReverseKL",
    "Setting",
    "Shared",
    "Shifted",
    "Signs",
    "SquaredError",
    "Student",
    "SubtheoryError",
    "TEACHERS",
    "TOKENS",
    "TargetTrait",
    "TopK",
    "Transformer",
    "Verdict",
    "Verification",
    "VisionTransformer",
    "__version__",
    "ablate",
    "forecast",
    "named_arrays",
    "adapt",
    "alignment",
    "alignment_by_jvp",
    "alignment_lower_bound",
    "alignment_pieces",
    "alignment_roots",
    "alignment_threshold",
    "certify",
    "check",
    "check_certificate",
    "configure",
    "cosine",
    "cosine_limit",
    "critical_step",
    "distance_change",
    "float64",
    "ggn",
    "hessian",
    "kinks",
    "ladder",
    "load",
    "ntk",
    "ntk_product",
    "predicted_alignment",
    "predicted_trait_change",
    "quadratic_form",
    "second_order",
    "student_update",
    "teacher_update",
    "train",
    "trait_change",
    "trait_hessian",
    "trait_step",
    "verify",
]
"""Names that a minor version may add to and only a major version may take from."""


def test_public_names_are_stable():
    assert dir(st) == sorted(PUBLIC) and len(set(PUBLIC)) == len(PUBLIC)
    with pytest.raises(AttributeError, match="no attribute 'allignment'"):
        st.allignment  # noqa: B018


@pytest.mark.parametrize("name", [n for n in PUBLIC if n != "__version__"])
def test_every_public_name_is_documented(name):
    """A docstring that opens with one sentence; the generated `Name(field: ...)` of a dataclass is none."""
    value = getattr(st, name)
    if callable(value):
        text = inspect.getdoc(value) or ""
        assert text.strip() and not text.startswith(f"{name}("), f"{name} has no docstring"


@pytest.fixture(scope="module")
def s():
    return st.Setting(SMOOTH, loss=st.KL(), eps=st.ladder(1e-3), examples=6, trait_examples=8)


def test_the_session_of_the_readme(s):
    d = s.distillation(seed=0)
    u_T, u_S = st.teacher_update(d), st.student_update(d, s.eps[0])
    inner = sum(np.vdot(a, b) for a, b in zip(*(map(np.asarray, _leaves(u)) for u in (u_T, u_S)), strict=True))
    eps = 1e-3
    assert inner == pytest.approx(eps * st.quadratic_form(d), rel=0.5)
    measured, first, second = st.alignment(d), st.predicted_alignment(d), st.predicted_alignment(d, order=2)
    np.testing.assert_allclose(measured, first, rtol=0.2)
    assert np.all(np.abs(measured - second) < np.abs(measured - first))
    G = st.ggn(d)
    assert sum(np.vdot(a, b) for a, b in zip(_leaves(G(d.delta)), _leaves(d.delta), strict=True)) == pytest.approx(
        st.quadratic_form(d)
    )
    evidence = st.CLAIMS["alignment-is-ggn-form"].check(d)
    assert evidence.verdict is st.Verdict.HOLDS and evidence.measured == pytest.approx(evidence.predicted, rel=0.01)


def _leaves(tree):
    return [leaf for _, layer in sorted(tree.items()) for _, leaf in sorted(layer.items())]


def test_check_with_and_without_an_assumption(s):
    from dataclasses import replace

    claim = st.CLAIMS["alignment-is-ggn-form"]
    held = st.check(claim, s, seeds=[5])
    assert held.verdict is st.Verdict.HOLDS and held.runs == 1 and held.ok
    assert st.check(claim, s, seeds=1, without="shared-init").verdict is st.Verdict.FAILS
    with pytest.raises(st.InputError, match="without: unknown, did you mean 'shared-init'"):
        st.check(claim, s, without="shared-int")
    with pytest.raises(st.InputError, match="setting: claim alignment-is-ggn-form does not speak of it"):
        st.check(claim, replace(s, loss=st.L1()))
    with pytest.raises(st.InputError, match="seeds: must be at least 1"):
        st.check(claim, s, seeds=0)
    for seed in (-1, 2**32):
        with pytest.raises(st.InputError, match=f"seeds: must lie in 0 ... 4294967295, got {seed}"):
            st.check(claim, s, seeds=[seed])


def test_no_module_hides_a_public_name() -> None:
    # A lazy name and a submodule of the same name collide as soon as the submodule is imported.
    import types

    import subtheory.cli.verbs.verify
    import subtheory.pages.report  # imports everything below it

    for name in subtheory.__all__:
        assert not isinstance(getattr(subtheory, name), types.ModuleType), name
