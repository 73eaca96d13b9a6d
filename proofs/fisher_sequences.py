"""Imitating sequences on the teacher's own prefixes has the sum of the per-token Fishers for its Gauss-Newton matrix.

Statement. Let Φ(θ, θ′) be smallest over θ at θ = θ′, for every θ′, and H = ∂²Φ/∂θ² at θ = θ′ = θ0. A student's step is

    Δθ_S = −∂₁Φ(θ0, θ0 + εΔ) = εHΔ + O(ε²),   D(ε) = εΔᵀHΔ + O(ε²).

If Φ is the KL of the laws P_θ′ and P_θ of whole sequences, with p_t and u_t the law of a token and the velocity of its
logits given the prefix, and s_t = (u_t − ū_t) at the token drawn, H is the Fisher matrix of P_θ0, and

    ΔᵀHΔ = E (Σ_t s_t)² = Σ_t E s_t² = Σ_t E u_tᵀ(diag(p_t) − p_t p_tᵀ)u_t ≥ 0,   prefixes drawn from P_θ0,

which is ΔᵀGΔ with prefixes for inputs. If it is 0, D(ε) = 0 for all ε. Prefixes of a fixed third law give the last
sum over that law: ≥ 0, another matrix. One sequence sampled from the teacher gives a step with mean D(ε) along Δ, and
variance ΔᵀHΔ at ε = 0.

Assumptions. Shared initialisation; Φ twice continuously differentiable; every token has positive probability.

Proof. ∂₁Φ is 0 where θ = θ′, so ∂₁Φ_i = Σ_j (θ_j − θ′_j) h_ij with h = H at θ0 (Hadamard); put in θ′ = θ0 + εΔ. KL is
smallest at equal laws, and log P is a sum over tokens. Given its prefix s_t has mean 0, so E s_r s_t = 0 for r < t:
scores are martingale differences. A form for all Δ is the matrix. A token's KL given its prefix is O(ε²), its pull
O(ε): the prefix's weight counts at θ0 only, be it the teacher's or the student's. −log P_θ of a sequence pulls by s.

Source. Derived here; arXiv 2507.14805, App. C, has one output vector for each input.
"""

from sympy import Function, Matrix, Rational, Symbol, diag, diff, exp, log, symbols, zeros

from subtheory.proof import equal, negative, nonnegative, step

CLAIMS = ("sequence-loss-has-the-sequence-fisher",)
PLANNED = ()
COQ = ()
SCOPE = "k = 2 parameters; sequences of two tokens, n = 2, 3 symbols, any logits; the prose holds for all lengths"
NOT_COVERED = "sequences without a bound on their length; a student and a teacher that sample at different temperatures"

T = Symbol("t", real=True)  # how far a law has moved along Δ: the student's, or, as ε, the teacher's


def _at_zero(value, order=0):
    return diff(value, T, order).subs(T, 0).doit()


def _mean(p, values):
    return sum(weight * value for weight, value in zip(p, values, strict=True))


def _square(p, s):
    return _mean(p, [each**2 for each in s])


def _form(p, s, prefixes, q, v):
    """E s_1² + E s_2² with prefixes of some law; s_1 is s, and s_2 is v[i] after i."""
    return _square(p, s) + _mean(prefixes, [_square(*each) for each in zip(q, v, strict=True)])


def _law(name, n):
    """p, which sums to 1, and the scores s = u − ū of logits that move with velocities u."""
    free, u = symbols(f"p{name}_:{n - 1}"), symbols(f"u{name}_:{n}")
    p = [*free, 1 - sum(free)]
    return p, [each - _mean(p, u) for each in u]


@step
def general_lemma():
    """∂₁Φ_i = Σ_j (θ_j − θ′_j) h_ij(θ, θ′): −∂₁Φ(θ0, θ0 + εΔ) is 0 at ε = 0, with slope HΔ, H = ∂(∂₁Φ)/∂θ."""
    theta, other, start, Delta = (Matrix(symbols(f"{name}:2")) for name in ("theta", "other", "start", "Delta"))
    gradient = Matrix(2, 2, [Function(f"h{i}")(*theta, *other) for i in range(4)]) * (theta - other)
    H = gradient.jacobian(theta).subs(dict(zip([*theta, *other], [*start, *start], strict=True)))
    student = -gradient.subs(dict(zip([*theta, *other], [*start, *(start + T * Delta)], strict=True)))
    equal(_at_zero(student), zeros(2, 1))
    equal(_at_zero(student, 1), H * Delta)


