"""A LoRA student with its own random A follows the full gradient on average, with a spread that falls as 1/√r.

Statement. Let W be n × d, Δ the teacher's displacement of W, V = GΔ as a matrix, so that q = ⟨V, Δ⟩. The student
W + BA starts at B = 0; the entries of A (r × d) are independent, normal, of mean 0 and variance 1/r. To first order

    D/ε = ⟨VAᵀ, ΔAᵀ⟩,   E_A = q,   Var_A = 2 tr(C²)/r,   C = (ΔᵀV + VᵀΔ)/2.

The law is that of Σ_i λ_i X_i/r, λ the eigenvalues of C and X_i independent chi-squares of r degrees. The sign for one
A is not guaranteed. A teacher that trains the same B with the same A has Δ = B′A, and ⟨VAᵀ, B′⟩ = q.

Assumptions. The same W for teacher and student, one gradient step in B; at B = 0 the gradient in A vanishes.

Proof. ∇_B L = ∇_W L · Aᵀ, so the step is εVAᵀ and moves W by εVAᵀA; E AᵀA = I. The inner product is Σ_k a_kᵀ C a_k over
the rows a_k of A, r independent terms, each of mean tr(C)/r and variance 2 tr(C²)/r². Of C = QᵀΛQ with Q orthogonal
a term is Σ_i λ_i(Qa)_i², and Qa is as normal as a. For k = (1, 1), G = kkᵀ,
Δ = (1, 0) and A = (1, −2) it is (k · Δ)(Δ · a)(k · a) = −1, though q = 1.

Source. Derived here.
"""

from sympy import Integer, Matrix, Poly, Symbol, diag, diff, eye, factorial2, symbols

from subtheory.proof import equal, step

CLAIMS = ("lora-student-follows-on-average", "lora-spread-falls-with-rank", "shared-lora-factor-aligns-exactly")
USES = ("gauss_newton_form",)
COQ = ()
SCOPE = "n = d = 2, r = 1, 2 with all entries letters, and one row of d = 2, 3 with the variance 1/r for every r"
NOT_COVERED = "further steps, in which A moves too; that Qa has the law of a for more than its third moments, d = 2"


def _matrix(name, rows, columns):
    """A matrix of letters."""
    return Matrix(rows, columns, symbols(f"{name}:{rows * columns}", real=True))


def _inner(X, Y):
    """⟨X, Y⟩ = tr(XᵀY)."""
    return (X.T * Y).trace()


def _expected(value, normals, variance):
    """E over independent normals of mean 0: an even power 2k has the moment (2k − 1)!! varianceᵏ, an odd one 0."""
    total = 0
    for powers, coefficient in Poly(value, *normals).terms():
        for power in powers:
            moment = factorial2(power - 1) * variance ** (power // 2)
            coefficient *= 0 if power % 2 else moment
        total += coefficient
    return total


@step
def gradient_in_the_factor():
    """∇_B L(W + BA) = ∇_W L · Aᵀ, and ∇_A L = Bᵀ∇_W L, which is 0 at B = 0."""
    W, A, B, V = _matrix("W", 2, 2), _matrix("A", 1, 2), _matrix("B", 2, 1), _matrix("V", 2, 2)
    loss = _inner(V, W + B * A)
    equal([diff(loss, each) for each in B], list(V * A.T))
    equal([diff(loss, each) for each in A], list(B.T * V))


@step
def moments_over_all_entries():
    """E⟨VAᵀ, ΔAᵀ⟩ = ⟨V, Δ⟩ and Var = 2 tr(C²)/r, over all entries of A for r = 1, 2."""
    V, Delta = _matrix("V", 2, 2), _matrix("D", 2, 2)
    C = (Delta.T * V + V.T * Delta) / 2
    for r in range(1, 3):
        A = _matrix("A", r, 2)
        aligned = _inner(V * A.T, Delta * A.T)
        equal(_expected(aligned, A, 1 / Integer(r)), _inner(V, Delta))
        equal(_expected(aligned**2, A, 1 / Integer(r)) - _inner(V, Delta) ** 2, 2 * (C * C).trace() / r)


@step
def moments_of_one_row():
    """aᵀXa, of symmetric part C, has the mean tr(C)/r and the variance 2 tr(C²)/r² for every r; r of them add up."""
    r = Symbol("r", real=True)
    for d in range(2, 4):
        a, X = Matrix(symbols(f"a:{d}", real=True)), _matrix("X", d, d)
        C = (X + X.T) / 2
        mean = _expected(a.dot(X * a), a, 1 / r)
        equal(mean, C.trace() / r)
        equal(_expected(a.dot(X * a) ** 2, a, 1 / r) - mean**2, 2 * (C * C).trace() / r**2)


@step
def law_of_one_row():
    """C = QᵀΛQ: aᵀCa = Σ λ_i(Qa)_i², and its third cumulant is that of Σ λ_iX_i/r, 8 tr(C³)/r³; Q a rotation, d = 2."""
    r, m, x, y = symbols("r m x y", real=True)
    a, Q = Matrix(symbols("a:2", real=True)), Matrix([[1 - m**2, 2 * m], [-2 * m, 1 - m**2]]) / (1 + m**2)
    equal(Q * Q.T, eye(2))
    equal(a.dot(Q.T * diag(x, y) * Q * a), x * (Q * a)[0] ** 2 + y * (Q * a)[1] ** 2)
    C = Matrix([[x, m], [m, y]])
    equal(_expected((a.dot(C * a) - C.trace() / r) ** 3, a, 1 / r), 8 * (C**3).trace() / r**3)


@step
def one_draw_can_be_negative():
    """k = (1, 1), V = kkᵀΔ as a row, Δ = (1, 0), A = (1, −2): ⟨VAᵀ, ΔAᵀ⟩ = −1, while q = 1."""
    k, Delta, A = Matrix([[1, 1]]), Matrix([[1, 0]]), Matrix([[1, -2]])
    V = _inner(k, Delta) * k
    equal([_inner(V * A.T, Delta * A.T), _inner(V, Delta)], [-1, 1])


@step
def shared_factor():
    """Δ = B′A and the step VAᵀ in B: ⟨VAᵀ, B′⟩ = ⟨V, Δ⟩ = q for every A."""
    for r in range(1, 3):
        V, A, B = _matrix("V", 2, 2), _matrix("A", r, 2), _matrix("B", 2, r)
        equal(_inner(V * A.T, B), _inner(V, B * A))
