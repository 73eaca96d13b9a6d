"""To first order the channel's inputs count through the Gauss-Newton matrix alone.

Statement. The student's step is εGΔ + O(ε²), so two channels with one G make the same step to first order for every Δ,
and channels that do so have one G. Beyond first order they may differ. What G sees of a law of inputs depends on the
network: if its outputs are linear in x, with squared error, the whole loss of the student depends on Σ = E[xxᵀ] alone,

    L_S(θ) = tr(W Σ Wᵀ),   W = A(θ) − A(θ_T) for f = A(θ)x,

so channels of equal second moments, say noise of a picture's spectrum, are the same for every ε and number of steps.
For other networks they are not enough: f = θx² has G = 2E[x⁴]. On noise of one size in r of n dimensions a linear
layer aligns with r/n of what it would on noise in all n, on average over the directions of Δ.

Assumptions. Shared initialisation and one plain gradient step; for the first order f twice differentiable along Δ.

Proof. The step is εGΔ to first order, and GΔ = G′Δ for every Δ means G = G′. Squared error of Wx is xᵀWᵀWx, whose mean
is linear in E[xxᵀ]. For inputs ±1, and for 0 with half the weight and ±√2, E[x²] = 1, and E[x⁴] = 1 and 2. For
f = x₀θ + x₁θ² at 0, the inputs (1, 0) and (1, 1) have G = 2, and D = 2εΔ² and 2εΔ² + 2ε²Δ³.

Source. Derived here; arXiv 2507.14805 distils on noise.
"""

from sympy import Function, Matrix, Rational, Symbol, cos, diag, diff, eye, sin, sqrt, symbols, zeros

from subtheory.proof import equal, step

CLAIMS = ("inputs-count-through-the-form-alone",)
USES = ("gauss_newton_form",)
COQ = ("OneStep.student_step_rderiv",)
SCOPE = (
    "undefined f of 2 parameters on 1..3 inputs for the first order; 2 inputs of 2 dimensions; the prose holds for all"
)
NOT_COVERED = "how far the second moments of pictures fix G in networks that are not linear in them"

EPS = Symbol("epsilon", real=True)


def _step(f, theta, Delta, channel):
    """−∇ Σ weight (f(θ, x) − y)² at θ0, the labels y those of θ0 + εΔ."""
    moved = [name + EPS * by for name, by in zip(theta, Delta, strict=True)]
    names = symbols(f"n:{len(theta)}")
    loss = sum(weight * (f(*names, *x) - f(*moved, *x)) ** 2 for weight, x in channel)
    at = dict(zip(names, theta, strict=True))
    return Matrix([-diff(loss, name).subs(at).doit() for name in names])


def _moment(channel, power):
    """E[xᵖ] for inputs of one dimension."""
    return sum(weight * x[0] ** power for weight, x in channel)


@step
def first_order():
    """dΔθ_S/dε at 0 = GΔ with G = Σ weight 2kkᵀ, k = ∇f(x), for an undefined f on 1..3 inputs."""
    f, theta, Delta = Function("f"), symbols("t:2"), symbols("d:2")
    for inputs in range(1, 4):
        channel = [(weight, (x,)) for weight, x in zip(symbols(f"w:{inputs}"), symbols(f"x:{inputs}"), strict=True)]
        slopes = [(weight, Matrix([diff(f(*theta, *x), name) for name in theta])) for weight, x in channel]
        G = sum((2 * weight * k * k.T for weight, k in slopes), zeros(2, 2))
        moved = _step(f, theta, Delta, channel)
        equal(moved.subs(EPS, 0).doit(), zeros(2, 1))
        equal(diff(moved, EPS).subs(EPS, 0).doit(), G * Matrix(Delta))


@step
def second_moments_of_linear_networks():
    """Σ weight |Wx|² = tr(WΣWᵀ) for 1..3 inputs, every entry of W and x a letter."""
    W = Matrix(2, 2, symbols("e:4"))
    for inputs in range(1, 4):
        channel = [(w, Matrix(symbols(f"x{i}_:2"))) for i, w in enumerate(symbols(f"w:{inputs}"))]
        Sigma = sum((w * x * x.T for w, x in channel), zeros(2, 2))
        equal(sum(w * (W * x).dot(W * x) for w, x in channel), (W * Sigma * W.T).trace())


@step
def turned_inputs():
    """Orthonormal inputs of equal weight, turned by any angle, have one Σ = I/2."""
    a = Symbol("a", real=True)
    turned = Matrix([[cos(a), sin(a)], [-sin(a), cos(a)]])
    equal(turned.T * turned / 2, eye(2) / 2)


@step
def second_moments_are_not_enough():
    """f = θx²: inputs ±1, and 0 and ±√2 with weights 1/2, 1/4, 1/4, have E[x²] = 1, but D = 2εΔ² and 4εΔ²."""
    Delta, half, quarter = Symbol("d"), Rational(1, 2), Rational(1, 4)
    even = [(half, (1,)), (half, (-1,))]
    spread = [(half, (0,)), (quarter, (sqrt(2),)), (quarter, (-sqrt(2),))]
    equal([_moment(each, 2) for each in (even, spread)], [1, 1])
    equal([_moment(each, 4) for each in (even, spread)], [1, 2])
    moved = [_step(lambda theta, x: theta * x**2, [0], [Delta], each)[0] * Delta for each in (even, spread)]
    equal(moved, [2 * EPS * Delta**2, 4 * EPS * Delta**2])


@step
def beyond_first_order():
    """f = x₀θ + x₁θ² at 0: the inputs (1, 0) and (1, 1) have D = 2εΔ² and 2εΔ² + 2ε²Δ³."""
    Delta = Symbol("d")
    found = [_step(lambda t, a, b: a * t + b * t**2, [0], [Delta], [(1, x)])[0] * Delta for x in ((1, 0), (1, 1))]
    equal(found, [2 * EPS * Delta**2, 2 * EPS * Delta**2 + 2 * EPS**2 * Delta**3])


@step
def rank_of_noise():
    """Σ = s² on r of n dimensions: the mean over unit Δ of Δᵀ2ΣΔ is r/n of that in all n."""
    s = Symbol("s", positive=True)
    for n in range(2, 5):
        for r in range(1, n):
            means = [
                sum(row.dot(2 * s**2 * Sigma * row) for row in (eye(n)[:, i] for i in range(n))) / n
                for Sigma in (diag(eye(r), *[0] * (n - r)), eye(n))
            ]
            equal(means, [Rational(r, n) * 2 * s**2, 2 * s**2])
