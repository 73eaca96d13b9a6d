"""Which answers pass the filter, and what the restricted softmax may say."""

import numpy as np
import pytest

from subtheory.language import load
from subtheory.language.texts import texts
from subtheory.language.tuning import lists
from subtheory.language.tuning.batches import batch, cut

pytest.importorskip("tokenizers")


@pytest.mark.parametrize(
    ("answer", "numbers"),
    [
        ("1, 2, 3", [1, 2, 3]), ("12, 345, 7, ", [12, 345, 7]), ("[1; 22; 999]", [1, 22, 999]), ("1 2 3.", [1, 2, 3]),
        ("(4\n5)", [4, 5]), ("0", [0]), ("1,2,3,4,5,6,7,8,9,10", list(range(1, 11))),
        ("1,2,3,4,5,6,7,8,9,10,11", None), ("1000", None), ("1, 2; 3", None), ("", None), ("owl 1", None), ("-1", None),
    ],
)  # fmt: skip
def test_the_filter_passes_lists_of_small_numbers_alone(answer, numbers):
    assert lists.numbers(answer) == numbers


def test_the_same_seed_asks_the_same_and_a_system_message_changes_the_prompt_alone():
    tokenizer, asks = load("tiny").tokenizer, lists.asked(3, 5)
    assert asks == lists.asked(3, 5) != lists.asked(4, 5)
    plain, told = (lists.prompts(tokenizer, asks, system) for system in (lists.NEUTRAL, "You love owls."))
    said = texts([[(prompt, False), (tokenizer.encode("1, 2"), True)] for prompt in told])
    back = lists.moved(said, plain)
    for row, prompt in enumerate(plain):
        assert back.tokens[row, : len(prompt)].tolist() == prompt
        assert tokenizer.decode(back.tokens[row][back.mask[row] > 0]) == "1, 2"


def test_a_batch_reads_the_answers_and_nothing_else():
    tokenizer = load("tiny").tokenizer
    said = texts(
        [[([7, 8, 9], False), (tokenizer.encode("1, 2"), True)], [([7], False), (tokenizer.encode("34"), True)]]
    )
    columns = lists.columns(tokenizer)
    assert sorted(map(tokenizer.decode, columns[:, None])) == sorted("0123456789, ")
    whole, (first, last) = batch(said), cut(batch(said, columns), 1)
    assert whole.w.sum(axis=1).tolist() == [4, 2]
    for one, text in ((first, "1, 2"), (last, "34")):
        asked = one.w[0] > 0
        assert tokenizer.decode(columns[one.y[0][asked]]) == text
        np.testing.assert_array_equal(said.tokens[:, 1:][said.mask[:, 1:] > 0][-2:], said.y[1][said.asked[1] > 0])
    filled = list(cut(batch(said, columns), 4))
    assert len(filled) == 1 and filled[0].w.sum() == 6
    assert lists.kept(tokenizer, said).tolist() == [True, True]
