"""The row forecast: scores of single rows add up to the student's step, and a trained student's follow their kernel."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.claims.assumptions import GRADIENT_STUDENT, SHARED_INIT
from subtheory.claims.labels.greedy import EPS, ROWS, exactly, gains
from subtheory.claims.labels.settings import ADDED, TAUGHT_LABELS, sampled
from subtheory.constructed.labels import classifier
from subtheory.envelope import envelope, limit, worst, worst_margin
from subtheory.instruments.labelled import Labelled, Labelling
from subtheory.instruments.rows import RowKernel, RowSums, Scores, Sums
from subtheory.networks import NETWORKS
from subtheory.setting.setting import Setting
from subtheory.statistics import pearson
from subtheory.theory.losses import CrossEntropy
from subtheory.theory.trains import Half, OtherHalf
from subtheory.theory.views import Greedy, NearTies, Only, Others, Permuted, Then

EDITED = NearTies(0.05)
"""Rows whose labels are edited: some of those that flip, and others."""

SHOWN = ("mlp", "convnet", "vit", "transformer")
"""Networks of every family, all of them smooth."""


def settings() -> tuple[Setting, ...]:
    """All logits on the default channel, a network of every family."""
    return tuple(Setting(NETWORKS[name], CrossEntropy(), examples=12) for name in SHOWN)


def alone(setting: Setting) -> Iterator[Setting]:
    """Nothing but the setting itself."""
    yield setting


OWN_LABELS = Assumption(
    "own-labels",
    "Every label stands beside the input that it was drawn for.",
    lambda setting: setting.but(view=Permuted()) if setting.examples > 1 else None,
)

SAME_READOUT = Assumption(
    "same-readout",
    "What the rows are scored by is not orthogonal to the student's update.",
    lambda setting: setting.but(teacher=replace(setting.teacher, moves=Half()), trains=OtherHalf()),
)


@claim(
    formula="Σ_i s_i/n of the teacher's rows less the init's = D(ε) − D(0) of a step on them, mean εq + ½ε²h″ + O(ε³)",
    source="D = Δ · Σ_i ∇log p0(y_i|x_i)/n is a sum over rows, s_i = Δ · ∇log p0(y_i|x_i); prediction P49",
    controls=[
        Control(OWN_LABELS, fails=0.95),
        Control(SAME_READOUT, fails=0.95),
        Control(SHARED_INIT, fails=0.95),
        Control(GRADIENT_STUDENT, fails=0.95),
    ],
    applies=sampled,
    settings=settings,
    spread=alone,
    reads=RowSums(),
    proof="row_forecast",
)
def rows_add_up_to_the_alignment(r: Sums) -> Evidence:
    """What each labelled row adds to the student's step is known from one forward derivative at the init.

    Summed over rows drawn from a teacher, and over those of the untrained teacher, it is the alignment of the real step
    on these rows, exactly, and so is the difference; in the mean it is εq + ½ε²h″ + O(ε³), coefficients included.
    """
    exact = float(np.min(1 - np.abs(r.forecast - r.measured) / r.rounding))
    curved = r.eps**2 / 2 * r.curvature
    first = limit(r.expected, r.eps * r.form, r.eps * r.form, r.eps, 2, r.expected_rounding)
    second = limit(r.expected - r.eps * r.form, curved, curved, r.eps, 3, r.expected_rounding)
    # Where h″ all but cancels, only what is left of it can be told to be small.
    return worst([first], exact, second.margin)


@claim(
    formula="log p_S(y_i|x_i) − log p0(y_i|x_i) = αΣ_j Θ_ij e_j + ½α²b_i + O(α³), and its correlation to log p_ε/p0",
    source="Θ_ij = ∇log p0(y_i|x_i)ᵀJ_jᵀ, the kernel of the rows, e the teacher's residuals; prediction P48",
    controls=[
        Control(TAUGHT_LABELS, fails=0.95),
        Control(OWN_LABELS, fails=0.95),
        Control(SHARED_INIT, fails=0.95),
        Control(GRADIENT_STUDENT, fails=0.95),
    ],
    applies=sampled,
    settings=settings,
    spread=alone,
    reads=RowKernel(),
    proof="row_forecast",
)
def student_scores_follow_the_kernel(r: Scores) -> Evidence:
    """What a student of one step says of a row, beyond the init, is the teacher's residuals smoothed by a kernel.

    The kernel of the rows is known before any run, and so is the correlation of these scores to the teacher's own
    log-ratios, which the student's tend to as its step shrinks.
    """
    alpha = r.rates[:, None]
    curved = np.linalg.norm(r.second) * r.rates**2 / 2
    left = np.linalg.norm(r.scores - alpha * r.first - alpha**2 / 2 * r.second, axis=1)
    rounding = np.full_like(r.rates, np.linalg.norm(r.rounding))
    kernel = limit(curved + left, curved, curved, r.rates, 3, rounding)
    known = pearson(r.first, r.oracle)
    # Off by ‖rounding‖/‖score‖ in the direction of the centred scores, twice.
    size = r.rates * np.linalg.norm(r.first - r.first.mean())
    off = np.array([pearson(one, r.oracle) for one in r.scores]) - known
    tolerance = envelope(off, r.rates, 1, 2 * rounding / np.where(size > 0, size, np.inf))
    measured = float(np.sum(r.scores[-1] * r.first) / np.sum(r.first**2) / r.rates[-1])
    margin = min(kernel.margin, worst_margin(off, tolerance))
    return Evidence(measured, 1.0, margin, kernel.vacuous, eps=float(r.rates[-1]))


def edited() -> tuple[Setting, ...]:
    """Greedy labels, those of some rows replaced by the control's, or every input by the next one."""
    views = (Only(Greedy(), Others(EDITED)), Then(Greedy(), Permuted()))
    return tuple(classifier().but(view=view, examples=ROWS, eps=EPS) for view in views)


@claim(
    formula="D(ε) − D(0) = E v_j(x_j), v_j = u_{a_j} − u_{b_j}: a label edited to b_j takes v_j(x_j), an input v_j(x′)",
    source="a step is a sum over rows, whose part Σ p u does not see the label (prediction P50)",
    controls=ADDED,
    applies=sampled,
    settings=edited,
    reads=Labelled(),
    every_eps=True,
    proof="labels_carry_it",
)
def labels_carry_it_inputs_do_not(m: Labelling) -> Evidence:
    """A row that is given the control's label loses its own term and no other; with another input it keeps a term.

    That is the term of the same two labels at the other input, of any size: it may cost more than the label does.
    """
    own = gains(m, m.log_p, m.log_p0)
    if isinstance(m.view, Only):
        terms = own * m.view.rows.chosen(m.log_p, m.distilled, m.log_p0)
    else:
        terms = gains(m, *(np.roll(law, 1, axis=-2) for law in (m.log_p, m.log_p0)))
    return exactly(m.added, m.mean(terms), m.mean(own), m.rounding)
