"""What a teacher's update adds to a student of another init: against the theory's functions, one by one; its claims."""

from collections import Counter
from dataclasses import replace

import jax
import numpy as np
import pytest
from reference import Dense
from shapes import KINKED

import subtheory as st
from subtheory.claims import CLAIMS
from subtheory.claims.inits import extrapolated
from subtheory.data.toys import toy
from subtheory.errors import InputError
from subtheory.init import PATHS, begin, students, teachers
from subtheory.instruments.twins import Twins
from subtheory.instruments.two_inits import TwoInits
from subtheory.kernels.functions import Traced
from subtheory.kernels.stack import stack_of
from subtheory.networks import MLP
from subtheory.numerics import float64, public
from subtheory.setting.preparation import stack
from subtheory.setting.setting import Setting
from subtheory.setting.spread import along_every_path, fitting
from subtheory.setting.student import Along, Elsewhere, Redrawn, Shared, path_of
from subtheory.theory import alignment as theory
from subtheory.theory.beyond import cross_kernel as two
from subtheory.theory.distillation import student_update
from subtheory.theory.losses import KL, SquaredError
from subtheory.theory.rule import Carried, Orthogonal, Signs
from subtheory.theory.trains import Half
from subtheory.traces import TRACES

SMALL = MLP(width=4, depth=1, activation="softplus", task=toy((3,), 2, 2))
PLAIN = Setting(SMALL, KL(), examples=5, trait_examples=10)
LOSSES = (SquaredError(), KL())


def along(name, amount=0.5, setting=PLAIN):
    return setting.but(init=Along(PATHS[name], amount))


BASE = along("linear")


def crossings(setting, seeds=(3, 4)):
    return TwoInits().records(setting, seeds, LOSSES)


@pytest.fixture(scope="module")
def found():
    """Two losses, two seeds, four paths, and what was compiled for them."""
    before = Counter(TRACES)
    measured = {name: crossings(along(name)) for name in ("linear", "permutation", "fork", "noise")}
    return measured, Counter(TRACES) - before


def test_a_handful_of_programs_whatever_the_path(found):
    kernels = {f"everything {SMALL.name}"}
    assert kernels <= set(found[1])
    assert all(count == 1 for name, count in found[1].items() if not name.startswith("draw"))
    before = Counter(TRACES)
    for name in ("spherical", "share-heads", "null-noise"):
        crossings(along(name).but(rule=Signs(), trains=Half(), alpha=0.3), (5, 6, 7))
    assert not {name for name in Counter(TRACES) - before if SMALL.name in name or "loss" in name}


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


BY_NAME = {loss.name: loss for loss in LOSSES}


@pytest.mark.parametrize(("path", "loss"), [("linear", "kl"), ("fork", "kl"), ("linear", "squared-error")])
def test_every_number_is_the_theorys(found, path, loss):
    """From the arrays of the same run, as pytrees."""
    c, d = found[0][path][loss][1], along(path).but(loss=BY_NAME[loss]).distillation(4)
    flat = lambda tree: np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])  # noqa: E731
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


@pytest.mark.parametrize("loss", [loss for loss in st.LOSSES.values() if loss.order == 1 and loss.null_clause],
                         ids=lambda loss: loss.name)  # fmt: skip
