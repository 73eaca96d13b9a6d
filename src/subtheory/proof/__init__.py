"""Proofs: what a file of `proofs/` asserts, and how it is run, mutated and tied to Coq and to the claims."""

from subtheory.proof.algebra import Disproved, Unavailable, equal, negative, nonnegative, positive, step
from subtheory.proof.smt import entails, refutable

__all__ = [
    "Disproved",
    "Unavailable",
    "coq",
    "entails",
    "equal",
    "mutation",
    "negative",
    "nonnegative",
    "positive",
    "refutable",
    "running",
    "statement",
    "step",
]
