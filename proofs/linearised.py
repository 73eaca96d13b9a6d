"""Mini-batches multiply, and momentum moves a mode by a companion matrix; the linear student needs outputs only.

Statement. Let the student at θ0 + εd step by εG_t(Δ − d) + o(ε) on batch t, G_t = BᵀS_tB, S_t diagonal. Then

    Δ − d(T) = Π_t (I − αG_t) Δ,   d(T) = Bᵀa(T),   a(t+1) = a(t) + αS_t(u − Ka(t)),   K = BBᵀ, u = BΔ.

With momentum b and one G the part e of a mode that is left, and its momentum v, move by

    (e, v)(t+1) = C (e, v)(t),   C = ((1 − αλ, −αb), (λ, b)),   det C = b,   e(t) = [Cᵗ]₁₁ c.

Both roots of C are within the unit circle iff 0 < αλ < 2(1 + b), for 0 ≤ b < 1. To second order θ_S(t) = θ0 + εd + ε²h
with h(t+1) = h(t) + α(½F″(0) − Gh(t)), F(ε) = −∇L_S(θ0 + εd) on the labels of θ0 + εΔ.

Assumptions. Shared initialisation, f twice (for h, three times) differentiable near θ0; fixed T, α, b.

Proof. Induction: d(t+1) = d + αG_t(Δ − d), and BᵀS_t(BΔ − BBᵀa) is the same step in coefficients. Momentum is
v(t+1) = bv + λe, e(t+1) = e − αv(t+1). Jury's conditions for x² − (1 + b − αλ)x + b: |b| < 1 and |1 + b − αλ| < 1 + b.
The gradient at θ0 + εd + ε²h differs from the one at θ0 + εd by −ε²Gh + O(ε³).

Source. Derived here.
"""

from sympy import Function, Matrix, Symbol, diag, diff, eye, symbols

from subtheory.proof import equal, positive, step

CLAIMS = (
    "mini-batch-steps-have-a-product-form",
    "momentum-follows-its-companion-matrix",
    "training-leaves-the-lazy-range-at-second-order",
)
PLANNED = ()
USES = ("many_steps",)
COQ = ()
SCOPE = "2 outputs, 2 and 3 parameters, t = 0..3 in letters, one parameter and output for the second order"
NOT_COVERED = "how small ε has to be, and steps so many that it has to shrink with them"

alpha, b, lamda = Symbol("alpha", real=True), Symbol("b", real=True), Symbol("lambda", real=True)


@step
def batches_multiply():
    """Δ − d(T) = Π(I − αG_t)Δ for T = 1..3 with matrices that do not commute, and d(T) = Bᵀa(T)."""
    for size in (2, 3):
        B = Matrix(2, size, symbols(f"B:{2 * size}", real=True))
        Delta = Matrix(symbols(f"Delta:{size}", real=True))
        d, a, left = Matrix([0] * size), Matrix([0, 0]), Delta
        for t in range(2 if size == 3 else 3):
            S = diag(*symbols(f"s{t}_:2", real=True))
            G = B.T * S * B
            d = (d + alpha * G * (Delta - d)).expand()
            a = (a + alpha * S * (B * Delta - B * B.T * a)).expand()
            left = ((eye(size) - alpha * G) * left).expand()
            equal((Delta - d).expand(), left)
            equal((B.T * a).expand(), d)


@step
def momentum():
    """v ← bv + λe, e ← e − αv is multiplication by C, which has determinant b and is (1 − αλ) in e for b = 0."""
    C = Matrix([[1 - alpha * lamda, -alpha * b], [lamda, b]])
    e, v = symbols("e v", real=True)
    kept = b * v + lamda * e
    equal((C * Matrix([e, v])).expand(), Matrix([e - alpha * kept, kept]).expand())
    equal(C.det().expand(), b)
    for t in range(4):
        equal((C.subs(b, 0) ** t)[0, 0].expand(), ((1 - alpha * lamda) ** t).expand())


@step
def momentum_is_stable():
    """αλ = 2(1 + b)g/(1 + g), 0 < g: 1 + b ∓ (1 + b − αλ) are positive, so that with b < 1 Jury's conditions hold."""
    g, kept = Symbol("g", positive=True), Symbol("b", nonnegative=True)
    scaled = 2 * (1 + kept) * g / (1 + g)
    trace = 1 + kept - scaled
    positive(((1 + kept) - trace).factor())
    positive(((1 + kept) + trace).factor())


@step
def second_order():
    """f(θ) of one parameter under squared error: each step adds α(½F″ − 2f′²h) at order ε²."""
    f, theta, eps = Function("f"), Symbol("theta", real=True), Symbol("epsilon", real=True)
    d, h, Delta = symbols("d h Delta", real=True)

    def descent(at):
        return -diff((f(theta) - f(eps * Delta)) ** 2, theta).subs(theta, at)

    def order(expression, k):
        return diff(expression, eps, k).subs(eps, 0).doit()

    slope = diff(f(theta), theta).subs(theta, 0)
    with_h, without = descent(eps * d + eps**2 * h), descent(eps * d)
    equal(order(with_h, 1).simplify(), (2 * slope**2 * (Delta - d)).simplify())
    equal((order(with_h, 2) / 2 - order(without, 2) / 2).simplify(), (-2 * slope**2 * h).simplify())
