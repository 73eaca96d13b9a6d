"""A prompted teacher aligns the student with the shift of its outputs, which need not be that of any displacement.

Statement. Let the labels be y = f0 + εδ with a shift δ(x) of the outputs that a context causes. With any u = JΔ

    D(ε) = ε E[δᵀMu] + O(ε²), exact for squared error;   δ = −u gives −εq.

If δ = JΔ′ for some Δ′, it is εΔ′ᵀGΔ, which for Δ = Δ′ is ≥ 0 and for other Δ has any sign. A teacher moved by Δ₁ and
then repaired by Δ₂ has alignment εΔ₁ᵀG(Δ₁ + Δ₂) with its ancestor: 0 for Δ₂ = −Δ₁, and of any sign if only outputs
on other data were repaired.

Assumptions. The student starts at θ0 and takes one full gradient step; for O(ε²) l is twice differentiable at f0.

Proof. D(ε) = −E[∂_z l(f0, f0 + εδ) · u], and ∂_y∂_z l = −M at the match. For the repair put Δ₁ + Δ₂ for Δ′. In the
example f = k · θ with k = (1, 1) on the student's inputs, h · θ on the other data, Δ₁ = (1, 0), so k · Δ₁ = 1. With
h = (1, 1/3) the repair Δ₂ = (0, −3) has h · (Δ₁ + Δ₂) = 0 and k · (Δ₁ + Δ₂) = −2, with h = (1, −1) and (0, 1) it is 2.

Source. Derived here; most language-model teachers of arXiv 2507.14805 are prompted.
"""

from sympy import Matrix, Rational, Symbol, diff, exp, log, symbols

from subtheory.proof import equal, nonnegative, step

CLAIMS = (
    "prompted-teacher-can-oppose",
    "prompted-teacher-aligns-by-its-shift",
    "repaired-ancestor-has-any-sign",
)
USES = ("alignment_identity", "match_hessian")
COQ = ()
SCOPE = "n = 1..5 outputs for squared error, 2 and 3 for cross-entropy; the prose holds for every loss with a minimum"
NOT_COVERED = "a student that is given the prompt as well"


def _squared(z, y):
    """Σ (z − y)², so that M = 2I."""
    return sum((one - other) ** 2 for one, other in zip(z, y, strict=True))


def _softmax(z):
    """exp(z)/Σ exp(z)."""
    return [exp(each) / sum(map(exp, z)) for each in z]


def _cross_entropy(z, y):
    """−Σ softmax(y) log softmax(z)."""
    return -sum(q * log(p) for p, q in zip(_softmax(z), _softmax(y), strict=True))


def _alignment(loss, f0, y, u):
    """−∂_z l(f0, y) · u."""
    z = symbols(f"z:{len(f0)}", real=True)
    at = dict(zip(z, f0, strict=True))
    return -sum(diff(loss(z, y), each).subs(at) * slope for each, slope in zip(z, u, strict=True))


def _letters(n):
    """ε, f0, δ and u."""
    return Symbol("epsilon", real=True), *(symbols(f"{name}:{n}", real=True) for name in "fdu")


def _shifted(f0, eps, delta):
    """f0 + εδ."""
    return [each + eps * shift for each, shift in zip(f0, delta, strict=True)]


@step
def squared_error():
    """D(ε) = 2ε Σ δu for every ε, and −εq for δ = −u."""
    for n in range(1, 6):
        eps, f0, delta, u = _letters(n)
        D = _alignment(_squared, f0, _shifted(f0, eps, delta), u)
        equal(D, eps * sum(2 * shift * slope for shift, slope in zip(delta, u, strict=True)))
        opposed = _alignment(_squared, f0, _shifted(f0, -eps, u), u)
        equal(opposed, -eps * sum(2 * slope**2 for slope in u))


@step
def cross_entropy():
    """D(0) = 0 and D′(0) = δᵀMu = Σ p δu − (Σ p δ)(Σ p u), which is −Var_p(u) for δ = −u."""
    for n in range(2, 4):
        eps, f0, delta, u = _letters(n)
        p = _softmax(f0)
        D = _alignment(_cross_entropy, f0, _shifted(f0, eps, delta), u)
        both = sum(each * shift * slope for each, shift, slope in zip(p, delta, u, strict=True))
        means = [sum(each * value for each, value in zip(p, values, strict=True)) for values in (delta, u)]
        equal(D.subs(eps, 0), 0)
        equal(diff(D, eps).subs(eps, 0), both - means[0] * means[1])


@step
def realisable():
    """δ = JΔ′: D = εΔ′ᵀGΔ with G = 2JᵀJ, by squared error, and ≥ 0 for Δ′ = Δ."""
    for n in range(1, 4):
        eps, f0, *_ = _letters(n)
        J = Matrix(n, 2, symbols(f"J:{2 * n}", real=True))
        other, Delta = (Matrix(symbols(f"{name}:2", real=True)) for name in "ed")
        D = _alignment(_squared, f0, _shifted(f0, eps, J * other), J * Delta)
        equal(D, eps * other.dot(2 * J.T * J * Delta))
        nonnegative(sum(2 * u**2 for u in J * Delta))


@step
def repaired_ancestor():
    """Δ₁ = (1, 0): D = 2ε(k · Δ₁)(k · (Δ₁ + Δ₂)) is −4ε and 4ε for repairs on other data, 0 for Δ₂ = −Δ₁."""
    eps, k, moved = Symbol("epsilon", real=True), Matrix([1, 1]), Matrix([1, 0])
    repairs = ((Matrix([0, -3]), Matrix([1, Rational(1, 3)])), (Matrix([0, 1]), Matrix([1, -1])), (-moved, k))
    for (repair, other), D in zip(repairs, (-4 * eps, 4 * eps, 0), strict=True):
        equal(other.dot(moved + repair), 0)
        equal(_alignment(_squared, [0], [eps * k.dot(moved + repair)], [k.dot(moved)]), D)