def test_dense_matrices_say_the_same(loss):
    """Kernel, what is added, its layers and the raw alignment, from Jacobians entry by entry (`reference.py`)."""
    for init in (Redrawn(), Along(PATHS["linear"], 0.5), Shared()):
        d = PLAIN.but(loss=loss, init=init, outputs=(0, 2, 3)).distillation(7)
        c, dense = TwoInits().of(d), Dense(d)
        update, kernel = dense.crossed(loss)
        assert kernel.agrees(c.kernel), (c.kernel, kernel)
        assert dense.quadratic_form(loss).agrees(c.shared)
        if init == Shared():
            assert kernel.agrees(dense.quadratic_form(loss).value)
        for name, part in stack(PLAIN, (7,)).functions.layout.layers().items():
            assert c.predicted_by_layer[name] == pytest.approx(update[part] @ dense.delta[part], rel=1e-9, abs=1e-14)
        for k, eps in enumerate(map(float, c.eps)):
            assert dense.alignment(loss, eps).agrees(c.alignment[k])
            assert dense.added(loss, eps).agrees(c.added[k])
            assert dense.trait_change(loss, c.alpha, eps).agrees(c.trait_change[k])
        # The students' second derivatives are of the labels' way: a difference of the first.
        slope = [dense.added(loss, float(eps)).value / eps for eps in c.eps[:3]]
        assert np.polyfit(c.eps[:3], slope, 2)[1] == pytest.approx(c.second / 2, rel=0.05, abs=1e-3 * c.scale)


@pytest.mark.parametrize("parts", [{}, {"rule": Carried()}, {"trains": Half()}, {"rule": Carried(), "trains": Half()},
                                   {"rule": Orthogonal()}, {"rule": Orthogonal(), "trains": Half()}],
                         ids=lambda parts: "-".join(parts) or "plain")  # fmt: skip
def test_a_linear_rule_is_part_of_what_is_predicted(parts):
    """A mask, a metric or both: kernel, scale and second order are the theory's, and the limit of what is measured."""
    kinked = Setting(KINKED, examples=5, trait_examples=12).but(init=Along(PATHS["relu-rescaling"], 0.5))
    d = kinked.but(**parts).distillation(0)
    c, wanted = TwoInits().of(d), public(two.cross_coefficients)(d)
    assert extrapolated(c.added / c.eps) == pytest.approx(wanted.kernel, rel=1e-6)
    assert (c.kernel, c.scale, c.second) == pytest.approx(tuple(wanted), rel=1e-10)
    assert sum(c.predicted_by_layer.values()) == pytest.approx(wanted.kernel, rel=1e-10)


@pytest.mark.parametrize("reads", [TwoInits(), Twins()], ids=lambda reads: type(reads).__name__)
def test_a_student_of_another_network_is_refused_in_words(reads):
    """Δθ_S · Δ has no meaning for it."""
    with pytest.raises(InputError, match=r"^student: [^\n]+$"):
        reads.records(PLAIN.but(init=Elsewhere(MLP(width=3, depth=1, task=SMALL.task))), (0,), LOSSES)


def test_the_ends_of_the_students_view(found):
    """The curvature of a match at either init, from dense outputs."""
    c, d = found[0]["linear"]["kl"][0], BASE.distillation(3)
    p = public(jax.jit(two.pair))(d)
    for name, z in (("at_teacher", p.y.z0), ("at_student", p.z)):
        prob = np.exp(z / 2) / np.exp(z / 2).sum(-1, keepdims=True)  # the temperature of KL() is 2
        mean = lambda a, prob=prob: np.sum(prob * a, -1, keepdims=True)  # noqa: E731
        inner = np.sum(prob * p.u * (p.y.u - mean(p.y.u)), axis=-1)
        np.testing.assert_allclose(getattr(c, name), inner.mean() / 4, rtol=1e-10)
    assert c.kernel == pytest.approx(c.at_teacher, rel=1e-12) and abs(c.kernel - c.at_student) > 1e-3 * c.scale


def test_shared_init_is_the_theorems(found):
    """Amount 0: the kernel is q, nothing is subtracted, and the setting without a path measures the same."""
    there, plain = (crossings(s)["kl"][0] for s in (along("linear", 0.0), PLAIN))
    assert there.kernel == pytest.approx(there.shared, rel=1e-12) == pytest.approx(plain.kernel, rel=1e-12)
    np.testing.assert_allclose(there.added, there.alignment, rtol=1e-9, atol=1e-15)
    # A student elsewhere has a control of order one, which the raw alignment keeps.
    far = found[0]["linear"]["kl"][0]
    assert abs(far.alignment[-1]) > 100 * abs(far.added[-1])
    raw = crossings(BASE.but(subtracted=False))["kl"][0]
    np.testing.assert_array_equal(raw.added, far.alignment)


