"""Row scores add up to the alignment; those of a trained student are the teacher's residuals through a kernel of rows.

Statement. Let a row be an input x_i with a label y_i, p = softmax(z) the law of the init, g_i = ∇log p(y_i|x_i) and
Δθ_S = (1/n) Σ_i g_i the student's step on n rows. For any rows, any Δ and any gradient g of a readout

    Δθ_S · Δ = (1/n) Σ_i s_i,  s_i = Δ · g_i = u_{y_i} − Σ_v p_v u_v,  u = JΔ,        Δθ_S · g = (1/n) Σ_i g · g_i.

Labels of the init have E s = 0 and E s² = Var_p(u). Labels of the teacher at θ0 + εΔ, with logits z + εu + ½ε²v + ...,
have

    E s = ε Var_p(u) + ½ε² h″ + O(ε³),   h″ = E_p[(u − E u)³] + Cov_p(u, v).

For a student at θ0 + αm, m = Σ_j J_jᵀe_j, the score of a row is, with Θ_ij = g_iᵀJ_jᵀ,

    log p_S(y_i|x_i) − log p(y_i|x_i) = α Σ_j Θ_ij e_j + ½α² b_i + O(α³),   b_i = v_{y_i} − E_p v − Var_p(u),

u and v the derivatives of the logits along m; labels y drawn as rows have e_j = (hot(y_j) − p)/n, and then Σ_j Θ_ij e_j
is (1/n) Σ_j g_i · g_j.

A null direction Δ′ = c σ∘Δ, σ independent signs and c² = ΔᵀGΔ/(σ∘Δ)ᵀG(σ∘Δ), has Δ′ᵀGΔ′ = ΔᵀGΔ for every σ, and
E (σ∘Δ)(σ∘Δ)ᵀ = diag(Δ²).

Assumptions. Shared initialisation, cross-entropy, one plain gradient step; logits three times differentiable along the
lines for the orders, and nothing for the sums.

Proof. The sums are linear in the step, and ∂ log p_y/∂z = hot(y) − p. The means differentiate softmax twice along
z + εu + ½ε²v.

Source. Derived here; row scores of trained models are used to find what carries a trait (predictions P48 and P49).
"""

from itertools import product

from sympy import Matrix, Symbol, diff, exp, log, sqrt, symbols

from subtheory.proof import equal, step

CLAIMS = ("rows-add-up-to-the-alignment", "student-scores-follow-the-kernel")
COQ = ("LabelLaws.rows_add_up", "LabelLaws.rows_against_control")
SCOPE = "2..3 labels, 2..3 parameters, 2 rows, linear logits for the sums; the prose holds for all sizes"
NOT_COVERED = "the size of the O(ε³) and O(α³), and rows that depend on each other"

T = Symbol("t", real=True)
"""ε or α; derivatives are at t = 0."""


def _law(W, change):
    """Softmax of logits log W + change."""
    weights = [each * exp(own) for each, own in zip(W, change, strict=True)]
    return [each / sum(weights) for each in weights]


def _start(W):
    """Softmax of logits log W."""
    return [each / sum(W) for each in W]


def _moved(u, v):
    """tu + ½t²v."""
    return [T * a + T**2 / 2 * b for a, b in zip(u, v, strict=True)]


def _mean(p, values):
    """Σ p_v values_v."""
    return sum(each * value for each, value in zip(p, values, strict=True))


def _gradient(J, W, y):
    """∇_θ log softmax(log W + Jθ)_y at θ = 0, from the definition."""
    theta = symbols(f"theta:{J.shape[1]}", real=True)
    log_p = log(_law(W, J * Matrix(theta))[y])
    return Matrix([diff(log_p, each).subs(dict.fromkeys(theta, 0)) for each in theta])


def _row(i, labels, parameters):
    """Jacobian (labels × parameters) and weights exp(z) of a row."""
    entries = symbols(f"J{i}_:{labels * parameters}", real=True)
    return Matrix(labels, parameters, entries), symbols(f"W{i}_:{labels}", positive=True)


def _labels(rows):
    """Every choice of a label for each row."""
    return product(*(range(len(W)) for _, W in rows))


