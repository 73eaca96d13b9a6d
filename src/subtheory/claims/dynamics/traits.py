"""Traits that nobody distilled, and teachers of several traits: what one student does to all of them (P36, P54)."""

from dataclasses import replace

import numpy as np

from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.claims.assumptions import GRADIENT_STUDENT, GRADIENT_TEACHER, SHARED_INIT
from subtheory.constructed.labels import classifier
from subtheory.envelope import limit
from subtheory.instruments.dynamics.confusion import Confusion, Confusions
from subtheory.instruments.dynamics.pooled import Guested, Guests, Pool, Pools
from subtheory.setting.setting import Setting
from subtheory.setting.student import Redrawn, Shared
from subtheory.theory.losses import SquaredError


def settings() -> tuple[Setting, ...]:
    """A classifier that is distilled by all its outputs, by those that its own trait reads, and by the others."""
    return (
        *(classifier().but(outputs=group) for group in ("all", "class", "aux")),
        classifier().but(loss=SquaredError()),
    )


@claim(
    formula="L_i(θ0 + αΔθ_S) − L_i(θ0) = −αε g_iᵀGg_j + O(ε²), g_i = ∇L_i(θ0), Δ_j = −g_j, all i and j",
    source="Δθ_S = εGΔ_j + O(ε²), read by another trait (prediction P36)",
    controls=[Control(each, fails=0.95) for each in (GRADIENT_TEACHER, SHARED_INIT, GRADIENT_STUDENT)],
    settings=settings,
    reads=Confusions(),
    proof="off_target",
)
def off_target_traits_move_by_the_cross_form(m: Confusion) -> Evidence:
    """What a student does to any other trait is the form of the two traits' gradients, in either direction.

    Constant and order, for all pairs of traits. So the measured matrix, as the form, is symmetric and has no negative
    eigenvalue: a trait's own student lowers it, and two traits help each other or harm each other alike.
    """
    size, eps = m.unit, m.eps[:, None, None]
    off = np.linalg.norm((m.change + eps * m.form) / size, axis=(1, 2))
    rounding = np.full_like(m.eps, np.linalg.norm(m.rounding / size))
    whole = limit(off, np.zeros_like(off), m.eps, m.eps, 2, rounding)
    found = -m.change[-1] / m.eps[-1] / size
    opposed = np.unravel_index(np.argmin(m.form / size), size.shape)
    return replace(
        whole,
        measured=float(found[opposed]),
        predicted=float((m.form / size)[opposed]),
        eps=float(m.eps[-1]),
    )


# Several teachers -----------------------------------------------------------------------------------


@claim(
    formula="y = Σ_j w_j f_j:  (Δθ_S(ε) − Δθ_S(0)) · Δ_i = ε Σ_j w_j Δ_iᵀGΔ_j + O(ε²), the interference j ≠ i included",
    source="labels move by ε Σ_j w_j JΔ_j (prediction P54; federated students in arXiv 2610.05378)",
    controls=[Control(each, fails=0.95) for each in (SHARED_INIT, GRADIENT_STUDENT)],
    settings=settings,
    reads=Pools(),
    proof="pooled_teachers",
)
def pooled_teachers_add_up(m: Pool) -> Evidence:
    """A student of several teachers' pooled outputs aligns with each of them by the weighted sum of all their forms.

    Constant and order, for teachers of different traits at one init. A teacher from another init adds something else.
    """
    own = m.form @ m.weights
    size = np.sqrt(np.diag(m.form) * (m.weights @ own))  # |Δ_iᵀGΔ| ≤ size for the pool's Δ = Σ w_jΔ_j
    off = np.max(np.abs(m.added - m.eps[:, None] * own) / size, axis=1)
    whole = limit(off, np.zeros_like(off), m.eps, m.eps, 2, np.full_like(m.eps, np.max(m.rounding / size)))
    least = int(np.argmin(own / size))
    return replace(
        whole,
        measured=float((m.added[-1] / m.eps[-1] / size)[least]),
        predicted=float((own / size)[least]),
        eps=float(m.eps[-1]),
    )


LEVEL = 1e-8
"""Chance that the shares of guests, of a symmetric law, leave their interval; a verification of 8 seeds looks at 8."""

ANOTHER_INIT = Assumption(
    "another-init",
    "The guest's init is drawn independently of the student's.",
    lambda setting: setting.but(init=Shared()),
)

UNREAD_OUTPUTS = Assumption(
    "unread-outputs",
    "What is distilled is read by no trait: the guest's training leaves the readout of it as it was drawn.",
    lambda setting: setting.but(outputs="class"),
)


def guests() -> tuple[Setting, ...]:
    """Squared error on outputs that no trait reads, a guest from an init of its own."""
    return (classifier().but(loss=SquaredError(), outputs="aux", init=Redrawn()),)


@claim(
    formula="E[(Δθ_S with the guest trained − untrained) · Δ] = 0 at every ε: own init, squared error, unread outputs",
    source="odd in the guest's readout, of an even law: |Σs| ≤ √(2 ln(2/p) Σs²) but for a chance p (prediction P54)",
    controls=[Control(ANOTHER_INIT, fails=0.95), Control(UNREAD_OUTPUTS, fails=0.95)],
    settings=guests,
    reads=Guested(400),
    run_tier="statistical",
    proof="pooled_teachers",
)
def guests_of_other_inits_add_nothing_on_average(m: Guests) -> Evidence:
    """A teacher from another init adds nothing to the trait of a pool on average, though something each time.

    On outputs that no trait reads and in squared error: exactly, by a symmetry of the init's law. On the trait's own
    outputs a guest adds most of what its host does, whatever its init: there the trait is taught, not hidden.
    """
    total, size = np.abs(m.share.sum()), np.sqrt(np.sum(m.share**2))
    return Evidence(float(m.share.mean()), 0.0, float(1 - total / (size * np.sqrt(2 * np.log(2 / LEVEL)))))