def test_one_distillation_is_measured_as_a_batch_is(found):
    c, d = found[0]["noise"]["kl"][1], along("noise").distillation(4)
    alone = TwoInits().of(d)
    for name in ("kernel", "scale", "second", "at_teacher", "at_student", "shared", "alpha", "trait", "trait_slope"):
        assert getattr(alone, name) == pytest.approx(getattr(c, name), rel=1e-11), name
    for name in ("eps", "alignment", "added", "approach", "gap", "cosine", "trait_change", "added_trait", "rounding"):
        np.testing.assert_allclose(getattr(alone, name), getattr(c, name), rtol=1e-9, err_msg=name)
    assert CLAIMS["cross-kernel-is-the-trait-part"].check(d).verdict is st.Verdict.HOLDS


def test_the_same_algebra_on_jax_arrays():
    """Compiled as a whole, for what has to be differentiated: number for number what NumPy gives."""
    for setting in (BASE, BASE.but(rule=Signs(), trains=Half())):
        d = setting.distillation(3)

        @jax.jit
        def here(d):
            return TwoInits().record(stack_of(d, Traced), LOSSES, d.x)

        with float64():
            found = jax.tree.map(np.asarray, here(d))
        there = TwoInits().record(stack(setting, (3,)), LOSSES, None)
        assert set(found) == set(there)
        for name, value in there.items():
            one = jax.tree.map(lambda a, name=name: a[0] if name == "eps" else a[:, 0], value)
            jax.tree.map(lambda a, b, name=name: np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-14, err_msg=name),
                         found[name], one)  # fmt: skip


def test_a_setting_starts_where_the_path_leads():
    """The same draw as `students` with the seed's key; a fork moves the teacher too."""
    d = stack(BASE, (3, 4))
    start = begin(SMALL, 3, loss=SquaredError(), examples=5, trait_examples=10)
    wanted = students(PATHS["linear"], start, (0.5,), [(3, 6)])
    layout = d.functions.layout
    np.testing.assert_allclose(d.student[0], layout.flatten(wanted)[0, 0], rtol=1e-14)
    forked, plain = (stack(setting, (3, 4)) for setting in (along("fork"), PLAIN))
    moved = teachers(PATHS["fork"], start, (0.5,), [(3, 6)])
    np.testing.assert_allclose(forked.theta0[0], layout.flatten(moved)[0, 0], rtol=1e-14)
    assert np.all(np.any(forked.theta0 != plain.theta0, axis=1)) and np.all(np.any(forked.delta != plain.delta, axis=1))
    with float64():  # the direction is the teacher's own, from where it starts
        slope = jax.jit(jax.grad(lambda p: start_loss(forked, p)))(layout.unflatten(forked.theta0[0]))
        slope = jax.tree.map(np.asarray, slope)
    np.testing.assert_allclose(forked.delta[0], -layout.flatten(slope), rtol=1e-9, atol=1e-14)
    with pytest.raises(InputError, match=r"amount: .* got 2"):
        along("linear", 2.0)
    with pytest.raises(InputError, match="units"):
        along("relu-rescaling").distillation(0)


def start_loss(s, params):
    """L_T of the first seed."""
    return jax.tree.map(lambda leaf: leaf[0], s.trait).loss(SMALL.apply, params)


def test_paths_that_fit():
    names = fitting(PLAIN)
    assert {"noise", "fork"} < set(names) and not {"relu-rescaling", "head-permutation"} & set(names)
    assert "relu-rescaling" in fitting(PLAIN.but(network=replace(SMALL, activation="relu")))
    assert "fork" not in fitting(PLAIN.but(trait_examples=8)), "a full batch has no order"
    spread = list(along_every_path(PLAIN))
    assert [path_of(one.student.init).name for one in spread] == list(names)
    assert all(one.student.init.amount > 0 and one.loss == KL() for one in spread)
    assert along("linear").but(init=Shared()) == PLAIN


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
