"""A trait that nobody distilled moves by the form of the two gradients, in either direction.

Statement. Let the teacher be Δ = −g with g = ∇L_T, and g′ the gradient of another trait loss L′. After a student's step
of rate α

    ΔL′ = −αε g′ᵀGg + O(ε²),

of any sign, and ≤ 0 for L′ = L_T. If a fraction ρ of the student's rows carries the init's labels,
D becomes (1 − ρ)D(ε) for every ε: mixing attenuates and never reverses.

Assumptions. Shared initialisation, L′ differentiable at θ0, one full gradient step.

Proof. ΔL′ = α g′ · Δθ_S + o(ε) and Δθ_S = εGΔ + O(ε²). On the init's labels the loss is at its minimum and has no
gradient. With f = θ0 + θ1 and g = (1, 0), G = 2kkᵀ, k = (1, 1), the trait g′ = (1, −3) has g′ᵀGg = −4.

Source. Derived here.
"""

from sympy import Function, Matrix, Symbol, diff, symbols

from subtheory.proof import equal, nonnegative, step

CLAIMS = ("off-target-traits-move-by-the-cross-form",)
USES = ("gauss_newton_form",)
COQ = ("OneStep.trait_loss_rate",)
SCOPE = "undefined f and L′ of 2 parameters; n = 1..4 for the sign of L_T; the prose holds for all sizes"
NOT_COVERED = "the second order in α, at which an unmoved trait may still change"


def _step(f, theta0, y):
    """−∇(f(θ) − y)² at θ0."""
    names = symbols(f"a:{len(theta0)}", real=True)
    at = dict(zip(names, theta0, strict=True))
    return Matrix([-diff((f(*names) - y) ** 2, name).subs(at).doit() for name in names])


def _gradient(f, theta0):
    """∇f at θ0."""
    return Matrix([diff(f(*theta0), name) for name in theta0])


@step
def rate():
    """d ΔL′/dε = −α g′ᵀ(2kkᵀ)g at ε = 0, for undefined f and L′, k = ∇f, Δ = −g."""
    f, other, eps, alpha = Function("f"), Function("l"), Symbol("epsilon"), Symbol("alpha")
    theta0, g = symbols("t:2"), Matrix(symbols("g:2"))
    y = f(*[each - eps * slope for each, slope in zip(theta0, g, strict=True)])
    moved = _step(f, theta0, y)
    change = other(*[each + alpha * part for each, part in zip(theta0, moved, strict=True)]) - other(*theta0)
    k = _gradient(f, theta0)
    slope = diff(change, eps).subs(eps, 0).doit()
    equal(slope, -alpha * _gradient(other, theta0).dot(2 * k * k.dot(g)))


@step
def any_sign():
    """f = θ0 + θ1, g = (1, 0): L_T itself falls by 2αε, and the trait of the gradient (1, −3) rises by 4αε."""
    eps, alpha = symbols("epsilon alpha", real=True)
    g = Matrix([1, 0])
    moved = _step(lambda a, b: a + b, (0, 0), -eps * sum(g))
    changes = [alpha * each.dot(moved) for each in (g, Matrix([1, -3]))]
    equal(changes, [-2 * alpha * eps, 4 * alpha * eps])


@step
def own_trait_falls():
    """gᵀGg = (Jg)ᵀM(Jg) ≥ 0 for G = JᵀMJ, M = diag(m)."""
    for n in range(1, 5):
        J, g = Matrix(2, n, symbols(f"J:{2 * n}", real=True)), Matrix(symbols(f"g:{n}", real=True))
        m = symbols("m:2", nonnegative=True)
        form = sum(each * u**2 for each, u in zip(m, J * g, strict=True))
        equal(g.dot(J.T * Matrix(2, 2, [m[0], 0, 0, m[1]]) * J * g), form)
        nonnegative(form)


@step
def mixing():
    """1 − ρ of the teacher's rows and ρ of the init's: the step is (1 − ρ) times the teacher's, for every label y."""
    f, rho, y, theta0 = Function("f"), Symbol("rho"), Symbol("y"), symbols("t:2")
    mixed = (1 - rho) * _step(f, theta0, y) + rho * _step(f, theta0, f(*theta0))
    equal(mixed, (1 - rho) * _step(f, theta0, y))
