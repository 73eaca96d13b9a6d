"""The mean-field curve: how much of a trait crosses between two inits of correlation ρ, at large width (P44).

Teacher and student are fully connected, of one architecture: weights N(0, 1/fan_in), biases N(0, σ_b²), L hidden
layers of width n, a linear head; every entry of θ0_S has correlation ρ with the same entry of θ0_T. A point is an
input in one of the two networks, and r(p, p′) = 1 for two points in one network, ρ for two in different ones. Then
(∘ entry by entry over pairs of points; κ = E[φφ] and κ̇ = E[φ′φ′] of a Gaussian pair, d = fan_in of the inputs)

    Σ⁰ = x·x′/d,   C^l = r ∘ (Σ^{l−1} + σ_b²),   Σ^l = κ(C^l),   Σ̇^l = κ̇(C^l),
    Θ¹ = x·x′ + 1,   Θ^{l+1} = nΣ^l + 1 + r ∘ Σ̇^l ∘ Θ^l,   J_S(x) J_T(x′)ᵀ ≈ Θ^{L+1} δ_kk′.

No r stands before nΣ^L: the head's own gradient sees only features, so that ρ = 0 leaves n E[φ]² + 1 on outputs that
the teacher trained. Between an auxiliary output k and a trained one k′ the block is a fluctuation of mean 0, and the
mean of a product of two is what crosses (points 1, 2 of the one block and 3, 4 of the other):

    E[K^kk′(1,2) K^kk′(3,4)] = n⁻¹ Σ_l Θ^l(1,2) Θ^l(3,4) B^l(1,3) B^l(2,4) E[φ′₁φ′₂φ′₃φ′₄]_{C^l},
    B^L = r,   B^{l−1} = r ∘ Σ̇^l ∘ B^l.

Sources: Neal 1996; Cho and Saul 2009; Williams 1997; Jacot, Gabriel and Hongler 2018 for ρ = 1; the rest derived here.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from subtheory.errors import InputError
from subtheory.numerics import float64
from subtheory.theory.trait import LabelledTrait, TargetTrait

Function = Callable[[np.ndarray], np.ndarray]
Kernel = Callable[[np.ndarray], np.ndarray]
"""Covariances (..., k, k) of k Gaussians of mean 0 ↦ an expectation, (...)."""

CHUNK = 2**21
"""Most nodes of a quadrature that are held at once."""


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return (1 + np.tanh(z / 2)) / 2


def _gelu(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Value and derivative of gelu in its usual tanh form."""
    a, b = math.sqrt(2 / math.pi), 0.044715
    t = np.tanh(a * (z + b * z**3))
    return z * (1 + t) / 2, (1 + t + z * (1 - t**2) * a * (1 + 3 * b * z**2)) / 2


def _gelu_erf_rate(z: np.ndarray) -> np.ndarray:
    with float64():
        law = np.asarray(jax.scipy.special.ndtr(z))
    return law + z * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)


SMOOTH: dict[str, tuple[Function, Function]] = {
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "gelu": (lambda z: _gelu(z)[0], lambda z: _gelu(z)[1]),
    "softplus": (lambda z: np.logaddexp(0, z), _sigmoid),
    "sigmoid": (_sigmoid, lambda z: _sigmoid(z) * _sigmoid(-z)),
}
"""φ and φ′ of the activations whose kernels are quadratures, by name."""

MEASURES = ("alignment", "trait-change")
"""What a curve may predict."""


class Kernels(NamedTuple):
    """E[φ(a)φ(b)] and E[φ′(a)φ′(b)] of covariances (..., 2, 2), and E[φ′φ′φ′φ′] of covariances (..., 4, 4)."""

    value: Kernel
    slope: Kernel
    fourfold: Kernel


