"""Students with adapters of low rank, W + BA, or of one added vector: what such a restriction does to a sign."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import flax.linen as nn
import jax
import numpy as np
from jax import Array
from scipy.special import ndtri

from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.claims.assumptions import GRADIENT_STUDENT, SHARED_INIT
from subtheory.claims.inits import one_step
from subtheory.constructed.labels import both, classifier
from subtheory.envelope import limit
from subtheory.init import ShareSubtree
from subtheory.instruments.dynamics.adapted import Adaptations, Adapted
from subtheory.instruments.first_order import Measurement
from subtheory.kernels.draws import layout_of
from subtheory.networks import Law, LinenNetwork, Transformer
from subtheory.setting.setting import Setting
from subtheory.setting.spread import BOTH
from subtheory.setting.student import Along
from subtheory.statistics import surprise
from subtheory.theory.dynamics import adapters
from subtheory.theory.layout import Layout
from subtheory.theory.losses import CrossEntropy
from subtheory.theory.network import Params
from subtheory.theory.trains import All, Layers, Leaves

# A factor of one's own -----------------------------------------------------------------------------

LEVEL = 1e-8
"""Chance that a true law leaves one interval. A run looks at 16 (4 ranks: a mean and 3 shares each), a verification of
2 settings and 8 seeds at 256: 3·10⁻⁶ for all of them."""

DRAWS = 8000
"""Students at every rank: a spread that is off by 10 % moves a share at one deviation, 0.16, by 6 standard errors."""

FAINT = 0.2
"""The most that the finite ε may move what is predicted, in standard errors: it makes a tail of `LEVEL` three times as
likely, as for the sign law."""

EPS = (1e-6,)
"""Relative size of the teacher's update: far below what so many draws can tell, far above rounding."""

READS = Adapted(DRAWS)

MATRICES = Assumption(
    "matrices-alone",
    "The teacher moved nothing but the matrices that are adapted.",
    lambda setting: setting.but(teacher=replace(setting.teacher, moves=All())),
)


def _one_adapter(setting: Setting) -> Setting | None:
    names = matrices(setting)
    return setting.but(trains=Leaves(names[:1])) if len(names) > 1 else None


ALL_ADAPTED = Assumption("all-adapted", "Every matrix that the teacher moved has an adapter.", _one_adapter)


def matrices(setting: Setting) -> tuple[str, ...]:
    """Paths of the matrices of a network."""
    return tuple(adapters.matrices(layout_of(setting.network, setting.origin)))


def moved(setting: Setting) -> Iterator[Setting]:
    """A teacher that moves the matrices alone, under both teachers."""
    if names := matrices(setting):
        for teacher in BOTH:
            yield setting.but(eps=EPS, relative=True, teacher=replace(teacher, moves=Leaves(names)))


def settings() -> tuple[Setting, ...]:
    """The small classifier and the causal transformer, whose teachers move matrices alone."""
    return tuple(next(moved(setting)) for setting in both())


def _faint(a: Adaptations) -> str:
    """Why nothing can be judged, if nothing can."""
    if not np.any(a.values):
        return "the channel does not see Δ"
    return "" if a.shift < FAINT else "the finite ε would move the law by more than a fifth of a standard error"


@claim(
    formula="E_A D/ε = ΔᵀGΔ for W + BA, B = 0, A of rank r with independent entries N(0, 1/r)",
    source="E AᵀA = 1 in D = ε⟨ΔAᵀ, (GΔ)_W Aᵀ⟩ (gap g15, prediction P34)",
    controls=[Control(each, fails=0.95) for each in (MATRICES, ALL_ADAPTED, SHARED_INIT, GRADIENT_STUDENT)],
    applies=one_step,
    spread=moved,
    settings=settings,
    reads=READS,
    run_tier="statistical",
    proof="lora",
)
def lora_student_follows_on_average(a: Adaptations) -> Evidence:
    """On average over its own random factor A a LoRA student aligns as one of full rank does, whatever the rank is.

    The mean of n students at rank r has the law of one student at rank nr, by which it is judged exactly.
    """
    off = a.off(a.form)
    worst = int(np.argmax(off))
    margin = float(1 + off[worst] / ndtri(LEVEL / 2))
    return Evidence(float(a.mean[worst] / (a.form or 1.0)), 1.0, margin, _faint(a))


@claim(
    formula="P(D < εx) = P(Σ λ_i χ²_r/r < x), λ the eigenvalues of S = sym(Δᵀ(GΔ)_W): Var_A D/ε = 2‖S‖²/r",
    source="tr(ASAᵀ) is a sum over r independent rows of A (predictions P34, P55)",
    controls=[Control(each, fails=0.95) for each in (ALL_ADAPTED, SHARED_INIT, GRADIENT_STUDENT)],
    applies=one_step,
    spread=moved,
    settings=settings,
    reads=READS,
    run_tier="statistical",
    proof="lora",
)
def lora_spread_falls_with_rank(a: Adaptations) -> Evidence:
    """A LoRA student's alignment spreads about its mean by √(2/r)‖S‖: at low rank it can have the wrong sign by chance.

    Judged by shares of students below 0 and a deviation below and above the mean, at every rank: counts, whose law is
    exact.
    """
    off = surprise(a.counts, a.draws, a.predicted)
    worst = np.unravel_index(int(np.argmax(off)), off.shape)
    margin = float(1 + off[worst] / ndtri(LEVEL / 2))
    return Evidence(float(a.counts[worst] / a.draws), float(a.predicted[worst]), margin, _faint(a))


