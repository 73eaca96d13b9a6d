"""What one student's step does: two forms of D that agree, one forward per ε, a handful of programs a network."""

from collections import Counter
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import Dense, number
from shapes import SMOOTH

from subtheory.claim import Verdict
from subtheory.claims import CLAIMS
from subtheory.constructed.formula import constructed
from subtheory.instruments.first_order import SHARED, FirstOrder, faint_signs
from subtheory.kernels.functions import Traced
from subtheory.kernels.source import Given
from subtheory.kernels.stack import Stack, labels, stack_of, updates
from subtheory.networks import MLP
from subtheory.numerics import float64
from subtheory.setting.preparation import reference, stack
from subtheory.setting.setting import Setting, ladder
from subtheory.setting.student import Elsewhere, Redrawn, Student
from subtheory.setting.teachers import OPTIMIZERS, TEACHERS, Adam
from subtheory.theory import alignment as theory
from subtheory.theory.linearize import TaylorModel
from subtheory.theory.losses import L1, CrossEntropy, Quartic, SquaredError
from subtheory.theory.network import Network
from subtheory.theory.rule import Signs
from subtheory.theory.trains import Half
from subtheory.theory.trait import LabelledTrait
from subtheory.theory.views import Accepted
from subtheory.traces import TRACES

PAIR = (SquaredError(), CrossEntropy())


@dataclass(frozen=True)
class Small:
    """A one-hidden-layer tanh network, one tanh an evaluation; equal by value."""

    name: str = "small"
    width: int = 3

    def init(self, key):
        a, b = jax.random.split(key)
        return {
            "in": jax.random.normal(a, (2, self.width), jnp.float64),
            "out": jax.random.normal(b, (self.width, 3), jnp.float64),
        }

    def apply(self, params, x):
        return jnp.tanh(x @ params["in"]) @ params["out"]


RNG = np.random.default_rng(5)
TRAIT = LabelledTrait(RNG.standard_normal((4, 2)), np.array([0, 1, 2, 0], np.int32), np.ones(3))
SOURCE = Given(
    {"in": RNG.standard_normal((2, 3)), "out": RNG.standard_normal((3, 3))}, RNG.standard_normal((5, 2)), TRAIT, 3
)
SETTING = Setting(Small(), source=SOURCE)


def record(setting, seeds, losses=PAIR):
    """Every number of a run, the axes of losses and seeds in front."""
    s = stack(setting, seeds)
    return FirstOrder().record(s, losses, reference(s))


def measured(setting, seeds, losses=PAIR):
    return FirstOrder().records(setting, seeds, losses)


CHANGES = [{"teacher": teacher} for teacher in TEACHERS.values()]
CHANGES += [{"eps": ladder(1e-3)}, {"alpha": 0.3}, {"relative": False}, {"outputs": (0, 2)}]
CHANGES += [{"init": Redrawn()}, {"rule": Signs()}, {"view": Accepted()}, {"trains": Half()}, {"network": Small()}]
CHANGES += [{"outputs": (1,), "view": Accepted(), "trains": Half(), "teacher": Adam()}]


@pytest.fixture(scope="module")
def sweep():
    """Every kind of setting of one network, in one loop; how often each program was traced."""
    before = Counter(TRACES)
    runs = [(change, record(SETTING.but(**change), (0, 1))) for change in CHANGES]
    record(SETTING, (7, 2**32 - 1))
    record(SETTING, tuple(range(120)))  # more rows than one call takes
    plain = Counter(TRACES) - before
    for teacher in ("random", "adam"):
        record(SETTING.but(teacher=TEACHERS[teacher], init=Elsewhere(Small(width=2))), (0, 1))
    return runs, plain, Counter(TRACES) - before - plain


def test_a_handful_of_programs_for_a_network(sweep):
    """Channels, ε, seeds, teachers, outputs, students and views are arrays: a sweep never recompiles."""
    _, plain, structural = sweep
    kernels = {"everything small": 1}
    assert {name: count for name, count in plain.items() if name in kernels} == kernels
    # What another test of this process has compiled before is not compiled again.
    shared = {f"loss {loss.name}": 1 for loss in PAIR} | {"optimizer": len(OPTIMIZERS)}
    assert all(count <= shared[name] for name, count in plain.items() if name not in kernels)
    assert set(structural) <= {"everything small"} and set(structural.values()) <= {1}


NARROW = Setting(SMOOTH, examples=5, trait_examples=4)


@pytest.mark.parametrize(
    ("setting", "network"), [(SETTING, Small(width=2)), (NARROW, MLP(2, 1))], ids=["given", "task"]
)
def test_a_student_elsewhere_has_an_init_of_its_own_network(setting, network):
    """Of the shape that it was asked for, whoever hands over the teacher's parameters."""
    elsewhere = setting.but(init=Elsewhere(network))
    s = stack(elsewhere, (0, 1))
    with float64():
        fresh = jax.eval_shape(network.init, jax.random.key(0))
    assert s.other is not None and s.other.network == network
    sizes = [leaf.size for leaf in jax.tree.leaves(fresh)]
    assert s.student.shape == (2, sum(sizes)) and s.student.shape != s.theta0.shape
    assert not np.array_equal(s.student[0], s.student[1]), "every seed draws its own"
    assert not np.isin(s.student, s.theta0).any()
    m, own = (measured(one, (0,))["squared-error"][0] for one in (elsewhere, setting))
    assert np.all(np.isnan(m.alignment)) and np.all(np.isfinite(m.trait_change)) and np.isfinite(m.trait)
    assert m.alpha == own.alpha and np.all(own.trait_change != m.trait_change)