class CrossKernels(NamedTuple):
    """Kernels between a student's init at N₁ inputs and a teacher's init at N₂ inputs."""

    nngp: np.ndarray
    """Σ_ρ^l = E[φ(a)φ(b)] of layer l = 0 ... L, (L + 1, N₁, N₂); Σ⁰ = x·x′/d."""
    ntk: np.ndarray
    """Θ_ρ^l of the pre-activations of layer l = 1 ... L + 1, (L + 1, N₁, N₂); the last is the network's own."""
    outputs: np.ndarray
    """Cov(f_S(x)_k, f_T(x′)_k) = ρ(Σ_ρ^L + σ_b²), (N₁, N₂)."""


class _Law(NamedTuple):
    """The law of an init, checked."""

    depth: int
    bias_std: float
    width: int
    kernels: Kernels


class _Layers(NamedTuple):
    """The recursion over m points: lists over layers of (m, m)."""

    sigma: list[np.ndarray]
    covariance: list[np.ndarray]
    slope: list[np.ndarray]
    ntk: list[np.ndarray]


def cholesky(C: np.ndarray) -> np.ndarray:
    """Lower triangular S with SSᵀ = C (..., k, k); a pivot below √u of the variance is 0, and so is its column."""
    k = C.shape[-1]
    S = np.zeros_like(C)
    for j in range(k):
        pivot = C[..., j, j] - np.sum(S[..., j, :j] ** 2, axis=-1)
        alive = pivot > 2.0**-26 * C[..., j, j]
        S[..., j, j] = np.sqrt(np.where(alive, pivot, 0.0))
        for i in range(j + 1, k):
            rest = C[..., i, j] - np.sum(S[..., i, :j] * S[..., j, :j], axis=-1)
            S[..., i, j] = np.where(alive, rest / np.where(alive, S[..., j, j], 1.0), 0.0)
    return S


def quadrature(function: Function, C: np.ndarray, nodes: int) -> np.ndarray:
    """E Π_i function(a_i) for a ~ N(0, C), C of shape (..., k, k), by Gauss-Hermite with nodes^k points; (...)."""
    k = C.shape[-1]
    u, w = np.polynomial.hermite_e.hermegauss(nodes)
    w = w / math.sqrt(2 * math.pi)

    def product(S: np.ndarray) -> np.ndarray:
        total = np.ones(())
        for i in reversed(range(k)):
            # a_i knows the first i + 1 directions only, so the last direction is summed first.
            a = sum(np.multiply.outer(S[:, i, j], u.reshape(*[1] * j, -1, *[1] * (i - j))) for j in range(i + 1))
            total = (total * function(np.asarray(a))) @ w
        return total

    S = cholesky(np.asarray(C, float).reshape(-1, k, k))
    parts = np.array_split(S, max(1, math.ceil(len(S) * nodes**k / CHUNK)))
    return np.concatenate([product(part) for part in parts]).reshape(C.shape[:-2])


