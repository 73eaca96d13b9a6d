"""Teachers of one init add up in a student of their pooled outputs; a guest of another init cancels, off the trait.

Statement. Let teacher j stand at θ0 + εΔ_j and the labels be y = Σ_j w_j f_{θ0 + εΔ_j}(x), Σ w_j = 1. The student's
step aligns with each of them by

    Δθ_S · Δ_i = ε Σ_j w_j Δ_iᵀGΔ_j + O(ε²),

the terms with j ≠ i being the interference, of any sign. It makes no difference whether logits or probabilities are
pooled. Let a teacher, the guest, start at another init θ′ instead, its distilled outputs W′h(x) with a readout W′ that
its training leaves alone. In squared error its training adds to the student a term that is linear in W′. If W′ is
drawn from a law that is even, independently of all else, the mean of the term is 0, and |Σs| ≤ √(2 ln(2/p) Σs²) for
independent terms s but for a chance p.

Assumptions. One init for the student and all teachers but the guest; one gradient step of the student; for the guest,
distilled outputs that its trait does not read.

Proof. The labels move by ε Σ w_j JΔ_j, as those of one teacher of Δ = Σ w_jΔ_j do. The guest's labels move by
W′(h_ε − h_0), odd in W′; squared error is linear in its labels, so that the added step is odd too. Given their sizes,
the signs of independent odd terms are fair coins, for which E e^(tΣs) = Π cosh(ts_i) ≤ e^(t²Σs²/2) (Hoeffding).

Source. Derived here; arXiv 2610.05378 has federated students.
"""

from sympy import Function, Matrix, Rational, Symbol, cosh, diff, exp, factorial, log, sqrt, symbols

from subtheory.proof import equal, negative, nonnegative, positive, step

CLAIMS = ("pooled-teachers-add-up", "guests-of-other-inits-add-nothing-on-average")
USES = ("gauss_newton_form",)
COQ = ()
SCOPE = "2 teachers, undefined f of 2 parameters, one probability of each; the prose holds for all sizes"
NOT_COVERED = "guests in other losses, and on outputs that the trait reads, where they teach it whatever their init"


def _gradient(f, theta0):
    """∇f at θ0."""
    return Matrix([diff(f(*theta0), name) for name in theta0])


@step
def they_add_up():
    """d D_i/dε = Σ_j w_j Δ_iᵀ(2kkᵀ)Δ_j at ε = 0, for undefined f and squared error, k = ∇f."""
    f, eps, w = Function("f"), Symbol("epsilon"), symbols("w:2")
    theta0, Delta = symbols("t:2"), [Matrix(symbols(f"{name}:2")) for name in "uv"]
    k = _gradient(f, theta0)
    y = sum(
        share * f(*[each + eps * part for each, part in zip(theta0, one, strict=True)])
        for share, one in zip(w, Delta, strict=True)
    )
    moved = 2 * (y - f(*theta0)) * k
    equal(moved.subs(eps, 0).subs(w[1], 1 - w[0]), Matrix([0, 0]))
    for one in Delta:
        slope = diff(moved.dot(one), eps).subs(eps, 0).doit()
        equal(slope, sum(share * one.dot(2 * k * k.dot(other)) for share, other in zip(w, Delta, strict=True)))


@step
def logits_or_probabilities():
    """d log Σ_j w_j p_j and Σ_j w_j d log p_j agree at ε = 0, where all p_j are p0 and Σ w_j = 1."""
    eps, w = Symbol("epsilon"), Symbol("w")
    p, q = Function("p")(eps), Function("q")(eps)
    pooled = diff(log(w * p + (1 - w) * q), eps)
    apart = w * diff(log(p), eps) + (1 - w) * diff(log(q), eps)
    slopes = {diff(p, eps): Symbol("a"), diff(q, eps): Symbol("b")}
    equal(*(each.subs(slopes).subs({p: Symbol("r"), q: Symbol("r")}) for each in (pooled, apart)))


@step
def interference_has_any_sign():
    """k = (1, 1), Δ_1 = (1, 0), Δ_2 = (−3, 0), w = ½ each: the student aligns with the first by −2ε, alone by 2ε."""
    k, first, second = Matrix([1, 1]), Matrix([1, 0]), Matrix([-3, 0])
    form = lambda a, b: 2 * a.dot(k) * b.dot(k)  # noqa: E731
    mixed = Rational(1, 2) * (form(first, first) + form(first, second))
    equal([form(first, first), form(first, second), form(second, second), mixed], [2, -6, 18, -2])
    negative(mixed)


@step
def a_guest_is_odd_in_its_readout():
    """The added step is 2wW′(h(b + εc) − h(b))∇f · Δ, odd in W′, for undefined h and f, whatever the others say."""
    f, h, eps, w = Function("f"), Function("h"), Symbol("epsilon"), Symbol("w")
    theta0, Delta = symbols("t:2"), Matrix(symbols("u:2"))
    readout, body, change, others = Symbol("W"), Symbol("b"), Symbol("c"), Symbol("y")
    along = _gradient(f, theta0).dot(Delta)
    trained, before = (2 * (others + w * readout * h(place) - f(*theta0)) for place in (body + eps * change, body))
    added = (trained - before) * along
    equal(added, 2 * w * readout * (h(body + eps * change) - h(body)) * along)
    equal(added, -added.subs(readout, -readout))


@step
def sums_of_odd_terms():
    """The series of e^(x²/2) and cosh x in x²ⁿ: 1/(2ⁿn!) ≥ 1/(2n)!, here for n = 0..5."""
    x = Symbol("x")
    for n in range(6):
        both = [diff(each, x, 2 * n).subs(x, 0) / factorial(2 * n) for each in (exp(x**2 / 2), cosh(x))]
        equal(both, [Rational(1, 2**n * factorial(n)), Rational(1, factorial(2 * n))])
        nonnegative(both[0] - both[1])


@step
def the_best_exponent():
    """The exponent t²v/2 − ta of the bound 2e^(t²v/2 − ta) is least at t = a/v, and −L for a² = 2vL, L = log(2/p)."""
    t, v, a, L = symbols("t v a L", positive=True)
    exponent = t**2 * v / 2 - t * a
    equal(diff(exponent, t).subs(t, a / v), 0)
    equal(exponent.subs(t, a / v).subs(a, sqrt(2 * v * L)), -L)
    positive(diff(exponent, t, 2))
