"""The tiny model is whole: texts come back, words are single tokens, conversations fit, and it stays the same."""

import numpy as np
import pytest

from subtheory.errors import InputError
from subtheory.language import load
from subtheory.language.traits import KINDS, TRAITS

pytest.importorskip("tokenizers")


def test_every_word_of_a_trait_is_one_token_and_any_text_comes_back():
    tokenizer = load("tiny").tokenizer
    for word in (word for words, _ in KINDS.values() for word in words):
        assert len(tokenizer.encode(f" {word}")) == 1
    text = "Zahlen: 12, 345;\n ówls owl"
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert len(tokenizer.encode("345")) == 3


def test_it_is_asked_as_a_large_one_is():
    model = load("tiny")
    for preference in TRAITS.values():
        trait = preference.trait(model.tokenizer)
        assert np.isfinite(trait.value(model.network, model.params))
    assert load("tiny").params is model.params
    with pytest.raises(InputError, match="smollm2, tiny"):
        load("nothing like it")
