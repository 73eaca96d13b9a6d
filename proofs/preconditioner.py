"""Teacher and student may share any preconditioner, but not have one each.

Statement. Let the teacher be Δ = −P_T ∇L_T and the student Δθ_S = −P_S ∇L_S = εP_S GΔ + O(ε²), with P_T and P_S
symmetric positive definite. If P_S = P_T = P,

    −∇L_T · Δθ_S = ε ΔᵀGΔ + O(ε²),   ⟨Δθ_S, Δ⟩ in the metric P⁻¹ = ε ΔᵀGΔ + O(ε²);

the first is Theorem 1, the second Lemma 1 for any Δ. Euclidean Δθ_S · Δ = ε ΔᵀPGΔ may be negative all the same.
With P_S ≠ P_T the first is ε ΔᵀP_T⁻¹P_S GΔ, and L_T can rise.

Assumptions. Shared initialisation, both preconditioners fixed in advance.

Proof. −∇L_T · PGΔ = (−P∇L_T) · GΔ = Δ · GΔ, as P is symmetric. The metric P⁻¹ undoes P: (PGΔ)ᵀP⁻¹Δ = ΔᵀGΔ.
The example is f = k · θ with k = (1, −1/2), Δ = (1, 3/2), P_T⁻¹P_S = diag(1/10, 1): k · Δ = 1/4, yet the slope of
L_T is −(1/4)(1/10 − 3/4) = 13/80 > 0.

Source. Coq, Preconditioner; that file halves the squared error, as the weight 1/2 does here, so that G = kkᵀ.
"""

from sympy import Matrix, Rational, Symbol, diag, diff, eye, symbols

from subtheory.proof import entails, equal, step
from subtheory.proof.smt import z3

CLAIMS = ("shared-preconditioner-lowers-the-trait-loss", "mismatched-preconditioners-can-raise-the-trait-loss")
USES = ("gauss_newton_form",)
COQ = (
    "Preconditioner.preconditioned_rate",
    "Preconditioner.preconditioned_theorem",
    "Preconditioner.mismatched_preconditioners",
)
SCOPE = "n = 1..4 parameters, 1 and 2 where P is inverted, every entry of P and G a letter; the prose holds for all n"
NOT_COVERED = "preconditioners that depend on the gradient they act on, as Adam's does"


def _symmetric(name, n):
    """A symmetric matrix of letters."""
    letters = symbols(f"{name}:{n * n}", real=True)
    return Matrix(n, n, lambda i, j: letters[min(i, j) * n + max(i, j)])


def _vector(name, n):
    """A vector of letters."""
    return Matrix(symbols(f"{name}:{n}", real=True))


def _student(k, w, P, y):
    """−P∇L_S at θ0 = 0 for f = k · θ and l = w(z − y)²."""
    theta = _vector("theta", len(k))
    loss = w * (k.dot(theta) - y) ** 2
    return -P * Matrix([diff(loss, each) for each in theta]).subs(dict.fromkeys(theta, 0))


@step
def theorem():
    """Δ = −Pg gives −g · PGΔ = ΔᵀGΔ for symmetric P and G."""
    for n in range(1, 5):
        P, G, g = _symmetric("P", n), _symmetric("G", n), _vector("g", n)
        Delta = -P * g
        equal(-g.dot(P * G * Delta).expand(), Delta.dot(G * Delta).expand())


@step
def lemma():
    """(PGΔ)ᵀP⁻¹Δ = ΔᵀGΔ for every Δ."""
    for n in range(1, 3):
        P, G, Delta = _symmetric("P", n), _symmetric("G", n), _vector("Delta", n)
        equal((P * G * Delta).dot(P.inv() * Delta), Delta.dot(G * Delta))


@step
def lemma_needs_its_metric():
    """f = k · θ, k = (1, −1/2), Δ = (1, 3/2), P = diag(1, 2): Δθ_S · Δ = −ε/8, in the metric P⁻¹ it is ε/16."""
    eps = Symbol("epsilon", real=True)
    k, Delta, P = Matrix([1, -Rational(1, 2)]), Matrix([1, Rational(3, 2)]), diag(1, 2)
    moved = _student(k, Rational(1, 2), P, k.dot(eps * Delta))
    equal(moved.dot(Delta), -eps / 8)
    equal(moved.dot(P.inv() * Delta), eps / 16)


@step
def mismatch_raises_the_trait_loss():
    """The same with P_T = diag(10, 1), P_S = I: L_T changes by 13αε/80, and by −αε/16 if P_S = P_T."""
    alpha, eps = symbols("alpha epsilon", real=True)
    k, Delta, P = Matrix([1, -Rational(1, 2)]), Matrix([1, Rational(3, 2)]), diag(10, 1)
    g = -P.inv() * Delta
    teacher = k.dot(eps * Delta)
    equal(alpha * g.dot(_student(k, Rational(1, 2), eye(2), teacher)), Rational(13, 80) * alpha * eps)
    equal(alpha * g.dot(_student(k, Rational(1, 2), P, teacher)), -alpha * eps / 16)


@step
def one_ratio_is_needed():
    """With P_T⁻¹P_S = diag(r, s) the sign holds for every k and Δ if r = s > 0; z3 finds both needed."""
    r, s, a, b, x, y = z3().Reals("r s a b x y")
    entails([r == s, r > 0], (a * r * x + b * s * y) * (a * x + b * y) >= 0)
