"""The measurement: two forms of D that agree, one forward per ε, and one compilation per network."""

from collections import Counter
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from subtheory.measurement import PER_LOSS, measure, measurements, record
from subtheory.numerics import float64
from subtheory.setting import Setting, ladder
from subtheory.source import Given
from subtheory.theory import alignment as theory
from subtheory.theory.losses import CrossEntropy, Quartic, SquaredError
from subtheory.theory.network import Network
from subtheory.theory.teachers import TEACHERS
from subtheory.theory.trait import LabelledTrait
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


@pytest.fixture(scope="module")
def sweep():
    """Every kind of setting of one network, in one loop; how often each program was traced."""
    before = Counter(TRACES)
    changes = [{"teacher": teacher} for teacher in TEACHERS]
    changes += [{"eps": ladder(1e-3)}, {"alpha": 0.3}, {"relative": False}, {"outputs": (0, 2)}]
    changes += [{name: True} for name in ("independent", "sign_step", "filtered", "frozen")]
    changes += [{"network": Small()}, {"outputs": (1,), "filtered": True, "frozen": True, "teacher": "adam"}]
    runs = {str(change): record(replace(SETTING, **change), (0, 1), PAIR) for change in changes}
    record(SETTING, (7, 2**32 - 1), PAIR)
    plain = Counter(TRACES) - before
    for teacher in ("random", "adam"):
        record(replace(SETTING, teacher=teacher, student_network=Small(width=2)), (0, 1), PAIR)
    return runs, plain, Counter(TRACES) - before - plain


def test_two_programs_per_network_and_one_per_structural_control(sweep):
    """Channels, ε, seeds, teachers, outputs and controls are arrays: a sweep never recompiles."""
    _, plain, structural = sweep
    assert plain == {"prepare small": 1, "measure small": 1}
    assert structural == {"foreign small to small": 1}


def test_by_one_jvp_and_by_the_real_update(sweep):
    """D(ε) = ⟨r(ε), JΔ⟩ for every ε, loss and init; not for a student that is no plain gradient step."""
    runs, _, _ = sweep
    for change, found in runs.items():
        off = np.abs(found["alignment"] - found["alignment_by_jvp"])
        noise = found["rounding"][:, :, None] + 1e-12 * np.abs(found["alignment"])
        exempt = any(name in change for name in ("sign_step", "frozen"))
        assert exempt or np.all(off <= noise), change
        assert not exempt or np.any(off > 1e3 * noise), change


def test_seeds_and_losses_of_a_batch_are_measured_alike(sweep):
    """A stack of seeds gives each seed's own numbers, and every loss what it gives alone."""
    for seed, setting in ((0, SETTING), (1, replace(SETTING, teacher="random", loss=CrossEntropy()))):
        batch = measurements(setting, (0, 1), PAIR)[setting.loss.name][seed]
        alone = measure(setting.distillation(seed))
        for name in (*PER_LOSS, "trait", "visible", "rounding"):
            scale = np.maximum(batch.alignment_rounding.max(), 1e-15) if name != "trait" else 0
            np.testing.assert_allclose(getattr(batch, name), getattr(alone, name), rtol=1e-12, atol=scale)
    assert measurements(SETTING, (0, 1), PAIR)["squared-error"][1].trait_change.shape == (6,)


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
    m = measurements(SETTING, (0, 1), PAIR)["squared-error"][0]
    assert np.all(m.alignment_rounding[:3] < 1e-6 * m.alignment[:3])
    assert np.all(np.abs(m.alignment - m.alignment_by_jvp) <= m.alignment_rounding)
    assert np.all(replace(m, loss=Quartic()).alignment_rounding < m.alignment_rounding)
    assert m.trait_rounding > 1e-16 and isinstance(SETTING.network, Network)