def _entries(C: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A = Var a, B = Var b and c = Cov(a, b)."""
    return C[..., 0, 0], C[..., 1, 1], C[..., 0, 1]


def _correlation(C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """c/√(AB), and √(AB); 0 where a variance is 0."""
    A, B, c = _entries(C)
    size = np.sqrt(A * B)
    return np.clip(np.divide(c, size, out=np.zeros_like(c), where=size > 0), -1.0, 1.0), size


def _relu_value(C: np.ndarray) -> np.ndarray:
    """√(AB) (√(1 − r²) + r(π − arccos r))/2π, the arc-cosine kernel of order 1."""
    r, size = _correlation(C)
    return size * (np.sqrt(1 - r**2) + r * (np.pi - np.arccos(r))) / (2 * np.pi)


def _relu_slope(C: np.ndarray) -> np.ndarray:
    """(π − arccos r)/2π = P(a, b > 0), the arc-cosine kernel of order 0."""
    return (np.pi - np.arccos(_correlation(C)[0])) / (2 * np.pi)


def _partial(r: np.ndarray, a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray], s: np.ndarray) -> Any:
    """Covariance r of two unit Gaussians, given two others of correlation s with which theirs are a and b."""
    return r - (a[0] * b[0] + a[1] * b[1] - s * (a[0] * b[1] + a[1] * b[0])) / (1 - s**2)


def orthant(C: np.ndarray, nodes: int = 64) -> np.ndarray:
    """P(a₁, a₂, a₃, a₄ > 0) for covariances (..., 4, 4), (...); about 2e-4 at worst, where all four are equal.

    With the correlations of a₁ shrunk by s, dP/ds = Σ_j r_1j φ₂(0, 0; s r_1j) (1/4 + arcsin(r_kl·1j)/2π): Price's
    theorem (Plackett 1954). The substitution s r_1j = sin t takes out φ₂; Gauss-Legendre does the rest.
    """
    spread = np.sqrt(np.diagonal(C, axis1=-2, axis2=-1))
    # Shrunk a little, so that nothing is given by something that equals it.
    R = C / (spread[..., :, None] * spread[..., None, :]) * (1 - 1e-12)
    node, weight = np.polynomial.legendre.leggauss(nodes)
    # Crowded towards s = 1, where correlations of 1 leave a square root.
    node, weight, one = 1 - ((1 - node) / 2) ** 4, 2 * weight * ((1 - node) / 2) ** 3, np.ones(1)
    P = (1 / 8 + sum(np.arcsin(R[..., i, j]) for i, j in ((1, 2), (1, 3), (2, 3))) / (4 * np.pi)) / 2
    for j, k, m in (1, 2, 3), (2, 1, 3), (3, 1, 2):
        first = R[..., 0, j][..., None]
        end = np.arcsin(first)
        s = np.divide(np.sin(end * node), first, out=np.zeros((*end.shape[:-1], nodes)), where=first != 0)
        r1j, r1k, r1m = (s * R[..., 0, i][..., None] for i in (j, k, m))
        rjk, rjm, rkm = (R[..., a, b][..., None] for a, b in ((j, k), (j, m), (k, m)))
        ofk, ofm = (r1k, rjk), (r1m, rjm)
        size = np.sqrt(np.abs(_partial(one, ofk, ofk, r1j) * _partial(one, ofm, ofm, r1j)))
        r = np.divide(_partial(rkm, ofk, ofm, r1j), size, out=np.zeros_like(size), where=size > 0)
        inside = 1 / 4 + np.arcsin(np.clip(r, -1, 1)) / (2 * np.pi)
        P = P + np.sum(weight * end / (2 * np.pi) * inside, axis=-1)
    return P


def _erf_value(C: np.ndarray) -> np.ndarray:
    """(2/π) arcsin(2c/√((1 + 2A)(1 + 2B))), the arcsine kernel."""
    A, B, c = _entries(C)
    return 2 / np.pi * np.arcsin(2 * c / np.sqrt((1 + 2 * A) * (1 + 2 * B)))


def _erf_rates(C: np.ndarray) -> np.ndarray:
    """E Π erf′(a_i) = (4/π)^{k/2}/√det(1 + 2C), for two or four."""
    k = C.shape[-1]
    return (4 / np.pi) ** (k / 2) / np.sqrt(np.linalg.det(np.eye(k) + 2 * C))


def _sine_value(C: np.ndarray) -> np.ndarray:
    """e^{−(A+B)/2} sinh c."""
    A, B, c = _entries(C)
    return (np.exp(c - (A + B) / 2) - np.exp(-c - (A + B) / 2)) / 2


def _sine_rates(C: np.ndarray) -> np.ndarray:
    """E Π cos a_i, the mean of e^{−sᵀCs/2} over all signs s, for two or four; e^{−(A+B)/2} cosh c for two."""
    k = C.shape[-1]
    signs = np.stack(np.meshgrid(*[[-1.0, 1.0]] * k), -1).reshape(-1, k)
    return np.mean(np.exp(-np.einsum("si,...ij,sj->...s", signs, C, signs) / 2), axis=-1)


def _gelu_value(C: np.ndarray) -> np.ndarray:
    """cF + G(AB + c²(1/(1 + A) + 1/(1 + B) − 1)), F = E[Φ(a)Φ(b)], G = 1/(2π√det(1 + C)); Φ the normal law."""
    A, B, c = _entries(C)
    F, G = _normal(C)
    return c * F + G * (A * B + c**2 * (1 / (1 + A) + 1 / (1 + B) - 1))


def _gelu_slope(C: np.ndarray) -> np.ndarray:
    """F + cG(1/(1 + A) + 1/(1 + B) + 1/det(1 + C))."""
    A, B, c = _entries(C)
    F, G = _normal(C)
    return F + c * G * (1 / (1 + A) + 1 / (1 + B) + (2 * np.pi * G) ** 2)


def _normal(C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """F = E[Φ(a)Φ(b)] = 1/4 + arcsin(c/√((1 + A)(1 + B)))/2π and G = E[Φ′(a)Φ′(b)]."""
    A, B, c = _entries(C)
    F = 1 / 4 + np.arcsin(c / np.sqrt((1 + A) * (1 + B))) / (2 * np.pi)
    return F, 1 / (2 * np.pi * np.sqrt((1 + A) * (1 + B) - c**2))


def activation_kernels(name: str, nodes: int = 64, nodes4: int = 12) -> Kernels:
    """E[φφ], E[φ′φ′] and E[φ′φ′φ′φ′] of an activation, as functions of covariances.

    Closed forms for relu, erf, sine and gelu-erf (relu's fourth a one-dimensional integral, gelu-erf's a quadrature);
    Gauss-Hermite with `nodes`² and `nodes4`⁴ points for tanh, gelu, softplus and sigmoid, to a relative 1e-6 and 1e-2
    at unit variances. Raises InputError on "activation" or "nodes". Sources: Cho and Saul 2009; Williams 1997.
    """
    for count in nodes, nodes4:
        if count < 1:
            raise InputError("nodes", count, "must be at least 1")
    closed = {
        "relu": Kernels(_relu_value, _relu_slope, orthant),
        "erf": Kernels(_erf_value, _erf_rates, _erf_rates),
        "sine": Kernels(_sine_value, _sine_rates, _sine_rates),
        "gelu-erf": Kernels(_gelu_value, _gelu_slope, partial(quadrature, _gelu_erf_rate, nodes=nodes4)),
    }
    if name in closed:
        return closed[name]
    if name not in SMOOTH:
        raise InputError("activation", repr(name), f"must be one of {', '.join((*closed, *SMOOTH))}")
    value, slope = (partial(quadrature, function, nodes=nodes) for function in SMOOTH[name])
    return Kernels(value, slope, partial(slope, nodes=nodes4))


def _law(depth: int, activation: str, bias_std: float, width: int) -> _Law:
    for field, value in (("depth", depth), ("width", width)):
        if value < 1:
            raise InputError(field, value, "must be at least 1")
    if not 0 <= bias_std < math.inf:
        raise InputError("bias_std", bias_std, "must be a number that is not negative")
    return _Law(depth, bias_std, width, activation_kernels(activation))


def _flat(x: Any, field: str) -> np.ndarray:
    """Inputs as rows, (N, d)."""
    x = np.asarray(x, float)
    if x.ndim < 2 or not x.size:
        raise InputError(field, f"shape {x.shape}", "must be (examples, ...), with at least one example")
    return x.reshape(len(x), -1)


def _layers(points: np.ndarray, r: np.ndarray, law: _Law) -> _Layers:
    """The recursion over points (m, d) in networks of correlations r (m, m)."""
    inner = points @ points.T
    found = _Layers([inner / points.shape[1]], [], [], [inner + 1])
    for _ in range(law.depth):
        C = r * (found.sigma[-1] + law.bias_std**2)
        A, B = np.broadcast_arrays(np.diag(C)[:, None], np.diag(C))
        pairs = np.stack([np.stack([A, C], -1), np.stack([C, B], -1)], -2)
        found.covariance.append(C)
        found.sigma.append(law.kernels.value(pairs))
        found.slope.append(law.kernels.slope(pairs))
        found.ntk.append(law.width * found.sigma[-1] + 1 + r * found.slope[-1] * found.ntk[-1])
    return found


def cross_kernels(
    x1: Any, x2: Any, rho: float, depth: int = 2, activation: str = "tanh", bias_std: float = 0.1, width: int = 256
) -> CrossKernels:
    """Σ_ρ and Θ_ρ between a student's init at x1 (N₁, ...) and a teacher's at x2 (N₂, ...).

    Θ_ρ is in the units of the plain parametrisation, ∂f/∂θ of weights N(0, 1/fan_in), so that it grows with the width;
    biases count as parameters even for bias_std = 0. Depth 1: E J_S J_Tᵀ = Θ_ρ δ_kk′ at every width; deeper, to a
    relative O(1/width). Raises InputError on "rho", "depth", "width", "activation", "bias_std", "x1", "x2".
    """
    law = _law(depth, activation, bias_std, width)
    x1, x2 = _flat(x1, "x1"), _flat(x2, "x2")
    if x1.shape[1] != x2.shape[1]:
        raise InputError("x2", f"{x2.shape[1]} coordinates", f"must have as many as x1, {x1.shape[1]}")
    layers = _layers(np.concatenate([x1, x2]), _between(len(x1), len(x2), rho), law)
    sigma, ntk = (np.stack(each)[:, : len(x1), len(x1) :] for each in (layers.sigma, layers.ntk))
    return CrossKernels(sigma, ntk, rho * (sigma[-1] + law.bias_std**2))


def _between(first: int, second: int, rho: float) -> np.ndarray:
    """r: 1 inside each of two groups of points, ρ between them."""
    if not -1 <= rho <= 1:
        raise InputError("rho", rho, "must lie in −1 ... 1")
    student = np.arange(first + second) < first
    return np.where(student[:, None] == student[None, :], 1.0, rho)


def _fluctuation(layers: _Layers, r: np.ndarray, law: _Law, at: np.ndarray) -> np.ndarray:
    """E[K^kk′(1, 2) K^kk′(3, 4)], k ≠ k′, for quadruples of points, indices (..., 4); the formula at the top."""
    one, two, three, four = np.moveaxis(at, -1, 0)
    B, total = r, np.zeros(())
    for theta, C, slope in reversed(list(zip(layers.ntk[:-1], layers.covariance, layers.slope, strict=True))):
        Q = law.kernels.fourfold(C[at[..., :, None], at[..., None, :]])
        total = total + theta[one, two] * theta[three, four] * B[one, three] * B[two, four] * Q / law.width
        B = r * slope * B
    return total


class _Cotangents(NamedTuple):
    """∂L_T/∂z_k at trait input t, linear in the outputs: g_tk = mean_tk + Σ_j slope_kj z_tj."""

    x: np.ndarray
    mean: np.ndarray
    slope: np.ndarray


def _cotangents(trait: LabelledTrait | TargetTrait) -> _Cotangents:
    """Exact for squared error; a softmax is expanded about equal logits, σ(z) ≈ 1/c + (1/c)(z − mean z)."""
    x, w = _flat(trait.x, "trait"), np.asarray(trait.outputs, float)
    if isinstance(trait, TargetTrait):
        return _Cotangents(x, -2 * w * np.asarray(trait.targets) / len(x), np.diag(2 * w) / len(x))
    on = (w > 0).astype(float)
    p = on / on.sum()
    mean = p - np.eye(len(w))[np.asarray(trait.labels)]
    return _Cotangents(x, mean / len(x), (np.diag(p) - np.outer(p, p)) / len(x))


def transfer(
    rho: float, x: Any, trait: LabelledTrait | TargetTrait, outputs: Any, measure: str = "alignment",
    depth: int = 2, activation: str = "tanh", bias_std: float = 0.1, width: int = 256,
) -> float:  # fmt: skip
    """The trait part of one student step, per ε, in the mean over inits of correlation ρ; squared error.

    The teacher is Δ = −∇L_T(θ0_T); the student takes one full step on the `outputs` w ≥ 0 (V,) at inputs x (N, ...),
    and the step on the labels of the untrained teacher is subtracted, which leaves 2E_x[J_Sᵀ w J_T Δ]. Its product is

        "alignment"      with Δ:            2E_x Σ w (J_SΔ)(J_TΔ) = 2E_x Σ_tt′ K_ST(x,t) w K_TT(x,t′) : E g_t g_t′ᵀ;
        "trait-change"   with −∇L_T(θ0_S):  2E_x Σ_tt′ K_SS(x,t) w K_TT(x,t′) : E g_t^S g_t′^Tᵀ   (gain per α).

    g = ∂L_T/∂z is independent of the kernels at large width, with f_S, f_T Gaussian of covariance `outputs` of
    `cross_kernels`. An output that L_T reads takes K = Θ on itself; every other distilled output takes the
    fluctuation. Relative error O(1/width). Raises InputError on "measure", "outputs", "trait".
    """
    if measure not in MEASURES:
        raise InputError("measure", repr(measure), f"must be one of {', '.join(MEASURES)}")
    x, g, w = _flat(x, "x"), _cotangents(trait), np.asarray(outputs, float)
    if w.shape != (g.mean.shape[1],) or not (np.all(w >= 0) and np.any(w > 0)):
        raise InputError("outputs", w, f"must be {g.mean.shape[1]} weights, not negative and not all 0")
    if x.shape[1] != g.x.shape[1]:
        raise InputError("trait", f"{g.x.shape[1]} coordinates", f"must have inputs like x, of {x.shape[1]}")
    law, n, m = _law(depth, activation, bias_std, width), len(x), len(g.x)
    # Every input in the student's network, then in the teacher's.
    points, r = np.concatenate([x, g.x] * 2), _between(n + m, n + m, rho)
    layers = _layers(points, r, law)
    student, teacher = np.split(np.arange(2 * (n + m)), 2)
    a, b, t = student[:n], teacher[:n], teacher[n:]
    s = t if measure == "alignment" else student[n:]  # where the other cotangent is read
    covariance = (r * (layers.sigma[-1] + bias_std**2))[np.ix_(s, t)]
    moments = np.einsum("tk,sk->kts", g.mean, g.mean) + np.sum(g.slope**2, axis=1)[:, None, None] * covariance
    theta = layers.ntk[-1]
    same = np.einsum("xt,xs,k,kts->", theta[np.ix_(a, s)], theta[np.ix_(b, t)], w, moments)
    quadruples = np.stack(np.broadcast_arrays(a[:, None, None], s[:, None], b[:, None, None], t), -1)
    other = np.einsum("xts,k,kts->", _fluctuation(layers, r, law, quadruples), w.sum() - w, moments)
    return float(2 * (same + other) / n)


def transfer_curve(rhos: Any, x: Any, trait: LabelledTrait | TargetTrait, outputs: Any, **how: Any) -> np.ndarray:
    """`transfer` at each ρ, relative to the shared init, ρ = 1; shape of `rhos`. `how` as there.

    Cross-entropy has the same curve where its M is taken at equal logits: M is then a multiple of the identity on
    what g spans, and only its trace meets the fluctuations. Raises InputError as `transfer` does.
    """
    at = [transfer(rho, x, trait, outputs, **how) for rho in (1.0, *np.ravel(rhos))]
    return np.reshape(at[1:], np.shape(rhos)) / at[0]
