"""The public strategies: what they draw is what the theory speaks of, without compiling at every draw."""

from collections import Counter
from dataclasses import replace

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis.errors import NoSuchExample

import subtheory as st
from subtheory.cases import strategies as sts
from subtheory.claim import Assumption
from subtheory.claims.assumptions import (
    DIFFERENTIABLE,
    GRADIENT_STUDENT,
    INTERIOR_MINIMUM,
    SAME_PARAMETERS,
    SHARED_INIT,
    UNFILTERED,
)
from subtheory.init import PATHS
from subtheory.kernels.functions import shapes_of
from subtheory.setting.setting import Setting
from subtheory.setting.student import Along, Elsewhere
from subtheory.setting.teachers import Momentum, Teacher
from subtheory.theory.rule import Descent, Signs
from subtheory.theory.views import Accepted, Full
from subtheory.traces import TRACES

ELSEWHERE = Assumption("elsewhere", "One network.", lambda s: s.but(init=Elsewhere(sts.SHAPES["tanh-3"])))
WALKED = Assumption("walked", "No path.", lambda s: s.but(init=Along(PATHS["noise"], 0.5)))

SHAPE = "tanh-3"
FEW = settings(max_examples=15, deadline=None, derandomize=True, database=None,
               suppress_health_check=list(HealthCheck))  # fmt: skip


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def test_a_dozen_shapes_at_most():
    assert 6 <= len(sts.SHAPES) <= 12
    sizes = [sum(leaf.size for leaf in jax.tree.leaves(shapes_of(one))) for one in sts.SHAPES.values()]
    assert max(sizes) < 300


def test_a_claim_of_ones_own_in_five_lines():
    """As the docs show it; a second draw of a shape compiles nothing."""
    compiled = []

    @FEW
    @given(sts.distillations(networks=[SHAPE], losses=["kl"], teachers=["random"]))
    def test_mine(d):
        assert (st.alignment(d) >= -1e-12).all()
        compiled.append(Counter(TRACES))

    test_mine()
    assert len(compiled) > 10 and compiled[-1] == compiled[0]


@FEW
@given(sts.distillations(networks=[SHAPE], losses=["kl", st.SquaredError()], teachers=["gradient-descent"]))
def test_a_distillation_is_the_theorems_own(d):
    assert d.network is sts.SHAPES[SHAPE] and d.loss.name in ("kl", "squared-error")
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(d))
    assert same(d.student, d.theta0) and same(d.trainable, jax.tree.map(np.ones_like, d.theta0))
    assert d.weights.sum() == pytest.approx(1) and d.x.shape == (sts.INPUTS, 2)
    assert np.all(np.diff(d.eps) < 0) and d.eps[-1] > 0 and d.view == Full() and d.rule == Descent()
    step = st.teacher_update(replace(d, loss=st.SquaredError()), "gradient-descent")
    for mine, found in zip(jax.tree.leaves(d.delta), jax.tree.leaves(step), strict=True):
        np.testing.assert_allclose(mine, found, rtol=1e-12, atol=1e-14)


BROKEN = {
    SHARED_INIT: lambda d: not same(d.student, d.theta0),
    SAME_PARAMETERS: lambda d: any((leaf == 0).any() for leaf in jax.tree.leaves(d.trainable)),
    GRADIENT_STUDENT: lambda d: d.rule == Signs(),
    UNFILTERED: lambda d: d.view == Accepted(),
    INTERIOR_MINIMUM: lambda d: d.loss.name == "l1",
}


@pytest.mark.parametrize("assumption", BROKEN, ids=lambda a: a.name)
def test_an_assumption_can_be_broken(assumption):
    drawn = sts.distillations([SHAPE], ["squared-error"], ["random"], ["all"], without=assumption)
    found = find(drawn, BROKEN[assumption], settings=settings(FEW, phases=[Phase.generate]))
    assert found.network is sts.SHAPES[SHAPE]


def test_what_no_setting_breaks_is_refused():
    with pytest.raises(st.InputError, match="differentiable"):
        sts.settings(without=DIFFERENTIABLE)


def test_another_architecture_is_no_distillation():
    """Two networks have no parameters in common, and a path is drawn by no case: one line each."""
    own = sts.settings(["linear"], ["squared-error"], without=ELSEWHERE)
    assert find(own, lambda s: True, settings=FEW).student.init == Elsewhere(sts.SHAPES["tanh-3"])
    for broken in (ELSEWHERE, WALKED):
        with pytest.raises(st.InputError, match=rf"^without: .*{broken.name}") as error:
            sts.distillations(["linear"], without=broken)
        assert "\n" not in str(error.value)
    with pytest.raises(st.InputError, match=r"^setting: .*redrawn init"):
        find(sts.cases(WALKED.breaks(Setting(sts.SHAPES["tanh-3"]))), lambda c: True, settings=FEW)


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (lambda: sts.networks(["tanh-4"]), "tanh-3"),
        (lambda: sts.losses(["kll"]), "kl"),
        (lambda: sts.teachers(["randm"]), "random"),
        (lambda: sts.distillations(networks=["relu"]), "networks"),
    ],
)
def test_a_misspelt_name_is_an_error_of_one_line(draw, said):
    with pytest.raises(st.InputError, match=said) as error:
        draw().validate()
    assert "\n" not in str(error.value)


@FEW
@given(sts.settings(networks=["transformer"], losses=["squared-error"]))
def test_settings_are_for_check(setting):
    assert isinstance(setting, Setting) and setting.channel.name == "random-tokens"


@FEW
@given(sts.channels(sts.SHAPES["transformer"]), sts.channels(sts.SHAPES["convnet"]), sts.ladders())
def test_inputs_and_ladders_have_their_shapes(tokens, images, eps):
    assert tokens.shape == (sts.INPUTS, 3) and tokens.dtype == np.int32 and tokens.max() < 4
    assert images.shape == (sts.INPUTS, 2, 2) and images.dtype == np.float64
    assert eps.shape == (6,) and np.all(eps > 0) and np.all(eps <= 1e-2)
    np.testing.assert_allclose(eps[:-1] / eps[1:], 4)


@FEW
@given(sts.distillations(networks=["relu-3"], losses=["squared-error"], teachers=["random"]))
def test_a_relu_network_is_off_its_kinks(d):
    with st.float64():
        for x in (d.x, d.trait.x):
            for one in x:
                (h,) = d.network.preactivations(d.theta0, one)
                if x is d.trait.x:
                    assert np.all(np.asarray(h) != 0)


def test_parameters_shrink_to_zero():
    smallest = find(sts.parameters(sts.SHAPES[SHAPE]), lambda p: True, settings=FEW)
    assert all(not leaf.any() for leaf in jax.tree.leaves(smallest))
    with pytest.raises(NoSuchExample):
        find(sts.teachers(["random"]), lambda teacher: teacher.name != "random")


def test_teachers_are_records_by_name_or_as_they_are():
    assert isinstance(find(sts.teachers(), lambda teacher: True, settings=FEW), Teacher)
    assert find(sts.teachers([Momentum()]), lambda teacher: True, settings=FEW) == Momentum()
