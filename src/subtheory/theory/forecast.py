"""The row forecast: what each labelled row adds to a student's step, known at the init from one forward derivative.

A row is an input x_i with its labels y_i, one, or one at each position of a sequence whose tokens before it the network
has seen; log p(y_i|x_i) = Σ_t m_it log p(y_it|x_i), p = softmax over the outputs with w > 0, m a mask of positions.
A student of these rows steps along the mean of log p over the n = Σ m positions that count,

    Δθ_S = (1/n) Σ_i ∇log p0(y_i|x_i),   so   D = Δθ_S · Δ = (1/n) Σ_i s_i,   s_i = Δ · ∇log p0(y_i|x_i):

the scores of the rows add up to the alignment, for any rows and any Δ, and with the gradient g of another readout in
place of Δ to the slope of that readout along the step. s is Σ_t m_t (u_y − E_p0 u), u = JΔ the velocities of the
logits. Labels of the init have E s_i = 0 and E s_i² = Σ_t m_t Var_p0(u) = v_i; those of a teacher at θ0 + εΔ have
E s_i = εv_i + O(ε²) and KL = ½ε²v_i + O(ε³). Source: predictions P48 and P49; `proofs/row_forecast.py`.

Logits z and velocities u are (N, *positions, V), labels y and masks (N, *positions), NumPy or JAX alike. Of a network
nothing else is asked but `taylor`, `values` and `pulls` of flat parameters (`subtheory.kernels.functions.Functions`).
"""

from typing import Any, NamedTuple

from subtheory.theory.beyond.detection import deflection
from subtheory.theory.beyond.sampling import normal
from subtheory.theory.losses import covariance, log_softmax, namespace, softmax

CHUNK = 64
"""Rows whose gradients are held at once."""


class Rows(NamedTuple):
    """What is known of N rows from logits and velocities at the init, each (N,)."""

    score: Any
    """s_i = Δ · ∇log p0(y_i|x_i)."""
    information: Any
    """v_i = Σ_t m_t Var_p0(u): twice the divergence of a teacher at θ0 + Δ, to second order."""
    difficulty: Any
    """−log p0(y_i|x_i), the first baseline."""
    count: Any
    """Positions that count, Σ_t m_it."""

    @property
    def alignment(self) -> Any:
        """D = Σ_i s_i/n, Δθ_S · Δ of one step on these rows; P49."""
        return self.score.sum() / self.count.sum()

    @property
    def form(self) -> Any:
        """q = Σ_i v_i/n = ΔᵀGΔ on the rows' inputs."""
        return self.information.sum() / self.count.sum()


def rows(z: Any, u: Any, y: Any, w: Any, mask: Any = None) -> Rows:
    """`Rows` of logits z and velocities u (N, *positions, V) for labels y (N, *positions); no mask: all positions."""
    counted = namespace(z).ones(y.shape) if mask is None else mask * 1.0
    return Rows(
        by_row(counted * token_scores(z, u, y, w)),
        by_row(counted * token_informations(z, u, w)),
        by_row(-counted * log_likelihoods(z, y, w)),
        by_row(counted),
    )


def by_row(values: Any) -> Any:
    """The sum over everything behind the first axis, (N, ...) to (N,)."""
    return values.reshape(values.shape[0], -1).sum(axis=-1)


def picked(values: Any, y: Any) -> Any:
    """The entries of (..., V) that labels y (...) name, (...)."""
    return namespace(values).take_along_axis(values, y[..., None], axis=-1)[..., 0]


def log_likelihoods(z: Any, y: Any, w: Any) -> Any:
    """log p(y|x) at every position, (...)."""
    return picked(log_softmax(z, w), y)


def token_scores(z: Any, u: Any, y: Any, w: Any) -> Any:
    """d log p(y|x)/dt along u = dz/dt, u_y − E_p u, at every position, (...)."""
    return picked(u, y) - (softmax(z, w) * u).sum(axis=-1)


def token_informations(z: Any, u: Any, w: Any) -> Any:
    """Var_p(u) = E_p[s²] at every position, (...); never below 0."""
    p = softmax(z, w)
    return (p * (u - (p * u).sum(axis=-1, keepdims=True)) ** 2).sum(axis=-1)


def token_bends(z: Any, u: Any, v: Any, y: Any, w: Any) -> Any:
    """d² log p(y|x)/dt² along outputs z + tu + ½t²v: v_y − E_p v − Var_p(u), (...)."""
    return token_scores(z, v, y, w) - token_informations(z, u, w)


def token_curvatures(z: Any, u: Any, v: Any, w: Any) -> Any:
    """h″ of h(t) = Σ_y p_t(y) s(y): E_p[(u − E u)³] + Cov_p(u, v) at every position, (...).

    Expected scores of a teacher's labels are εVar_p(u) + ½ε²h″ + O(ε³). Source: prediction P49, after P41.
    """
    p = softmax(z, w)
    off = u - (p * u).sum(axis=-1, keepdims=True)
    return (p * off**3).sum(axis=-1) + (u * covariance(p, v)).sum(axis=-1)


