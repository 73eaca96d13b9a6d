"""Through one channel every generation inherits; through two different channels the second can turn away.

Statement. Each generation starts at θ0 and is taught by the one before. One step of rate α through the matrix G makes
of the displacement Δ αGΔ, s steps (I − (I − αG)ˢ)Δ, and training to convergence ΠΔ. Through one channel

    Δᵀ Gᵏ Δ ≥ 0,   Π² = Π,   mode by mode the factor (1 − (1 − αλ)ˢ)ᵏ after k generations of s steps,

so converged generations are all alike, and all k align if αλ < 2. Through two channels Δᵀ G₂G₁ Δ can be
negative, as can Δᵀ Π₂Π₁ Δ; if G₁ and G₂ commute it is nonnegative.

Assumptions. Every student starts at θ0, displacements so small that the losses are quadratic.

Proof. In an eigenbasis of G the form is Σ c²λᵏ with λ ≥ 0. Commuting matrices share an eigenbasis: Σ c²λμ ≥ 0. For
G₁ = aaᵀ, G₂ = bbᵀ with a = (1, 1), b = (1, −2), Δ = (1, 0) the form is (Δ · b)(b · a)(a · Δ) = −1.

Source. Derived here; Coq, Generations.
"""

from sympy import Matrix, Rational, Symbol, diag, eye, symbols

from subtheory.proof import equal, nonnegative, positive, step

CLAIMS = (
    "one-channel-inherits-in-every-generation",
    "converged-generations-are-idempotent",
    "two-channels-can-reverse-the-second-generation",
)
USES = ("gauss_newton_form", "many_steps")
COQ = (
    "Generations.one_channel_generations",
    "Generations.generation_rderiv",
    "Generations.every_generation_inherits",
    "Generations.two_channels",
)
SCOPE = "n = 1..4 modes and k = 1..6; projectors of rank 1 in letters; the prose holds for all n and k"
NOT_COVERED = "students that continue instead of starting at θ0, and displacements beyond the quadratic form"


def _projector(J):
    """Π onto the row space of J."""
    return J.T * (J * J.T).inv() * J


@step
def one_channel():
    """Δᵀ Gᵏ Δ = Σ c²λᵏ ≥ 0 in the eigenbasis of G, for λ ≥ 0."""
    for n in range(1, 5):
        lamda, Delta = symbols(f"lambda:{n}", nonnegative=True), Matrix(symbols(f"c:{n}", real=True))
        for k in range(1, 7):
            form = sum(c**2 * each**k for c, each in zip(Delta, lamda, strict=True))
            equal(Delta.dot(diag(*lamda) ** k * Delta), form)
            nonnegative(form)


@step
def finite_steps():
    """s steps per generation: mode by mode (1 − (1 − αλ)ˢ)ᵏ, positive for α = 2/(λ + h), h > 0, and s = 1..3."""
    alpha = Symbol("alpha", real=True)
    lamda, h = symbols("lambda:2", positive=True), Symbol("h", positive=True)
    G, c = diag(*lamda), Matrix(symbols("c:2", real=True))
    for s in range(1, 4):
        student = eye(2) - (eye(2) - alpha * G) ** s
        factors = [1 - (1 - alpha * each) ** s for each in lamda]
        for k in range(1, 4):
            equal(student**k * c, Matrix([factor**k * each for factor, each in zip(factors, c, strict=True)]))
        positive(factors[0].subs(alpha, 2 / (lamda[0] + h)))


@step
def converged():
    """Π = Jᵀ(JJᵀ)⁻¹J: Π² = Π and Πᵀ = Π, so Δᵀ Πᵏ Δ = ‖ΠΔ‖² for all k."""
    for n in range(1, 5):
        Pi = _projector(Matrix([symbols(f"j:{n}", real=True)]))
        equal(Pi * Pi, Pi)
        equal(Pi.T, Pi)
        equal(Pi.trace(), 1)


@step
def two_channels():
    """a = (1, 1), b = (1, −2), Δ = (1, 0): Δᵀ G₂G₁ Δ = −1 and Δᵀ Π₂Π₁ Δ = −1/10; both first generations align."""
    a, b, Delta = Matrix([[1, 1]]), Matrix([[1, -2]]), Matrix([1, 0])
    equal(Delta.dot(b.T * b * a.T * a * Delta), -1)
    equal(Delta.dot(_projector(b) * _projector(a) * Delta), -Rational(1, 10))
    equal([Delta.dot(each.T * each * Delta) for each in (a, b)], [1, 1])


@step
def commuting_channels():
    """A shared eigenbasis: Δᵀ G₂G₁ Δ = Σ c²λμ ≥ 0."""
    for n in range(1, 5):
        lamda, mu = symbols(f"lambda:{n}", nonnegative=True), symbols(f"mu:{n}", nonnegative=True)
        Delta = Matrix(symbols(f"c:{n}", real=True))
        form = sum(c**2 * one * two for c, one, two in zip(Delta, lamda, mu, strict=True))
        equal(Delta.dot(diag(*mu) * diag(*lamda) * Delta), form)
        nonnegative(form)
