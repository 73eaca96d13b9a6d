"""What of a sample is passed on to the student: weights of its texts, mixtures of two samples, edits of its prompts.

A filter gives each text a weight, 0 or 1, a thinning and a matching one in between; the loss of a text is multiplied
by it. All take samples of K runs with n texts each.
"""

import numpy as np
from scipy.optimize import minimize
from scipy.special import softmax

from subtheory.data.corpus import PROMPT, Rng
from subtheory.errors import InputError
from subtheory.trained.texts.laboratory import Sample


def weighed(sample: Sample, weights: np.ndarray) -> Sample:
    """The sample with its mask multiplied by weights (K, n) ≥ 0, scaled to a mean of 1 over the texts that have one.

    Raises InputError on "weights" for another shape, or below 0.
    """
    if np.shape(weights) != sample.mask.shape[:2] or np.min(weights) < 0:
        raise InputError("weights", np.shape(weights), f"must be {sample.mask.shape[:2]} numbers, none below 0")
    live = sample.mask.any(axis=2) * np.asarray(weights, float)
    mean = live.sum(axis=1) / np.maximum((live > 0).sum(axis=1), 1)
    scaled = live / np.where(mean > 0, mean, 1.0)[:, None]
    return sample._replace(mask=(sample.mask * scaled[..., None]).astype(sample.mask.dtype))


def mixed(first: Sample, second: Sample, chosen: np.ndarray) -> Sample:
    """Texts of the first sample where chosen (K, n), else of the second; `kept` is the first's.

    Raises InputError on "second" unless it has the shape of the first.
    """
    if second.text.shape != first.text.shape:
        raise InputError("second", second.text.shape, f"must have the shape of the first, {first.text.shape}")
    take = chosen[..., None]
    return first._replace(text=np.where(take, first.text, second.text), mask=np.where(take, first.mask, second.mask))


def reprompted(sample: Sample, chosen: np.ndarray, skill: str, rng: Rng) -> Sample:
    """The sample whose chosen texts (K, n) have exchanged their prompts: inputs are others, labels stay."""
    text = sample.text.copy()
    for rows, these in zip(text, chosen, strict=True):
        at = np.flatnonzero(these)
        rows[at, 2 : PROMPT[skill]] = rows[rng.permutation(at), 2 : PROMPT[skill]]
    return sample._replace(text=text)


def matching(features: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Weights (n,), adding up to 1, under which rows of features (n, F) have the mean `target` (F,): of all such the
    ones of greatest entropy, w_i ∝ exp(λ · x_i).

    λ minimises log Σ_i exp(λ · (x_i − target)), whose slope is what is off. Raises InputError on "target" where it is
    no mean of rows with positive weights. Source: Jaynes 1957; raking, Deming and Stephan 1940.
    """
    centred = np.asarray(features, float) - target
    # Of the features only what varies can be matched, and what does not has to be right.
    _, size, directions = np.linalg.svd(centred, full_matrices=False)
    x = centred @ directions[size > size[0] * max(centred.shape) * np.finfo(float).eps].T

    def dual(lamda: np.ndarray) -> tuple[float, np.ndarray]:
        z = x @ lamda
        return float(np.log(np.mean(np.exp(z - z.max()))) + z.max()), softmax(z) @ x

    def curvature(lamda: np.ndarray) -> np.ndarray:
        w = softmax(x @ lamda)
        return (x * w[:, None]).T @ x - np.outer(w @ x, w @ x)

    found = minimize(dual, np.zeros(x.shape[1]), jac=True, hess=curvature, method="trust-exact", options={"gtol": 1e-9})
    weights = softmax(x @ found.x)
    off = float(np.abs(weights @ centred).max())
    if not off < 1e-6:
        raise InputError("target", f"{off:.2g} off", "must be a mean of the rows with positive weights")
    return weights
