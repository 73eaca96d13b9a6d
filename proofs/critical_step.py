"""Moving towards the teacher in distance is more than a positive alignment: there is a critical step.

Statement. With D = ⟨Δθ_S, Δ⟩ and θ_S = θ0 + αΔθ_S, θ_T = θ0 + εΔ, for α > 0 and Δθ_S ≠ 0

    ‖θ_S − θ_T‖ < ‖θ0 − θ_T‖   iff   α < 2εD/‖Δθ_S‖² = 2ΔᵀGΔ/ΔᵀG²Δ + O(ε),

and the leading term is at least 2/λ for every λ ≥ λ_max(G), with equality for Δ an eigenvector of λ_max.

Assumptions. A shared init; those of the Gauss-Newton form for the last equality, with GΔ ≠ 0.

Proof. ‖αΔθ_S − εΔ‖² − ‖εΔ‖² = α(α‖Δθ_S‖² − 2εD): expand. Put Δθ_S = ε(GΔ + O(ε)), D = ⟨Δθ_S, Δ⟩; both sides of the
quotient have a factor ε². G is symmetric, so that ‖GΔ‖² = ΔᵀG²Δ; in its eigenbasis
λΔᵀGΔ − ΔᵀG²Δ = Σ λ_i(λ − λ_i)d_i² ≥ 0. Beyond the critical step the distance grows although D > 0.

Source. Linearised distance criterion for the one-step student.
"""

from sympy import Matrix, diag, symbols

from subtheory.proof import entails, equal, nonnegative, step
from subtheory.proof.smt import z3

CLAIMS = ("distance-has-a-critical-step",)
USES = ("gauss_newton_form",)
COQ = ()
SCOPE = "k = 1..4 parameters by sympy; the argument is for all k"
NOT_COVERED = "the constant of O(ε)"


def _vector(name, k):
    return Matrix(symbols(f"{name}:{k}", real=True))


def _critical(student, Delta, eps):
    return 2 * eps * student.dot(Delta) / student.dot(student)


@step
def change_of_distance():
    """‖αΔθ_S − εΔ‖² − ‖εΔ‖² = α²‖Δθ_S‖² − 2αεD, which is 0 at α = 2εD/‖Δθ_S‖²."""
    alpha, eps = symbols("alpha eps", real=True)
    for k in range(1, 5):
        v, Delta = _vector("v", k), _vector("Delta", k)
        change = (alpha * v - eps * Delta).dot(alpha * v - eps * Delta) - (eps * Delta).dot(eps * Delta)
        equal(change, alpha**2 * v.dot(v) - 2 * alpha * eps * v.dot(Delta))
        equal(change.subs(alpha, _critical(v, Delta, eps)), 0)


@step
def falls_below_it_only():
    """By z3: for α > 0, α²V − 2αεD < 0 iff αV < 2εD, V = ‖Δθ_S‖²."""
    alpha, eps, D, V = z3().Reals("alpha eps D V")
    falls, below = alpha**2 * V < 2 * alpha * eps * D, alpha * V < 2 * eps * D
    for one, other in ((falls, below), (below, falls)):
        entails([alpha > 0, one], other)


@step
def limit():
    """Δθ_S = ε(GΔ + O(ε)): ε² cancels, and at ε = 0 the critical step is 2ΔᵀGΔ/ΔᵀG²Δ for symmetric G."""
    eps = symbols("eps")
    for k in range(1, 5):
        Delta = _vector("Delta", k)
        G = Matrix(k, k, lambda i, j: symbols(f"G{min(i, j)}{max(i, j)}"))
        equal(_critical(eps * G * Delta, Delta, eps), 2 * Delta.dot(G * Delta) / Delta.dot(G * G * Delta))


@step
def at_least_two_over_the_largest_eigenvalue():
    """λ ΔᵀGΔ − ΔᵀG²Δ = Σ λ_i(λ − λ_i)d_i² ≥ 0 in the eigenbasis of G, and 2/λ is attained on an eigenvector."""
    largest, eps = symbols("l eps", real=True)
    for k in range(1, 5):
        d, a, b = _vector("d", k), symbols(f"a:{k}", positive=True), symbols("b", positive=True)
        eigenvalues = [largest * each / (each + b) for each in a]  # anything between 0 and λ
        G = diag(*eigenvalues)
        terms = [each * (largest - each) * x**2 for each, x in zip(eigenvalues, d, strict=True)]
        for term in terms:
            nonnegative(term)
        equal(largest * d.dot(G * d) - d.dot(G * G * d), sum(terms))
        equal(_critical(eps * largest * d, d, eps), 2 / largest)
