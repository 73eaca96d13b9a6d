"""The squared cosine of student and teacher bounds from below what the student inherits, but does not rank it.

Statement. Let cos = ΔᵀGΔ/(‖GΔ‖‖Δ‖), the coverage, and η = ‖ΠΔ‖²/‖Δ‖² the share that the converged student keeps, Π
the projector onto the range of G. With cos_Π the cosine of ΠΔ in place of Δ,

    cos² = η cos_Π² ≤ η,

with equality iff ΠΔ is an eigenvector, as for G = cΠ; then t steps keep (1 − (1 − αc)ᵗ)η, and cosines rank them. In
general they do not: for G = diag(1, 9, 0),

    Δ = (4, 0, 3): cos = 4/5, η = 16/25,   Δ = (3, 1, 0): cos = 3/5, η = 1,

and t steps of rate 1/9 keep 16r/25 and (1 + 9r)/10, r = 1 − (8/9)ᵗ: less for the larger cosine, for every t ≥ 1.

Assumptions. G symmetric and positive semidefinite, GΔ ≠ 0; the linearised network, with a quadratic loss.

Proof. GΔ = GΠΔ, so the two cosines differ in the length of Δ only: cos² = cos_Π² ‖ΠΔ‖²/‖Δ‖². In an eigenbasis
‖GΔ‖²‖ΠΔ‖² − (ΔᵀGΔ)² = Σ (λ_i − λ_j)² d_i² d_j² over pairs of seen modes, 0 iff all that Δ meets are equal. In t steps
a mode keeps 1 − (1 − αλ)ᵗ. The second Δ meets 1 and 9 with squared parts 9 : 1, the worst case of Kantorovich's
inequality: its cosine is low because the modes are learned at different rates, not because any of it is unseen.

Source. Derived here; the cosine is the limit for small ε of the coverage of arXiv 2606.22019. kantorovich has the lower
bound of cos_Π, projection has η.
"""

from sympy import Matrix, Rational, Symbol, diag, eye, sqrt, symbols

from subtheory.proof import equal, negative, nonnegative, positive, step

CLAIMS = ("coverage-does-not-rank-the-share", "squared-coverage-bounds-the-share")
USES = ("kantorovich", "many_steps")
COQ = ()
SCOPE = "1..3 seen and 1, 2 unseen modes, in an eigenbasis; t = 1..6 in the example; the prose holds for all"
NOT_COVERED = "how often two displacements of real networks are ranked wrongly"


def _cosine_squared(G, Delta):
    """cos²."""
    return Delta.dot(G * Delta) ** 2 / ((G * Delta).dot(G * Delta) * Delta.dot(Delta))


def _share(Pi, Delta):
    """Δ · ΠΔ/‖Δ‖², for the matrix that makes the student's displacement of Δ."""
    return Delta.dot(Pi * Delta) / Delta.dot(Delta)


def _student(G, alpha, t):
    """The student's displacement after t steps is this matrix times Δ."""
    return eye(G.rows) - (eye(G.rows) - alpha * G) ** t


@step
def cosine_splits():
    """cos² = η cos_Π²: what is unseen, times what is learned unevenly."""
    for seen in range(1, 4):
        for unseen in range(1, 3):
            lamda, d = symbols(f"lambda:{seen}"), Matrix(symbols(f"d:{seen + unseen}"))
            G, Pi = diag(*lamda, *[0] * unseen), diag(eye(seen), *[0] * unseen)
            equal(_cosine_squared(G, d), _share(Pi, d) * _cosine_squared(G, Pi * d))


@step
def squared_cosine_is_a_lower_bound():
    """‖GΔ‖²‖ΠΔ‖² − (ΔᵀGΔ)² = Σ (λ_i − λ_j)² d_i² d_j² ≥ 0 over the pairs i < j of seen modes."""
    for n in range(1, 5):
        lamda, d = symbols(f"lambda:{n}", real=True), Matrix(symbols(f"d:{n}", real=True))
        G = diag(*lamda)
        pairs = sum((lamda[i] - lamda[j]) ** 2 * d[i] ** 2 * d[j] ** 2 for j in range(n) for i in range(j))
        equal((G * d).dot(G * d) * d.dot(d) - d.dot(G * d) ** 2, pairs)
        nonnegative(pairs)


@step
def multiple_of_a_projector():
    """G = cΠ: cos² = η, and t steps keep (1 − (1 − αc)ᵗ) η."""
    c, alpha = symbols("c alpha")
    for seen in range(1, 4):
        Pi, d = diag(eye(seen), *[0] * 2), Matrix(symbols(f"d:{seen + 2}"))
        equal(_cosine_squared(c * Pi, d), _share(Pi, d))
        for t in range(1, 4):
            equal(_share(_student(c * Pi, alpha, t), d), (1 - (1 - alpha * c) ** t) * _share(Pi, d))


def _pair():
    """G, its projector, and the Δ of the larger and of the smaller cosine."""
    return diag(1, 9, 0), diag(1, 1, 0), Matrix([4, 0, 3]), Matrix([3, 1, 0])


@step
def converged_students_are_ranked_wrongly():
    """cos = 4/5 and 3/5, η = 16/25 and 1."""
    G, Pi, larger, smaller = _pair()
    equal([sqrt(_cosine_squared(G, each)) for each in (larger, smaller)], [Rational(4, 5), Rational(3, 5)])
    equal([_share(Pi, each) for each in (larger, smaller)], [Rational(16, 25), 1])


@step
def every_number_of_steps_ranks_wrongly():
    """16r/25 − (1 + 9r)/10 = −(13r + 5)/50 < 0 for r > 0, at t = 1..6 by the powers themselves."""
    G, _, larger, smaller = _pair()
    r = Symbol("r", positive=True)
    ahead = 16 * r / 25 - (1 + 9 * r) / 10
    equal(ahead, -(13 * r + 5) / 50)
    negative(ahead)
    for t in range(1, 7):
        kept = [_share(_student(G, Rational(1, 9), t), each) for each in (larger, smaller)]
        learned = 1 - Rational(8, 9) ** t
        equal(kept, [16 * learned / 25, (1 + 9 * learned) / 10])
        positive(learned)
