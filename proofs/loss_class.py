"""What a minimum at the match has to be: a flat one aligns at a higher order, a corner makes a step of order one.

Statement. Let u be the outputs' velocity along the teacher's segment. For l = Σ w_i (z_i − y_i)^p with p even

    D(ε) = p ε^(p−1) E Σ w_i u_i^p + O(ε^p),

which is 4ε³ E Σ w_i u_i⁴ for p = 4, where M = 0. For l = Σ w_i |z_i − y_i|, D(ε) = E Σ w_i |u_i| + O(ε): still
positive, but the student's step does not shrink with ε, and the trait loss need not fall.

Assumptions. A shared init; outputs φ(ε) = z + εu + ε²r(ε) with bounded r; finitely many inputs for absolute values.

Proof. By the alignment identity D = E Σ p w_i (φ_i − z_i)^(p−1) u_i = p ε^(p−1) E Σ w_i (u_i + εr_i)^(p−1) u_i. For
absolute values D = E Σ w_i sign(φ_i − z_i) u_i, and sign(ε(u_i + εr_i)) = sign(u_i) as soon as ε|r_i| < |u_i|; outputs
with u_i = 0 do not contribute. Then Δθ_S = E Jᵀ(w sign(u)) whatever ε is. With f = θ, L_T = −θ + ½βθ², Δ = 1:
ΔL_T = −αw + ½β(αw)² for every ε, which is positive for α > 2/(βw).

Source. The first derivative of the loss that does not vanish at the match decides.
"""

from sympy import Abs, Function, Matrix, Symbol, diff, hessian, sign, symbols, zeros

from subtheory.proof import equal, step

CLAIMS = ("quartic-loss-aligns-at-third-order", "absolute-loss-steps-at-order-one")
USES = ("alignment_identity",)
COQ = ()
SCOPE = "undefined paths, n = 1..4 outputs by sympy; p = 2, 4, 6; the argument is for all n"
NOT_COVERED = "absolute values with infinitely many inputs, where u may be arbitrarily close to 0"

EPS = Symbol("eps", positive=True)


def _vector(name, n):
    return Matrix(symbols(f"{name}:{n}", real=True))


def _power(z, y, p):
    w = _vector("w", len(z))
    return sum(w[i] * (z[i] - y[i]) ** p for i in range(len(z)))


def _pull(loss, z, y, path):
    """−∂l/∂z at y = φ(ε)."""
    return -Matrix([loss]).jacobian(z).subs(dict(zip(y, path, strict=True)))


@step
def powers():
    """D = ε^(p−1) · p Σ w_i (u_i + εr_i(ε))^(p−1) u_i, which at ε = 0 is p Σ w_i u_i^p."""
    for n in range(1, 5):
        for p in range(2, 7, 2):
            z, y, u, w = (_vector(name, n) for name in "zyuw")
            r = Matrix([Function(f"r{i}", real=True)(EPS) for i in range(n)])
            D = _pull(_power(z, y, p), z, y, z + EPS * u + EPS**2 * r).dot(u)
            terms = [p * w[i] * (u[i] + EPS * r[i]) ** (p - 1) * u[i] for i in range(n)]
            equal(D, EPS ** (p - 1) * sum(terms))
            equal(sum(terms).subs(EPS, 0).doit(), p * sum(w[i] * u[i] ** p for i in range(n)))


@step
def flat_at_the_match():
    """M = 0 for p = 4, and the constants of the claim: D = 4ε³ Σ w_i u_i⁴ on a straight path."""
    for n in range(1, 5):
        z, y, u, w = (_vector(name, n) for name in "zyuw")
        loss = _power(z, y, 4)
        equal(hessian(loss, list(z)).subs(dict(zip(z, y, strict=True))), zeros(n, n))
        D = _pull(loss, z, y, z + EPS * u).dot(u)
        equal(D, 4 * EPS**3 * sum(w[i] * u[i] ** 4 for i in range(n)))


@step
def absolute_values():
    """l = Σ w_i |z_i − y_i| at y = z + εu: D = Σ w_i |u_i|, and the pull is w_i sign(u_i), whatever ε is."""
    for n in range(1, 5):
        z, y, w, u = (_vector(name, n) for name in "zywu")
        loss = sum(w[i] * Abs(z[i] - y[i]) for i in range(n))
        pull = _pull(loss, z, y, z + EPS * u)
        equal(pull, Matrix([[w[i] * sign(u[i]) for i in range(n)]]))
        equal(pull.dot(u), sum(w[i] * Abs(u[i]) for i in range(n)))


@step
def curvature_does_not_change_the_sign():
    """2u(u + s) = (u + s)² + (u² − s²), so that u + s has the sign of u if |s| < |u|; here s = εr."""
    u, s = symbols("u s")
    equal(2 * u * (u + s), (u + s) ** 2 + (u**2 - s**2))


@step
def trait_loss_may_rise_for_every_eps():
    """f = θ, l = w|z − y|, L_T = −θ + ½βθ², Δ = 1: ΔL_T = ½βw²α(α − 2/(βw)) for every ε, > 0 beyond 2/(βw)."""
    theta, y, w, alpha, beta = symbols("theta y w alpha beta", real=True)
    student = -diff(w * Abs(theta - y), theta).subs(theta, 0).subs(y, EPS)
    L_T = -theta + beta / 2 * theta**2
    equal([student, -diff(L_T, theta).subs(theta, 0)], [w, 1])
    equal(L_T.subs(theta, alpha * student), beta / 2 * w**2 * alpha * (alpha - 2 / (beta * w)))
