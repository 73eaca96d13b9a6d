"""Pretrained language models: their weights, their texts, and what the theory says of them."""

from typing import TYPE_CHECKING, Any

from subtheory.language.checkpoint import Checkpoint, load
from subtheory.language.tokenizer import Tokenizer

if TYPE_CHECKING:
    from subtheory.verification.results import Verification

__all__ = [
    "Checkpoint",
    "Tokenizer",
    "anatomy",
    "channels",
    "derivatives",
    "foretold",
    "load",
    "measuring",
    "packaged",
    "sampling",
    "texts",
    "traits",
    "tuning",
    "verify",
]


def verify(model: str, **given: Any) -> "Verification":
    """`measuring.verify`: the first-order claims on a pretrained model, with every assumption broken in turn."""
    from subtheory.language import measuring  # claims, and all that judges them, are for those alone who verify

    return measuring.verify(model, **given)
