"""How far the student's direction can be from its teacher's: a floor for the cosine by the condition number.

Statement. Let all eigenvalues of G that Δ meets lie in [m, M], m > 0, κ = M/m. Then

    ΔᵀGΔ/(‖GΔ‖‖Δ‖) ≥ 2√κ/(1 + κ),

with equality if Δ meets m and M only, with squared parts M : m. If Δ meets an eigenvalue 0, there is no floor.

Assumptions. G symmetric and positive semidefinite, Δ in the span of eigenvectors with positive eigenvalues.

Proof. In the eigenbasis Σ(λ_i − m)(M − λ_i)d_i² ≥ 0, which is (m + M)ΔᵀGΔ ≥ ‖GΔ‖² + mM‖Δ‖². The right side is at least
2√(mM)‖GΔ‖‖Δ‖, because the difference is (‖GΔ‖ − √(mM)‖Δ‖)². Divide, and put M = κm. For G = diag(m, 0), Δ = (1, s) the
cosine is 1/√(1 + s²), as small as one likes.

Source. L. V. Kantorovich's inequality, for the limit cosine of the one-step student.
"""

from sympy import Matrix, diag, limit, oo, sqrt, symbols

from subtheory.proof import equal, nonnegative, positive, step

CLAIMS = ("coverage-has-a-floor",)
USES = ("gauss_newton_form",)
COQ = ()
SCOPE = "k = 1..5 parameters by sympy; the argument is for all k"
NOT_COVERED = "condition numbers of the networks in use, which are large: the floor is then close to 0"

m, M = symbols("m M", positive=True)


def _cosine(G, Delta):
    return Delta.dot(G * Delta) / (sqrt((G * Delta).dot(G * Delta)) * sqrt(Delta.dot(Delta)))


def _between(eigenvalue, x):
    return (eigenvalue - m) * (M - eigenvalue) * x**2


@step
def between_the_ends():
    """(m + M)ΔᵀGΔ − ‖GΔ‖² − mM‖Δ‖² = Σ(λ_i − m)(M − λ_i)d_i², and a term is ≥ 0 for λ between m and M."""
    for k in range(1, 6):
        d, eigenvalues = Matrix(symbols(f"d:{k}")), symbols(f"l:{k}")
        G = diag(*eigenvalues)
        terms = sum(map(_between, eigenvalues, d))
        equal((m + M) * d.dot(G * d) - (G * d).dot(G * d) - m * M * d.dot(d), terms)
    above, below, x = *symbols("a b", positive=True), symbols("x", real=True)
    nonnegative(_between(m + above, x).subs(M, m + above + below))


@step
def arithmetic_and_geometric_mean():
    """A² + mM B² − 2√(mM) AB = (A − √(mM) B)² ≥ 0 for A = ‖GΔ‖, B = ‖Δ‖."""
    A, B = symbols("A B", real=True)
    square = (A - sqrt(m * M) * B) ** 2
    equal(A**2 + m * M * B**2 - 2 * sqrt(m * M) * A * B, square)
    nonnegative(square)


@step
def equality():
    """Δ = (√M, √m) in the eigenbasis of m and M: the cosine is 2√(mM)/(m + M) = 2√κ/(1 + κ), κ = M/m."""
    kappa = M / m
    found = _cosine(diag(m, M), Matrix([sqrt(M), sqrt(m)]))
    positive(found)
    for floor in (2 * sqrt(m * M) / (m + M), 2 * sqrt(kappa) / (1 + kappa)):
        equal(found**2, floor**2)


@step
def no_floor_with_an_unseen_part():
    """G = diag(m, 0), Δ = (1, s): the cosine 1/√(1 + s²) falls to 0."""
    s = symbols("s")
    found = _cosine(diag(m, 0), Matrix([1, s]))
    equal(found, 1 / sqrt(1 + s**2))
    equal(limit(found, s, oo), 0)