@step
def sums():
    """Δ · g = u_y − Σ p u of every row, and the means over two rows agree, for any labels, Δ or readout."""
    rows = [_row(i, labels, 2) for i, labels in enumerate((2, 3))]
    Delta = Matrix(symbols("Delta:2", real=True))
    for y in _labels(rows):
        g = [_gradient(*row, label) for row, label in zip(rows, y, strict=True)]
        u = [list(J * Delta) for J, _ in rows]
        s = [one[k] - _mean(_start(W), one) for one, (_, W), k in zip(u, rows, y, strict=True)]
        equal([each.dot(Delta) for each in g], s)
        equal((g[0] + g[1]).dot(Delta) / len(g), sum(s) / len(s))


@step
def moments():
    """Along z + tu + ½t²v: E s = 0, d/dt Σ p_t s = Var_p(u), d²/dt² = E(u − E u)³ + Cov(u, v)."""
    for labels in range(2, 4):
        W = symbols(f"W:{labels}", positive=True)
        u, v = (symbols(f"{name}:{labels}", real=True) for name in "uv")
        p = _start(W)
        s = [each - _mean(p, u) for each in u]
        mean = _mean(_law(W, _moved(u, v)), s)
        equal(mean.subs(T, 0), 0)
        equal(diff(mean, T).subs(T, 0), _mean(p, [each**2 for each in s]))
        curvature = _mean(p, [each**3 for each in s]) + _mean(p, [a * b for a, b in zip(s, v, strict=True)])
        equal(diff(mean, T, 2).subs(T, 0), curvature)


@step
def student():
    """d/dt log p_y along z + tu + ½t²v is u_y − E u, and d²/dt² is v_y − E v − Var(u)."""
    for labels in range(2, 4):
        W = symbols(f"W:{labels}", positive=True)
        u, v = (symbols(f"{name}:{labels}", real=True) for name in "uv")
        p = _start(W)
        variance = _mean(p, [each**2 for each in u]) - _mean(p, u) ** 2
        for y, moved in enumerate(_law(W, _moved(u, v))):
            equal(diff(log(moved), T).subs(T, 0), u[y] - _mean(p, u))
            equal(diff(log(moved), T, 2).subs(T, 0), v[y] - _mean(p, v) - variance)


@step
def kernel():
    """g_i · Σ_j J_jᵀe_j = Σ_j (g_iᵀJ_jᵀ)e_j, and with e_j = hot(y_j) − p_j it is Σ_j g_i · g_j."""
    rows = [_row(i, 2, 2) for i in range(2)]
    for y in _labels(rows):
        g = [_gradient(*row, label) for row, label in zip(rows, y, strict=True)]
        e = [Matrix([int(k == label) - p for k, p in enumerate(_start(W))])
             for (_, W), label in zip(rows, y, strict=True)]  # fmt: skip
        move = rows[0][0].T * e[0] + rows[1][0].T * e[1]
        for one in g:
            smoothed = sum((one.T * J.T * own)[0] for (J, _), own in zip(rows, e, strict=True))
            equal(one.dot(move), smoothed)
            equal(smoothed, one.dot(g[0] + g[1]))


@step
def null():
    """(cσ∘Δ)ᵀG(cσ∘Δ) = ΔᵀGΔ for every σ, and the mean of (σ∘Δ)(σ∘Δ)ᵀ over all σ is diag(Δ²)."""
    Delta = Matrix(symbols("Delta:3", real=True))
    J = Matrix(2, 3, symbols("J:6", real=True))
    form = lambda v: (J * v).dot(J * v)  # noqa: E731
    every = [Matrix([sign * each for sign, each in zip(signs, Delta, strict=True)])
             for signs in product((-1, 1), repeat=3)]  # fmt: skip
    for turned in every:
        equal(form(sqrt(form(Delta) / form(turned)) * turned), form(Delta))
    mean = sum((turned * turned.T for turned in every), Matrix.zeros(3, 3)) / len(every)
    equal(list(mean), list(Matrix.diag(*(each**2 for each in Delta))))
