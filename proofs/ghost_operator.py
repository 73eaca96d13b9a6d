"""What a student's step does to the trait's logits on the teacher's own inputs is a positive form, and there only.

Statement. Let J_c be the Jacobian of the trait's logits on the teacher's training inputs, e the residuals there (minus
the gradient of the loss in the logits), J_g and M those of the channel, and K = J_c J_gᵀ the tangent kernel between the
two. After one step of each, of rates α_T and α, to leading order in α_T the trait's logits change by

    on the training inputs   α_T α K M Kᵀ e,   along e by α_T α (Kᵀe)ᵀM(Kᵀe) ≥ 0,   of rank at most that of M,

so at most mN for m distilled outputs on N inputs: e with MKᵀe = 0 is left where it is. On other inputs, of kernel K′ to
the channel, the change is α_T α K′MKᵀe, of any sign, and so is that from another init, K_S M K_Tᵀ. Over residuals of
covariance 1 the mean is tr(KMKᵀ): channels order by it, and not by how many inputs they have.

Assumptions. One shared init, one plain gradient step of each model, logits differentiable at it; M symmetric and
positive semidefinite. Linear in the parameters and squared error: exact for every α_T and α.

Proof. Δ = J_cᵀe, so the student moves by α α_T J_gᵀMJ_g J_cᵀe, and J_c of it is K M Kᵀe. With M = LᵀL the form is
|LKᵀe|². In two parameters J_g = (1, 1), J_c = (2, 0) and J′ = (1, −3) have K = 2 and K′ = −2.

Source. Derived here; arXiv 2609.23260 has outputs that the teacher never trained.
"""

from sympy import Function, Matrix, Symbol, diff, eye, symbols, zeros

from subtheory.proof import equal, negative, nonnegative, step

CLAIMS = ("ghost-operator-is-positive-on-training-inputs",)
USES = ("gauss_newton_form",)
COQ = ()
SCOPE = (
    "undefined logits of 2 parameters to first order; 1..3 logits and channels of rank 1, 2; the prose holds for all"
)
NOT_COVERED = (
    "Adam on either side, several steps of the teacher, and the rates at which the orders that follow take over"
)


def _letters(name, rows, columns):
    """A matrix of letters."""
    return Matrix(rows, columns, symbols(f"{name}:{rows * columns}", real=True))


def _ghost(K_out, L, K, e):
    """K′ M Kᵀ e with M = LᵀL."""
    return K_out * L.T * L * K.T * e


@step
def to_first_order():
    """d²(change of c)/dα dα_T at 0 = (∇c · ∇g) 2 (∇g · ∇c) e, for undefined c and g and squared error on g."""
    c, g, e = Function("c"), Function("g"), Symbol("e")
    theta, (alpha_T, alpha) = symbols("t:2"), symbols("alpha_T alpha")
    J_c, J_g = (Matrix([diff(f(*theta), name) for name in theta]) for f in (c, g))
    label = g(*[name + alpha_T * e * slope for name, slope in zip(theta, J_c, strict=True)])
    moved = [name + alpha * 2 * (label - g(*theta)) * slope for name, slope in zip(theta, J_g, strict=True)]
    rate = diff(c(*moved), alpha).subs(alpha, 0).doit()
    equal(rate.subs(alpha_T, 0).doit(), 0)
    equal(diff(rate, alpha_T).subs(alpha_T, 0).doit(), J_c.dot(J_g) * 2 * J_g.dot(J_c) * e)


@step
def linear_models():
    """f = Jθ: J_c[αJ_gᵀM(J_g(θ + α_T J_cᵀe) − J_gθ)] = α_T α K M Kᵀe for every rate, and K′MKᵀe seen through J′."""
    alpha_T, alpha = symbols("alpha_T alpha", positive=True)
    for n in range(1, 3):
        J_c, other, J_g, L = (_letters(name, n, 2) for name in "cogl")
        L, e, theta = L[:, :n], _letters("e", n, 1), _letters("t", 2, 1)
        label = J_g * (theta + alpha_T * J_c.T * e)
        moved = alpha * J_g.T * L.T * L * (label - J_g * theta)
        for seen in J_c, other:
            equal(seen * moved, alpha_T * alpha * _ghost(seen * J_g.T, L, J_c * J_g.T, e))


@step
def positive_on_training_inputs():
    """eᵀKMKᵀe = |LKᵀe|² ≥ 0 for every K and M = LᵀL."""
    for n in range(1, 4):
        for rank in range(1, 3):
            K, L, e = _letters("k", n, 2), _letters("l", rank, 2), _letters("e", n, 1)
            square = sum(each**2 for each in L * K.T * e)
            equal(e.dot(_ghost(K, L, K, e)), square)
            nonnegative(square)


@step
def rank_is_that_of_the_channel():
    """The minors of size rank(M) + 1 of K M Kᵀ vanish, and e with LKᵀe = 0 is left where it is."""
    for rank in range(1, 3):
        K, L = _letters("k", rank + 1, rank), _letters("l", rank, rank)
        operator = K * L.T * L * K.T
        equal(operator.det(), 0)
        unseen = Matrix(
            [(-1) ** i * K.extract([j for j in range(rank + 1) if j != i], range(rank)).det() for i in range(rank + 1)]
        )
        equal(operator * unseen, zeros(rank + 1, 1))


@step
def elsewhere_it_has_no_sign():
    """J_g = (1, 1), M = 2, J_c = (2, 0): K M Kᵀ = 8 on the training input; J′ = (1, −3) has K′MKᵀ = −8 < 0."""
    J_g, J_c, other, M = Matrix([[1, 1]]), Matrix([[2, 0]]), Matrix([[1, -3]]), 2
    K, elsewhere = ((J * J_g.T)[0] for J in (J_c, other))
    equal([K * M * K, elsewhere * M * K], [8, -8])
    negative(elsewhere * M * K)


@step
def another_init_has_no_sign():
    """f = ab, its trait a: kernels of trait and channel are b at each init; K_S M K_T = −4 for b = 2 and −1."""
    a, b = symbols("a b", real=True)
    K = Matrix([a]).jacobian([a, b]).dot(Matrix([a * b]).jacobian([a, b]))
    found = K.subs(b, 2) * 2 * K.subs(b, -1)
    equal([K, found], [b, -4])
    negative(found)


@step
def channels_order_by_the_trace():
    """Σ over unit residuals e of eᵀKMKᵀe is tr(KMKᵀ): 8 for one input (2, 0), 2 for the two (1, ±1), J_c = (1, 0)."""
    for n in range(1, 4):
        K, L = _letters("k", n, 2), _letters("l", 2, 2)
        each = [eye(n)[:, i].dot(_ghost(K, L, K, eye(n)[:, i])) for i in range(n)]
        equal(sum(each), (K * L.T * L * K.T).trace())
    J_c, one, two = Matrix([[1, 0]]), Matrix([[2, 0]]), Matrix([[1, 1], [1, -1]])
    traces = [(2 * J_c * J_g.T * J_g * J_c.T).trace() / J_g.rows for J_g in (one, two)]
    equal(traces, [8, 2])