def token_divergences(z: Any, other: Any, w: Any) -> Any:
    """KL(p_other ‖ p) of logits `other` and z at every position, (...)."""
    log_p = log_softmax(other, w)
    return (namespace(z, other).exp(log_p) * (log_p - log_softmax(z, w))).sum(axis=-1)


def hot(y: Any, w: Any) -> Any:
    """1 at the label, 0 elsewhere, (..., V)."""
    return (y[..., None] == namespace(y, w).arange(w.shape[-1])) * 1.0


def cotangents(z: Any, y: Any, w: Any, mask: Any = None) -> Any:
    """m(hot(y) − p), (..., V): what the logits of a row are pulled by, J_iᵀ of which is ∇log p(y_i|x_i)."""
    pull = hot(y, w) - softmax(z, w)
    return pull if mask is None else pull * mask[..., None]


# Gradients of rows, the second baseline, and what a trained student's scores are -----------------------


def gradients(functions: Any, theta: Any, z: Any, x: Any, y: Any, w: Any, mask: Any = None) -> Any:
    """∇log p(y_i|x_i) of every row at θ (P,), (N, P): N pullbacks of one example each, from logits z at θ."""
    pulls = cotangents(z, y, w, mask)
    return functions.pulls(theta[None], pulls[:, None], x[:, None])


def gradient_norms(functions: Any, theta: Any, z: Any, x: Any, y: Any, w: Any, mask: Any = None) -> Any:
    """‖∇log p(y_i|x_i)‖ of every row, (N,); of a few at a time, so that memory does not grow with N."""
    xp = namespace(z)
    found = []
    for begin in range(0, len(x), CHUNK):
        some = slice(begin, begin + CHUNK)
        g = gradients(functions, theta, z[some], x[some], y[some], w, None if mask is None else mask[some])
        found.append(xp.sqrt((g * g).sum(axis=-1)))
    return xp.concatenate(found)


def step(functions: Any, theta: Any, z: Any, x: Any, y: Any, w: Any, mask: Any = None) -> Any:
    """Δθ_S = (1/n) Σ_i ∇log p(y_i|x_i) of one step on the rows, by one pullback, (P,)."""
    pulls = cotangents(z, y, w, mask)
    n = y.size if mask is None else mask.sum()
    return functions.pulls(theta, pulls, x) / n


def student_scores(functions: Any, theta: Any, move: Any, x: Any, y: Any, w: Any, mask: Any = None) -> Any:
    """Σ_j Θ_ij e_j = ∇log p0(y_i|x_i) · move of every row, (N,): what log p_S − log p0 is per step, to first order.

    `move` (P,) is the student's step Σ_j J_jᵀe_j, e_j what it is pulled by at row j, and Θ_ij = ∇log p0(y_i|x_i)ᵀJ_jᵀ
    the kernel of the rows. Source: prediction P48.
    """
    taylor = functions.taylor(theta, move, x)
    return rows(taylor.z0, taylor.u, y, w, mask).score


# The null of matched covariance, and signs --------------------------------------------------------------


def null_scores(
    functions: Any, theta: Any, delta: Any, signs: Any, x: Any, y: Any, w: Any, mask: Any = None
) -> tuple[Any, Any]:
    """Scores of the rows along directions that know nothing of them, (R, N), and their factors c, (R,).

    Δ′ = c σ∘Δ with independent signs σ (R, P): every parameter has the second moment that it has in Δ, E Δ′Δ′ᵀ ∝
    diag(Δ²), and c makes Δ′ᵀGΔ′ = ΔᵀGΔ on the rows' inputs. So the scores of labels of the init have the second moment
    q along Δ′ as along Δ, and N·KL and the probability of a sign are the same: what is left of a difference is the
    direction. Where no row sees a direction, c is 0. Source: prediction P48, its third baseline.
    """
    xp = namespace(delta)
    known = functions.taylor(theta, delta, x)
    q = rows(known.z0, known.u, y, w, mask).form
    scores, factors = [], []
    for sign in signs:
        taylor = functions.taylor(theta, sign * delta, x)
        found = rows(taylor.z0, taylor.u, y, w, mask)
        factors.append(c := factor(q, found.form))
        scores.append(c * found.score)
    return xp.stack(scores), xp.stack(factors)


def factor(q: Any, form: Any) -> Any:
    """c with c²·form = q, by which a direction of the null is stretched; 0 where no row sees it."""
    xp, seen = namespace(q, form), form > 0
    return xp.where(seen, xp.sqrt(q / xp.where(seen, form, 1.0)), 0.0)


def sign_probability(divergence: float) -> float:
    """Φ(√(2 N·KL)): how likely a step on N drawn rows has a positive added alignment; KL summed over the rows (P9).

    >>> round(sign_probability(0.5), 4)
    0.8413
    """
    return float(normal(deflection(divergence)))
