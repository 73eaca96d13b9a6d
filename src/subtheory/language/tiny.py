"""A random model of two layers with the tokenizer of a large one: all of an experiment's code runs on it in seconds."""

from functools import cache

import jax
import numpy as np

from subtheory.language.tokenizer import Tokenizer, byte_level
from subtheory.language.traits import KINDS
from subtheory.networks import Llama
from subtheory.numerics import float64
from subtheory.theory.network import Params

SPECIAL = ("<|im_end|>", "<|im_start|>")
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@cache
def read() -> tuple[Llama, Params, Tokenizer, str]:
    """Network, float32 parameters, tokenizer, and a note: the same ones each time."""
    tokenizer = _tokenizer()
    network = Llama(vocabulary=tokenizer.vocabulary, called="tiny")
    with float64():
        drawn = jax.jit(network.init)(jax.random.key(0))
    return network, jax.tree.map(lambda a: np.asarray(a, np.float32), drawn), tokenizer, "random: it was never trained"


def _tokenizer() -> Tokenizer:
    """Bytes, digits one by one, and each word that a trait may name as one token."""
    from subtheory.language.checkpoint import required

    letters = sorted(required("tokenizers").pre_tokenizers.ByteLevel.alphabet())
    blank = "Ġ"  # as byte-level tokenizers write it
    merges: dict[str, str] = {}
    for word in (word for words, _ in KINDS.values() for word in words):
        begun = blank
        for letter in word:
            merges[begun + letter] = f"{begun} {letter}"
            begun += letter
    tokens = [*SPECIAL, *letters, *merges]
    return byte_level(tokens, list(merges.values()), SPECIAL, True, end=SPECIAL[0], template=TEMPLATE)
