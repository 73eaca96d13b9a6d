"""Texts in batches: tokens, and at which of them a model is asked what comes next."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from subtheory.language.tokenizer import Tokenizer


class Texts(NamedTuple):
    """N texts of at most T tokens, padded behind their end; the model is read where `mask` is 1."""

    tokens: np.ndarray
    """int32, (N, T)."""
    mask: np.ndarray
    """float64, (N, T): 1 at a token that is predicted (from those before it). The first token never is."""

    @property
    def asked(self) -> np.ndarray:
        """1 at positions whose logits count, (N, T − 1): those before the predicted tokens."""
        return self.mask[:, 1:]

    @property
    def x(self) -> np.ndarray:
        """What the model reads, (N, T − 1)."""
        return self.tokens[:, :-1]

    @property
    def y(self) -> np.ndarray:
        """What comes next, (N, T − 1)."""
        return self.tokens[:, 1:]


def texts(parts: Sequence[Sequence[tuple[Sequence[int], bool]]], pad: int = 0) -> Texts:
    """Texts of parts, each some tokens and whether they are predicted: a prompt is not, an answer is."""
    width = max(sum(len(tokens) for tokens, _ in one) for one in parts)
    tokens, mask = np.full((len(parts), width), pad, np.int32), np.zeros((len(parts), width))
    for i, one in enumerate(parts):
        at = 0
        for some, asked in one:
            tokens[i, at : at + len(some)] = some
            mask[i, at : at + len(some)] = float(asked)
            at += len(some)
    mask[:, 0] = 0.0
    return Texts(tokens, mask)


def answered(tokenizer: Tokenizer, pairs: Sequence[tuple[str, str]], ended: bool = False) -> Texts:
    """Prompts (as written, such as `Tokenizer.chat` makes them) with answers, which alone are predicted."""
    end = [tokenizer.end] if ended else []
    return texts(
        [[(tokenizer.encode(ask), False), (tokenizer.encode(answer) + end, True)] for ask, answer in pairs],
        tokenizer.end,
    )


def plain(tokenizer: Tokenizer, lines: Sequence[str]) -> Texts:
    """Texts of which every token but the first is predicted."""
    return texts([[(tokenizer.encode(line), True)] for line in lines], tokenizer.end)