# A factor that is shared ---------------------------------------------------------------------------

FACTORS = ("A", "B")


@dataclass(frozen=True)
class LowRank(LinenNetwork):
    """A network with adapters W + BA of every matrix; "A" and "B" are layers of their own, and B = 0 at the init."""

    base: LinenNetwork = classifier().network  # type: ignore[assignment]
    rank: int = 2
    name = "low-rank"

    def module(self) -> nn.Module:
        return self.base.module()

    def init(self, key: Array) -> Params:
        params = self.base.init(key)
        return params | adapters.drawn(jax.random.fold_in(key, 1), Layout.of(params), self.rank)

    def law(self) -> Law | None:
        return None

    def apply(self, params: Params, x: Array) -> Array:
        base = {name: part for name, part in params.items() if name not in FACTORS}
        return self.base.apply(adapters.merged(base, params), x)

    def preactivations(self, params: Params, x: Array) -> tuple[Array, ...]:
        return ()


def low_rank() -> tuple[Setting, ...]:
    """The small classifier with adapters of rank 2, which are all that teacher and student train."""
    base = classifier()
    network = LowRank(task=base.network.task)  # type: ignore[attr-defined]
    trains = Layers(FACTORS)
    return tuple(base.but(network=network, teacher=replace(teacher, moves=trains), trains=trains) for teacher in BOTH)


def _own_factor(setting: Setting) -> Setting | None:
    names = tuple(layout_of(setting.network, setting.origin).layers())
    return setting.but(init=Along(ShareSubtree(tuple((name,) for name in names if name != "A"))))


SHARED_FACTOR = Assumption("shared-factor", "The student's factor A is the teacher's.", _own_factor)

FACTORS_ALONE = Assumption(
    "factors-alone",
    "The teacher moved nothing but its factors.",
    lambda setting: setting.but(teacher=replace(setting.teacher, moves=All())),
)


@claim(
    formula="Δ_W = Δ_B A, both train B with one A: D_B(ε) = ε ⟨(GΔ)_W Aᵀ, Δ_B⟩ + O(ε²) = ε ΔᵀGΔ + O(ε²) > 0",
    source="Lemma 1 of arXiv 2507.14805 in the coordinates B, where ∇_A L = 0 (prediction P34)",
    controls=[Control(each, fails=0.9) for each in (SHARED_FACTOR, FACTORS_ALONE, SHARED_INIT, GRADIENT_STUDENT)],
    applies=one_step,
    settings=low_rank,
    proof="lora",
)
def shared_lora_factor_aligns_exactly(m: Measurement) -> Evidence:
    """With one random factor A for teacher and student Lemma 1 holds in B, constant and order, at every draw of A.

    With an A of its own the student's step in B has no sign.
    """
    return limit(m.alignment, m.eps * m.leading, m.eps * m.leading, m.eps, 2, m.alignment_rounding)


# One vector ----------------------------------------------------------------------------------------


ATTENTION = "Block_0/MultiHeadDotProductAttention_0"


def alone(setting: Setting, leaf: str) -> Iterator[Setting]:
    """Some leaves trained alone, by teacher and student, under two teachers."""
    for teacher in BOTH:
        yield setting.but(teacher=replace(teacher, moves=Leaves((leaf,))), trains=Leaves((leaf,)))


def vectors(setting: Setting) -> Iterator[Setting]:
    """Every bias alone."""
    for name, (_, shape) in layout_of(setting.network, setting.origin).leaves().items():
        if len(shape) == 1 and name.endswith("bias"):
            yield from alone(setting, name)


def added() -> tuple[Setting, ...]:
    """Every bias of the small classifier, and attention in a transformer."""
    return *vectors(classifier()), *alone(Setting(Transformer(), CrossEntropy()), ATTENTION)


MATCHED = Assumption(
    "matched-vector",
    "The teacher moved nothing but the vector that the student trains.",
    lambda setting: setting.but(teacher=replace(setting.teacher, moves=All())),
)


@claim(
    formula="Δ = Δ_R, R one added vector, or attention:  D(ε) = ε Δ_RᵀG_RRΔ_R + O(ε²) > 0",
    source="Lemma 1 of arXiv 2507.14805 on a bias alone (prediction P56)",
    controls=[Control(MATCHED, fails=0.9), Control(GRADIENT_STUDENT, fails=0.95)],
    applies=one_step,
    settings=added,
    proof="restricted_student",
)
def one_added_vector_aligns(m: Measurement) -> Evidence:
    """Teacher and student that train the same added vector, and nothing else, align like those that train everything.

    So do those that train attention alone. A teacher that moved everything adds ΔᵀQG(1 − Q)Δ to a student of one
    vector, and can turn it away.
    """
    return limit(m.alignment, m.eps * m.trained, m.eps * m.trained, m.eps, 2, m.alignment_rounding)
