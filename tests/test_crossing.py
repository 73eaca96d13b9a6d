"""The program that measures students of another init: against the theory's functions, one by one, and its claims."""

from collections import Counter
from dataclasses import replace

import jax
import numpy as np
import pytest

import subtheory as st
from subtheory.claims import CLAIMS
from subtheory.claims.inits import along_every_path, extrapolated, paths_of
from subtheory.crossing import cross, crossings
from subtheory.data.toys import toy
from subtheory.errors import InputError
from subtheory.init import PATHS, begin, students
from subtheory.networks import MLP
from subtheory.numerics import float64, public
from subtheory.setting import Setting, distillations
from subtheory.theory import alignment as theory
from subtheory.theory import cross_kernel as two
from subtheory.theory.distillation import student_update
from subtheory.theory.losses import KL, SquaredError
from subtheory.traces import TRACES

SMALL = MLP(width=4, depth=1, activation="softplus", task=toy((3,), 2, 2))
BASE = Setting(SMALL, KL(), examples=5, trait_examples=10, path=PATHS["linear"], amount=0.5)
LOSSES = (SquaredError(), KL())


@pytest.fixture(scope="module")
def found():
    """Two losses, two seeds, four paths, and what was compiled for them."""
    before = Counter(TRACES)
    some = ("linear", "permutation", "fork", "noise")
    measured = {name: crossings(replace(BASE, path=PATHS[name]), (3, 4), LOSSES) for name in some}
    return measured, Counter(TRACES) - before


def test_one_program_whatever_the_path(found):
    assert found[1][f"cross {SMALL.name}"] == 1
    assert all(found[1][f"init {name}"] == 1 for name in found[0])


@public
@jax.jit
def expected(d, alpha):
    """Each field of a record by a function of its own."""
    return {
        "kernel": two.cross_kernel(d),
        "scale": two.cross_scale(d),
        "second": two.cross_second_order(d),
        "shared": theory.quadratic_form(d),
        "alignment": theory.alignment(d),
        "approach": two.approach(d),
        "added": two.control_subtracted_alignment(d),
        "trait_change": theory.trait_change(d, alpha),
        "added_trait": two.control_subtracted_trait_change(d, alpha),
        "slope": two.predicted_control_subtracted_trait_change(d, alpha, after_control=True),
        "by_layer": two.alignment_by_layer(d, control_subtracted=True),
        "predicted_by_layer": two.predicted_alignment_by_layer(d),
        "update": student_update(d, d.eps[0]),
    }


@pytest.mark.parametrize(("path", "loss"), [("linear", "kl"), ("fork", "kl"), ("linear", "squared-error")])
def test_every_number_is_the_theorys(found, path, loss):
    """From the arrays that the record carries."""
    c = found[0][path][loss][1]
    d, flat = c.distillation, lambda tree: np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])
    assert d.loss.name == loss and d.student["head"]["kernel"].dtype == np.float64
    wanted = expected(d, c.alpha)
    layers, predicted, slope = (wanted.pop(name) for name in ("by_layer", "predicted_by_layer", "slope"))
    g, delta = flat(wanted.pop("update")), flat(d.delta)
    for name, value in wanted.items():
        np.testing.assert_allclose(getattr(c, name), value, rtol=1e-9, atol=1e-14, err_msg=name)
    np.testing.assert_allclose(c.cosine[0], g @ delta / np.linalg.norm(g) / np.linalg.norm(delta), rtol=1e-10)
    np.testing.assert_allclose(c.alpha * c.eps * c.trait_slope, slope, rtol=1e-9)
    np.testing.assert_allclose(c.added_trait[-1], slope[-1], rtol=1e-3)
    assert set(layers) == set(c.by_layer) == {"Dense_0", "head"}
    for name in layers:
        np.testing.assert_allclose(c.by_layer[name], layers[name], rtol=1e-9, atol=1e-15)
        np.testing.assert_allclose(c.eps * c.predicted_by_layer[name], predicted[name], rtol=1e-9, atol=1e-15)


def test_the_ends_of_the_students_view(found):
    """The curvature of a match at either init, from dense outputs."""
    c = found[0]["linear"]["kl"][0]
    d = c.distillation
    p = public(jax.jit(two.pair))(d)
    for name, z in (("at_teacher", p.y.z0), ("at_student", p.z)):
        prob = np.exp(z / 2) / np.exp(z / 2).sum(-1, keepdims=True)  # the temperature of KL() is 2
        mean = lambda a, prob=prob: np.sum(prob * a, -1, keepdims=True)  # noqa: E731
        inner = np.sum(prob * p.u * (p.y.u - mean(p.y.u)), axis=-1)
        np.testing.assert_allclose(getattr(c, name), inner.mean() / 4, rtol=1e-10)
    assert c.kernel == pytest.approx(c.at_teacher, rel=1e-12) and abs(c.kernel - c.at_student) > 1e-3 * c.scale


