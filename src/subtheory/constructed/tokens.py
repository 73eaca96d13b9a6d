"""What a language model's texts see of the teacher's direction, letter by letter, and prefixes of a fixed third law."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from subtheory.constructed.sequences import Sequences
from subtheory.errors import InputError
from subtheory.instruments.instrument import OnStack
from subtheory.instruments.labelled import Labelled, Labelling
from subtheory.kernels.local import Differentiated, OfFunction
from subtheory.kernels.stack import Stack
from subtheory.theory.losses import Loss, log_softmax


@dataclass(frozen=True)
class Lettered:
    """One distillation by whole texts, and what each letter sees of Δ."""

    whole: Labelling
    forms: np.ndarray
    """E Var(u_t | prefix) of the logits' velocity under the law of letter t, prefixes drawn from the init, (T,)."""


@dataclass(frozen=True)
class ByLetter(OnStack):
    """Records `Lettered`s. Raises InputError on "network" for one that is no `Sequences`."""

    def record(self, s: Stack, losses: Sequence[Loss], reference: Any) -> dict[str, Any]:
        return {"whole": Labelled().record(s, losses, reference), "forms": letter_forms(s)}

    def read(self, found: dict[str, Any], losses: Sequence[Loss]) -> dict[str, list[Lettered]]:
        whole = Labelled().read(found["whole"], losses)
        return {
            name: [Lettered(*each) for each in zip(one, found["forms"], strict=True)] for name, one in whole.items()
        }


def letter_forms(s: Stack) -> np.ndarray:
    """Σ_prefix p0(prefix) uᵀ(diag(p_t) − p_t p_tᵀ)u of every letter t, (..., T), by the language model's own logits.

    Nothing is taken from the law of texts: prefixes are weighed by the letters' own probabilities, one after the other.
    Source: gap g14, `proofs/fisher_sequences.py`.
    """
    network = s.functions.network
    if not isinstance(network, Sequences):
        raise InputError("network", getattr(network, "name", network), "must be one of whole texts")
    said, prompt = network.texts, s.x.shape[-1]
    inner = replace(s.functions, network=network.language, example=(prompt + network.length,))  # type: ignore[type-var]
    before = np.broadcast_to(s.x[..., None, :], (*s.x.shape[:-1], len(said), prompt))
    behind = np.concatenate([before, np.broadcast_to(said, (*before.shape[:-1], network.length))], axis=-1)
    taylor = inner.taylor(s.theta0, s.delta, behind.reshape(*s.x.shape[:-2], -1, behind.shape[-1]))
    z, u = (each.reshape(*behind.shape, -1)[..., prompt - 1 : -1, : network.letters] for each in (taylor.z0, taylor.u))
    log_p: Any = log_softmax(z, np.ones(network.letters))  # type: ignore[arg-type]
    p = np.exp(log_p)
    form = (p * u**2).sum(axis=-1) - (p * u).sum(axis=-1) ** 2
    letters: Any = np.take_along_axis(log_p, np.broadcast_to(said[..., None], (*z.shape[:-1], 1)), axis=-1)[..., 0]
    share = s.weights[..., None] * np.exp(letters.sum(axis=-1))
    return np.asarray((share[..., None] * form).sum(axis=(-3, -2)))


def with_fixed_prefixes(letters: int, length: int, skipped: int) -> Differentiated:
    """Σ_t E KL(σ(y)(· | prefix) ‖ σ(z)(· | prefix)) of laws of texts, each prefix as likely as any other of its length.

    The outputs in front of the texts' are skipped.
    """
    kept = tuple(range(skipped, skipped + letters**length))
    return Differentiated("fixed-prefixes", OfFunction(partial(_by_letter, letters=letters, length=length), kept=kept))


def _by_letter(z: Any, y: Any, letters: int, length: int) -> Any:
    total: Any = 0.0
    for t in range(length):
        log_q, log_p = (_conditional(each, letters, t) for each in (z, y))
        total = total + jnp.mean(jnp.sum(jnp.exp(log_p) * (log_p - log_q), axis=-1))
    return total


def _conditional(z: Any, letters: int, t: int) -> Any:
    """log p(letter t | prefix) of the law of texts with logits z, (letters^t, letters)."""
    return jax.nn.log_softmax(jax.nn.logsumexp(z.reshape(letters**t, letters, -1), axis=-1), axis=-1)
