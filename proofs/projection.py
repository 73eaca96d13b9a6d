"""A student that is trained to convergence keeps of the teacher what the distilled outputs can see.

Statement. Near θ0, squared error to convergence gives the displacement ΠΔ, with Π the orthogonal projector onto the row
space of the Jacobian of the distilled outputs. Of the first-order gain of the teacher it has the part

    η = Δ · ΠΔ / ‖Δ‖² = ‖ΠΔ‖²/‖Δ‖²,   0 ≤ η ≤ 1,

which never falls if outputs or inputs are added, and is rank/P on average over isotropic Δ of P parameters. If the
outputs do not depend on some parameters, as auxiliary logits on the class head,

    η ≤ 1 − ‖Δ_head‖²/‖Δ‖².

Assumptions. Shared initialisation, the linearised network, α below the critical rate, Δ ∝ −∇L_T for the gain.

Proof. The factor 1 − (1 − αλ)ᵗ of each mode tends to 1 if λ > 0 and is 0 if λ = 0. Π is symmetric and Π² = Π, hence
Δ · ΠΔ = ‖ΠΔ‖², and ‖Δ‖² = ‖ΠΔ‖² + ‖Δ − ΠΔ‖². In an orthonormal basis that starts with the row space η is a partial
sum of squares. Rows that vanish on the head keep ΠΔ off the head, and ‖ΠΔ‖ ≤ ‖Δ_body‖.

Source. Derived here; the auxiliary logits of arXiv 2507.14805, section 6.2.
"""

from itertools import pairwise

from sympy import Matrix, Symbol, diag, limit, ones, oo, symbols, zeros

from subtheory.proof import equal, nonnegative, step

CLAIMS = ("converged-student-keeps-the-projection", "class-head-bounds-the-transfer")
USES = ("many_steps",)
COQ = ()
SCOPE = "projectors of rank 1 in letters for n = 2..4, of every rank in an orthonormal basis; the prose holds for all"
NOT_COVERED = "students far from θ0, where the Jacobian moves, and accuracy instead of the gain in L_T"


def _projector(J):
    """Π onto the row space of J."""
    return J.T * (J * J.T).inv() * J


def _vectors(n):
    """One row J and a displacement Δ in letters."""
    return Matrix([symbols(f"j:{n}", real=True)]), Matrix(symbols(f"d:{n}", real=True))


@step
def modes_converge():
    """α = 2/(λ + h), h > 0, h ≠ λ: r = 1 − αλ has 1/r² = 1 + c with c = 4λh/(λ − h)² > 0, and 1 − (1 + c)⁻ᵗ → 1."""
    lamda, h, c = symbols("lambda h c", positive=True)
    r = 1 - 2 * lamda / (lamda + h)
    equal(1 / r**2, 1 + 4 * lamda * h / (lamda - h) ** 2)
    t = Symbol("t", integer=True, positive=True)
    equal(limit(1 - (1 + c) ** (-t), t, oo), 1)


@step
def stationary():
    """J(ΠΔ − Δ) = 0, and ΠΔ is a combination of rows: the minimum that descent from θ0 reaches."""
    for n in range(2, 5):
        J, Delta = _vectors(n)
        equal(J * (_projector(J) * Delta - Delta), zeros(1, 1))
        equal(_projector(J) * Delta, J.T * (J * Delta) / J.dot(J))


@step
def efficiency():
    """Δ · ΠΔ = ‖ΠΔ‖², and ‖Δ‖² − ‖ΠΔ‖² = Σ (J_iΔ_k − J_kΔ_i)²/‖J‖² over the pairs i < k."""
    for n in range(2, 5):
        J, Delta = _vectors(n)
        kept = _projector(J) * Delta
        equal(kept.dot(Delta), kept.dot(kept))
        pairs = [(J[i] * Delta[k] - J[k] * Delta[i]) ** 2 for k in range(n) for i in range(k)]
        equal((Delta.dot(Delta) - kept.dot(kept)) * J.dot(J), sum(pairs))
        nonnegative(sum(pairs))


@step
def more_rows_keep_more():
    """In an orthonormal basis that starts with the row space: one more row adds c² ≥ 0 to ‖ΠΔ‖²."""
    for n in range(2, 5):
        Delta = Matrix(symbols(f"c:{n}", real=True))
        kept = [Delta.dot(diag(*ones(1, rank), *zeros(1, n - rank)) * Delta) for rank in range(n + 1)]
        equal([after - before for before, after in pairwise(kept)], [c**2 for c in Delta])
        equal([kept[0], kept[n]], [0, Delta.dot(Delta)])


@step
def isotropic_average():
    """E ΔᵀΠΔ = tr Π = 1 for one row and E Δ_iΔ_j = 1 if i = j, else 0; so η is 1/P of E‖Δ‖² = P."""
    for n in range(2, 5):
        J, Delta = _vectors(n)
        form = Delta.dot(_projector(J) * Delta)
        moments = Matrix([form]).jacobian(Delta).jacobian(Delta).trace() / 2
        equal(moments, 1)
        equal(Matrix([Delta.dot(Delta)]).jacobian(Delta).jacobian(Delta).trace() / 2, n)


@step
def class_head():
    """Rows (J, 0): ΠΔ is 0 on the head, and (‖Δ‖² − ‖Δ_head‖² − ‖ΠΔ‖²)‖J‖² is the same sum of squares of the body."""
    for n in range(2, 4):
        J, body = _vectors(n)
        head = Matrix(symbols("h:2", real=True))
        Delta = Matrix([*body, *head])
        kept = _projector(Matrix([[*J, 0, 0]])) * Delta
        equal(list(kept), [*(_projector(J) * body), 0, 0])
        pairs = [(J[i] * body[k] - J[k] * body[i]) ** 2 for k in range(n) for i in range(k)]
        equal((Delta.dot(Delta) - head.dot(head) - kept.dot(kept)) * J.dot(J), sum(pairs))
