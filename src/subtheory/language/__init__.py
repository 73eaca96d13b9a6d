"""Pretrained language models: their weights, their texts, and what the theory says of them."""

from subtheory.language.checkpoint import Checkpoint, load
from subtheory.language.tokenizer import Tokenizer

__all__ = ["Checkpoint", "Tokenizer", "anatomy", "load", "packaged", "traits", "tuning"]