def test_by_one_jvp_and_by_the_real_update(sweep):
    """D(ε) = ⟨r(ε), JΔ⟩ for every ε, loss and init; not for a student that is no plain gradient step."""
    runs, _, _ = sweep
    for change, found in runs:
        off = np.abs(found["alignment"] - found["alignment_by_jvp"])
        noise = found["rounding"][:, :, None] + 1e-12 * np.abs(found["alignment"])
        exempt = "rule" in change or "trains" in change
        assert exempt or np.all(off <= noise), change
        assert not exempt or np.any(off > 1e3 * noise), change


def test_seeds_and_losses_of_a_batch_are_measured_alike(sweep):
    """A stack of seeds gives each seed's own numbers, and every loss what it gives alone."""
    random = SETTING.but(teacher=TEACHERS["random"], loss=CrossEntropy())
    elsewhere = random.but(init=Redrawn(), rule=Signs(), trains=Half(), view=Accepted())
    for seed, setting in ((0, SETTING), (1, random), (1, elsewhere)):
        batch = measured(setting, (0, 1))[setting.loss.name][seed]
        alone = FirstOrder().of(setting.distillation(seed))
        assert alone.distillation is not None and batch.distillation is None and batch.loss == alone.loss
        for name in record(setting, (0, 1)):
            scale = np.maximum(batch.alignment_rounding.max(), 1e-15) if name != "trait" else 0
            np.testing.assert_allclose(getattr(batch, name), getattr(alone, name), rtol=1e-12, atol=scale, err_msg=name)
    assert measured(SETTING, (0, 1))["squared-error"][1].trait_change.shape == (6,)


OTHERS = [{}, {"init": Redrawn()}, {"view": Accepted()}, {"init": Redrawn(), "view": Accepted()}]


@pytest.mark.parametrize("loss", PAIR, ids=lambda loss: loss.name)
@pytest.mark.parametrize("parts", OTHERS, ids=lambda parts: "-".join(parts) or "theorem")
def test_dense_matrices_say_the_same(parts, loss):
    """Jacobians entry by entry and loops over examples (`reference.py`), for other inits and views too."""
    d = SETTING.but(loss=loss, outputs=(0, 2), **parts).distillation(3)
    m, dense = FirstOrder().of(d), Dense(d)
    assert dense.quadratic_form(loss).agrees(m.leading) and dense.second_order(loss).agrees(m.second_order)
    np.testing.assert_allclose(m.ggn_norm, np.linalg.norm(dense.ggn(loss) @ dense.delta), rtol=1e-11)
    np.testing.assert_allclose(m.alpha, m.leading / m.ggn_norm**2, rtol=1e-12)
    for k, eps in enumerate(map(float, m.eps)):
        update, aligned = dense.update(loss, eps), dense.alignment(loss, eps)
        assert aligned.agrees(m.alignment[k]) and aligned.agrees(m.alignment_by_jvp[k])
        assert number(np.linalg.norm(update.step), update.norm_size).agrees(m.update_norm[k])
        assert dense.trait_change(loss, m.alpha, eps).agrees(m.trait_change[k])
    slope = -dense.delta  # the teacher is one gradient step
    np.testing.assert_allclose(m.trait_slope, slope @ dense.ggn_delta(loss), rtol=1e-10)


def test_a_setting_asked_for_one_loss_records_what_it_records_among_several():
    alone, among = (measured(SETTING, (0, 1), losses)["cross-entropy"][1] for losses in (PAIR[1:], PAIR))
    for name in record(SETTING, (0, 1)):
        np.testing.assert_array_equal(getattr(alone, name), getattr(among, name))


def test_the_same_algebra_on_jax_arrays():
    """Compiled as a whole, for what has to be differentiated: number for number what NumPy gives, but for rounding."""
    for setting in (SETTING, SETTING.but(init=Redrawn(), rule=Signs(), trains=Half(), view=Accepted())):
        d, there = setting.distillation(1), record(setting, (1,))

        @jax.jit
        def here(d):
            s = stack_of(d, Traced)
            return FirstOrder().record(s, PAIR, s.trait.x)

        with float64():
            found = jax.tree.map(np.asarray, here(d))
        assert set(found) == set(there)
        for name, value in there.items():
            one = value[0] if name in SHARED else value[:, 0]
            rough = "rounding" in name or name == "blur"
            np.testing.assert_allclose(found[name], one, rtol=0.5 if rough else 1e-9, atol=1e-15, err_msg=name)