def test_shared_init_is_the_theorems(found):
    """Amount 0: the kernel is q, nothing is subtracted, and the setting without a path measures the same."""
    there, plain = (
        crossings(s, (3, 4), LOSSES)["kl"][0] for s in (replace(BASE, amount=0.0), replace(BASE, path=None))
    )
    assert there.kernel == pytest.approx(there.shared, rel=1e-12) == pytest.approx(plain.kernel, rel=1e-12)
    np.testing.assert_allclose(there.added, there.alignment, rtol=1e-9, atol=1e-15)
    # A student elsewhere has a control of order one, which the raw alignment keeps.
    far = found[0]["linear"]["kl"][0]
    assert abs(far.alignment[-1]) > 100 * abs(far.added[-1])
    raw = crossings(replace(BASE, uncontrolled=True), (3, 4), LOSSES)["kl"][0]
    np.testing.assert_array_equal(raw.added, far.alignment)


def test_one_distillation_is_measured_as_a_batch_is(found):
    c = found[0]["noise"]["kl"][1]
    alone = cross(c.distillation)
    assert alone.kernel == pytest.approx(c.kernel, rel=1e-12)
    np.testing.assert_allclose(alone.added, c.added, rtol=1e-10)
    assert CLAIMS["cross-kernel-is-the-trait-part"].check(c.distillation).verdict is st.Verdict.HOLDS


def test_a_setting_starts_where_the_path_leads():
    """The same draw as `students` with the seed's key; a fork moves the teacher too."""
    d = distillations(BASE, (3, 4))[0]
    with float64():
        key = jax.random.key(3)
        start = begin(SMALL, key, loss=SquaredError(), examples=5, trait_examples=10)
        wanted = students(PATHS["linear"], start, (0.5,), jax.random.fold_in(key, 6)[None])
    np.testing.assert_allclose(d.student["head"]["kernel"][0], wanted["head"]["kernel"][0, 0], rtol=1e-14)
    forked, plain = (distillations(replace(BASE, path=path), (3, 4))[0] for path in (PATHS["fork"], None))
    assert np.any(forked.theta0["head"]["kernel"] != plain.theta0["head"]["kernel"])
    assert np.any(forked.delta["head"]["kernel"] != plain.delta["head"]["kernel"])
    with pytest.raises(InputError, match=r"amount: .* got 2"):
        replace(BASE, amount=2.0)
    with pytest.raises(InputError, match="units"):
        replace(BASE, path=PATHS["relu-rescaling"], amount=0.5).distillation(0)


def test_paths_that_fit():
    names = paths_of(SMALL, 5, 10)
    assert {"noise", "fork"} < set(names) and not {"relu-rescaling", "head-permutation"} & set(names)
    assert "relu-rescaling" in paths_of(replace(SMALL, activation="relu"), 5, 10)
    assert "fork" not in paths_of(SMALL, 5, 8), "a full batch has no order"
    spread = list(along_every_path(replace(BASE, path=None)))
    assert [one.path.name for one in spread] == list(names) and all(one.amount > 0 for one in spread)


def test_the_kernel_claim_notices_a_wrong_curvature(found):
    """M without the softmax, a kernel off by a hundredth, a second order off by a tenth: sign and order alone stay."""
    claim = CLAIMS["cross-kernel-is-the-trait-part"]
    for c in found[0]["linear"]["kl"]:
        assert claim.check(c).verdict is st.Verdict.HOLDS and claim.check(c).margin > 0
        assert claim.check(replace(c, kernel=c.kernel + 0.01 * c.scale)).verdict is st.Verdict.FAILS
        assert claim.check(replace(c, second=1.5 * c.second)).verdict is st.Verdict.FAILS
        assert claim.check(replace(c, added=c.added + c.eps[-1] * c.eps * c.scale * 100)).verdict is st.Verdict.FAILS
        # The other order of the divergence has the curvature of the other init.
        other = CLAIMS["kl-order-chooses-the-init-of-m"]
        assert other.check(c).verdict is st.Verdict.HOLDS
        swapped = replace(c, at_teacher=c.at_student, at_student=c.at_teacher)
        assert other.check(swapped).verdict is st.Verdict.FAILS


def test_extrapolation_is_exact_for_a_line():
    eps = 4.0 ** -np.arange(5)
    assert extrapolated(3 + 2 * eps) == pytest.approx(3, rel=1e-14)