@step
def token():
    """Logits log p + tu + t²r: at t = 0, (log p_t)′ = s and KL(p ‖ p_t)″ = (Σ p_t s)′ = E s² = uᵀ(diag(p) − ppᵀ)u."""
    for n in range(2, 4):
        (p, s), u = _law("", n), Matrix(symbols(f"u_:{n}"))
        shift = T * u + T**2 * Matrix(symbols(f"r:{n}"))
        moved = shift - Matrix([log(_mean(p, shift.applyfunc(exp)))] * n)  # log p_t − log p
        equal((_at_zero(moved, 1) - Matrix(s)).expand(), zeros(n, 1))
        KL, D = -_mean(p, moved), _mean(p, Matrix(s).multiply_elementwise(moved.applyfunc(exp)))
        form = u.dot((diag(*p) - Matrix(p) * Matrix(p).T) * u)
        equal([_at_zero(KL), _at_zero(KL, 1), _at_zero(D).expand()], [0, 0, 0])
        equal([(each - form).expand() for each in (_at_zero(KL, 2), _at_zero(D, 1), _square(p, s))], [0, 0, 0])


@step
def sequence():
    """E(l_1 + l_2) = E l_1 + E E[l_2 | x_1] for all l; E[s_2 | x_1] = 0, and E (s_1 + s_2)² = E s_1² + E s_2²."""
    for n in range(2, 4):
        (p, s), (q, v) = _law("", n), zip(*(_law(i, n) for i in range(n)), strict=True)
        first, second = symbols(f"l:{n}"), [symbols(f"l{i}_:{n}") for i in range(n)]
        whole = _mean(p, [_mean(q[i], [first[i] + each for each in second[i]]) for i in range(n)])
        equal((whole - _mean(p, first) - _mean(p, [_mean(q[i], second[i]) for i in range(n)])).expand(), 0)
        equal([_mean(q[i], v[i]).expand() for i in range(n)], [0] * n)
        fisher = _mean(p, [_mean(q[i], [(s[i] + each) ** 2 for each in v[i]]) for i in range(n)])
        equal((fisher - _form(p, s, p, q, v)).expand(), 0)


@step
def prefixes():
    """w(t) t²k(t), as weight times KL, starts with w(0)k(0)t², and w(t) tk(t), as weight times pull, with w(0)k(0)t."""
    w, k = (Function(name)(T) for name in "wk")
    equal([_at_zero(w * T**2 * k, order) for order in range(3)], [0, 0, 2 * _at_zero(w * k)])
    equal([_at_zero(w * T * k, order) for order in range(2)], [0, _at_zero(w * k)])


@step
def other_prefixes():
    """Σ p_i s_i² + Σ w_i Σ q_ij v_ij² ≥ 0; if p = q_i = (½, ½), s = v_0 = 0, v_1 = (1, −1), it is w_1: ½ for w = p."""
    law, score = symbols("p:2 w:2 q:4", positive=True), symbols("s:2 v:4", real=True)
    nonnegative(_form(law[:2], score[:2], law[2:4], [law[4:6], law[6:]], [score[2:4], score[4:]]))
    w, half, still, push = symbols("w:2"), [Rational(1, 2)] * 2, [0, 0], [1, -1]
    equal(_mean(half, push), 0)
    equal([_form(half, still, law, [half, half], [still, push]) for law in (half, w)], [half[0], w[1]])


@step
def minimum_is_needed():
    """Labels at half the student's temperature, odds o² for o > 1: D(0) = −v(o²/(1 + o²) − o/(1 + o)) < 0, u = −v."""
    more, v = symbols("more v", positive=True)
    odds = 1 + more
    D = -v * (odds**2 / (1 + odds**2) - odds / (1 + odds))
    equal(D, -v * odds * more / ((1 + odds**2) * (1 + odds)))
    negative(D)