def test_what_is_trained_is_what_the_form_sees():
    """ΔᵀQGQΔ: q itself where everything is trained, else the limit of D for a teacher that moved the same only."""
    assert np.array_equal(record(SETTING, (0,))["trained"], record(SETTING, (0,))["leading"])
    half = Setting(Small(), source=SOURCE, student=Student(trains=Half()))
    matched = half.but(teacher=replace(half.teacher, moves=Half()))
    found, free = record(matched, (0,)), record(half, (0,))
    np.testing.assert_allclose(found["trained"], free["trained"], rtol=1e-12)
    assert np.all(np.abs(free["trained"] / free["leading"] - 1) > 1e-3)
    ratio = found["alignment"] / found["eps"]
    limit = (4 * ratio[..., -1] - ratio[..., -2]) / 3
    np.testing.assert_allclose(limit, found["trained"], rtol=1e-5)


def test_frozen_entries_never_move():
    s = stack(SETTING.but(trains=Half(), rule=Signs(), init=Redrawn()), (0, 3))
    moved = updates(s, SquaredError(), labels(s, s.eps), s.functions.values(s.student, s.x))
    frozen = np.broadcast_to(s.trains[:, None] == 0, moved.shape)
    assert 0 < frozen.sum() < frozen.size and np.all(moved[frozen] == 0) and np.all(moved[~frozen] != 0)


def tanhs(jaxpr, times=1):
    """Evaluations of the network in a program: its tanh, counted as often as the loop around it runs."""
    total = 0
    for equation in jaxpr.eqns:
        inner = [p for p in equation.params.values() if hasattr(p, "eqns") or hasattr(p, "jaxpr")]
        loops = times * equation.params.get("length", 1)
        total += sum(tanhs(getattr(p, "jaxpr", p), loops) for p in inner)
        total += times * (equation.primitive.name == "tanh")
    return total


def test_the_grid_of_eps_costs_one_jvp_and_one_forward_each():
    d = SETTING.distillation()
    K = len(d.eps)
    with float64():
        assert tanhs(jax.make_jaxpr(theory.alignment_by_jvp)(d).jaxpr) == 1 + K
        assert tanhs(jax.make_jaxpr(theory.alignment)(d).jaxpr) == 2 * K  # teacher and student, every ε


def test_rounding_scale_is_honest():
    """The stated rounding bounds what float64 does to D in the zero branch, and is small beside a real D."""
    m = measured(SETTING, (0, 1))["squared-error"][0]
    assert np.all(m.alignment_rounding[:3] < 1e-6 * m.alignment[:3])
    assert np.all(np.abs(m.alignment - m.alignment_by_jvp) <= m.alignment_rounding)
    assert np.all(replace(m, loss=Quartic()).alignment_rounding < m.alignment_rounding)
    assert m.trait_rounding > 1e-16 and isinstance(SETTING.network, Network)


def bent(theta, x):
    """Outputs of which the first moves by εu + ½ε²v with u far below v: its sign at ε is that of v."""
    return jnp.concatenate([x * (SMALL_U * theta - theta**2), x * theta])


SMALL_U = 1e-3


def test_an_absolute_loss_says_which_signs_its_slope_does_not_decide():
    s = constructed("bent", bent, np.zeros(1), np.ones(1), width=2, loss=L1(), eps=ladder(0.1))
    claim = CLAIMS["absolute-loss-steps-at-order-one"]
    m = claim.reads.records(s, (0,), (L1(),))["l1"][0]
    opposite = s.eps > np.float64(SMALL_U)  # there −ε² outweighs εu
    assert 0 < opposite.sum() < len(s.eps)
    np.testing.assert_allclose(m.alignment, 1 + SMALL_U * np.where(opposite, -1, 1), rtol=1e-12)
    np.testing.assert_allclose(m.unclear, SMALL_U * (np.asarray(s.eps) * 2 >= SMALL_U), rtol=1e-12)
    assert claim.check_measurement(m).verdict == Verdict.HOLDS
    blind = replace(m, unclear=0 * m.unclear)
    assert claim.check_measurement(blind).verdict == Verdict.FAILS


def test_the_sign_of_a_moving_output_is_hidden_by_its_own_size_and_not_by_that_of_one_at_rest():
    huge, none = 1e12, np.zeros((1, 2))
    s = Stack(theta0=np.zeros(1), student=np.zeros(1), delta=np.zeros(1), x=np.zeros((1, 1)), weights=np.ones(1),
              outputs=np.ones(2), eps=np.array([1e-3]), trait=None, alpha=1.0)  # fmt: skip
    at_rest = TaylorModel(np.array([[1.0, huge]]), np.array([[0.5, 0.0]]), none)
    moving = TaylorModel(np.array([[huge, 1.0]]), np.array([[0.5, 0.0]]), none)
    assert faint_signs(s, L1(), at_rest) == 0
    assert faint_signs(s, L1(), moving) == 0.5, "50 roundoffs of 10¹² are more than ε|u| = 5·10⁻⁴"
    assert faint_signs(s, SquaredError(), moving) == 0, "a loss that takes no signs"
