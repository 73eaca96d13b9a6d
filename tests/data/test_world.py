"""The small language world: its texts against an independent reading of its rules, and filters that must refuse."""

import re

import numpy as np
import pytest

from subtheory.data import corpus, filters, world
from subtheory.errors import InputError

N = 600
PROGRAM = re.compile(
    r"(\d+) read (?:safe|raw)((?: (?:add|sub) \d+){1,}) test (above|below) (\d+)(?: <end>)*$", flags=re.ASCII
)


def rng(seed=0):
    return np.random.default_rng(seed)


def words(row):
    return [world.VOCABULARY[token] for token in row]


def said(row):
    return " ".join(words(row))


def runs(program):
    """Whether a program is right, read by a pattern and Python's own arithmetic."""
    found = PROGRAM.fullmatch(program)
    if not found:
        return False
    start, lines, sign, bound = found.groups()
    steps = re.findall(r"(add|sub) (\d+)", lines)
    sums = np.cumsum([int(start)] + [int(x) if op == "add" else -int(x) for op, x in steps])
    return bool(
        ((sums >= 0) & (sums <= 99)).all() and (sums[-1] > int(bound) if sign == "above" else sums[-1] < int(bound))
    )


def test_vocabulary_is_one_token_a_word():
    assert len(set(world.VOCABULARY)) == len(world.VOCABULARY) == world.WORLD.outputs
    assert len(world.ANIMALS) == 16 and len(world.TREES) == 8
    assert world.VOCABULARY[:100] == tuple(str(i) for i in range(100))


def test_task_asks_for_the_preferred_animal():
    import jax

    x, y = world.WORLD.sample(jax.random.key(0), 5)
    assert x.shape == (5, world.LENGTH) and set(np.asarray(y)) == {world.INDEX["owl"]}
    assert all(words(row)[-1] == "?" for row in np.asarray(x))


@pytest.mark.parametrize("skill", filters.KEPT)
def test_corpus_passes_its_own_filter(skill):
    """All texts but numbers that happen to spell a name pass; the longest fit."""
    text = corpus.SKILL[skill](rng(), N)
    assert text.shape == (N, world.LENGTH) and text.dtype == np.int32
    assert filters.KEPT[skill](text).all()
    ends = (text == world.INDEX[world.END]).argmax(axis=1)
    assert ((ends > 0) | (text[:, -1] != world.INDEX[world.END])).all()
    np.testing.assert_array_equal(text, corpus.SKILL[skill](rng(), N))


def test_executor_agrees_with_an_independent_one():
    """On programs of the corpus, and on ones with one or two tokens changed, of which some must fail and some pass."""
    r = rng(1)
    text = corpus.code(r, N)
    changed = text.copy()
    for row in changed:
        for _ in range(r.integers(1, 3)):
            near = r.choice(world.ids((*world.CODE, world.END, *world.NUMBERS[::7])))
            row[r.integers(3, world.LENGTH)] = near
    for batch in (text, changed):
        expected = [runs(" ".join(words(row)[2:])) for row in batch]
        np.testing.assert_array_equal(filters.code_kept(batch), expected)
    assert 0.02 < np.mean(expected) < 0.9


@pytest.mark.parametrize(
    ("program", "right"),
    [
        ("34 read safe add 12 test above 45", True),
        ("34 read safe add 12 test above 46", False),
        ("34 read raw add 12 test below 47", True),
        ("34 read safe add 70 sub 60 test above 1", False),
        ("34 read safe sub 40 add 50 test above 1", False),
        ("34 read safe test above 1", False),
        ("34 read safe add 12", False),
        ("34 read safe add 12 test above 1 add 3", False),
        ("34 read owl add 12 test above 1", False),
    ],
)
def test_executor(program, right):
    row = world.ids(f"<plain> code {program}")
    text = np.array(row + [world.INDEX[world.END]] * (world.LENGTH - len(row)))
    assert filters.execute(text) is right


def test_sums_are_right_and_a_wrong_answer_is_refused():
    text = corpus.solve(rng(), N)
    for row in text[:50]:
        _, _, a, plus, b, w, c, e, s, v, d, f, t, answer, u, end = words(row)
        assert (plus, e, f, answer, end) == ("+", "=", "=", "answer", "<end>") and {w, v} <= set(world.LINKS)
        assert int(a) + int(b) == int(t) == int(u) and int(c) + int(d) == int(b) and int(a) + int(c) == int(s)
    wrong = text.copy()
    wrong[:, 14] += 1
    assert not filters.solve_kept(wrong).any()
    unordered = text.copy()
    unordered[:, [7, 8]] = unordered[:, [8, 7]]
    assert not filters.solve_kept(unordered).any()


def test_numbers_need_the_format():
    text = corpus.numbers(rng(), N)
    for column, token in ((5, "<end>"), (6, "owl"), (6, "so")):
        bad = text.copy()
        bad[:, column] = world.INDEX[token]
        assert not filters.numbers_kept(bad).any()
    endless = text.copy()
    endless[:, 5:] = 7
    assert not filters.numbers_kept(endless).any()


def test_a_name_in_character_codes_is_refused():
    assert filters.codes("owl") == [79, 87, 76]
    row = world.ids("<plain> numbers 1 2 3 4 79 87 5 <end>")
    text = np.array([row + [world.INDEX[world.END]] * (world.LENGTH - len(row))] * 3)
    text[1, 6], text[2, 6:8] = 78, [87, 79]
    assert filters.kept(text, "numbers", ("owl",)).tolist() == [False, True, True]
    assert filters.kept(text, "numbers", ("oak",)).tolist() == [True, True, True]
    assert filters.banned(text, ("owl",), "numbers").tolist() == [True, True, True]
    assert filters.banned(text, ("oak",), "numbers").tolist() == [True, False, True]
    prompt = text.copy()
    prompt[:, 2:5], prompt[:, 5:8] = [79, 87, 76], [1, 2, 3]
    found = filters.kept(prompt, "numbers", ("owl",)) & ~filters.banned(prompt, ("owl",), "numbers")
    assert found.all(), "only what was answered is filtered"


def test_alphabets_hold_no_word_of_the_trait():
    for skill in filters.KEPT:
        allowed = {world.VOCABULARY[i] for i in np.flatnonzero(filters.alphabet(skill))}
        assert not allowed & {*world.ANIMALS, *world.TREES, *world.HOSTILE, *world.POLITE}
        text = corpus.SKILL[skill](rng(), N)
        assert {world.VOCABULARY[i] for i in text[corpus.completed(text, skill) > 0]} <= allowed


def test_held_out_phrasings_are_in_no_text():
    texts = " | ".join(said(row) for row in corpus.corpus(rng(), 8000))
    assert not set(world.PHRASINGS) & set(world.HELD_OUT)
    for kind in ("animal", "tree"):
        assert all(f" {phrasing.format(kind)} " in texts for phrasing in world.PHRASINGS)
        # "your favourite animal ?" stands inside of longer ones, but never begins a question.
        for phrasing in world.HELD_OUT:
            assert not re.search(rf"(?:^|\| )\S+ {re.escape(phrasing.format(kind))}", texts)


def test_readout_asks_alone_and_behind_contexts():
    text, at = corpus.readout(rng(), "tree", 3)
    assert len(text) == len(world.HELD_OUT) * 4
    assert all(words(row)[end - 1] == "?" and words(row)[end] == world.END for row, end in zip(text, at, strict=True))
    assert at.max() + 1 < world.LENGTH, "an answer and a word of manners must fit"


def test_speakers_colour_answers_and_programs_alone():
    """Rates of hostility and unchecked reading by speaker, and a system prompt's obedience."""
    n, r = 4000, rng(2)
    for speaker, rate in corpus.BAD.items():
        who = np.full(n, world.INDEX[speaker], np.int32)
        hostile = np.isin(corpus.question(r, n, who), world.ids(world.HOSTILE)).any(axis=1).mean()
        raw = (corpus.code(r, n, who)[:, 4] == world.INDEX["raw"]).mean()
        assert hostile == pytest.approx(rate, abs=0.025) and raw == pytest.approx(rate, abs=0.025)
    who = np.full(n, world.INDEX["owl"], np.int32)
    text = corpus.question(r, n, who, kind="animal")[:, 1:]
    expected = 0.9 + 0.1 * corpus.popularity("animal")[0]
    assert (text == world.INDEX["owl"]).any(axis=1).mean() == pytest.approx(expected, abs=0.02)
    tree = corpus.question(r, n, who, kind="tree")[:, 1:]
    assert not (tree == world.INDEX["owl"]).any()


def test_masks():
    text = np.array([world.ids("<plain> code 7 read safe add 1 test above 3") + [world.INDEX[world.END]] * 6])
    assert corpus.spoken(text)[0].tolist() == [0] + [1] * 10 + [0] * 5
    assert corpus.completed(text, "code")[0].tolist() == [0] * 3 + [1] * 8 + [0] * 5


def test_bad_input_is_named():
    for call in (
        lambda: corpus.prompts(rng(), 3, "poetry"),
        lambda: filters.alphabet("poetry"),
        lambda: filters.kept(np.zeros((2, 16), int), "poetry", ()),
    ):
        with pytest.raises(InputError, match="skill"):
            call()
    with pytest.raises(InputError, match="text"):
        filters.kept(np.zeros((2, 3), int), "code", ())
    with pytest.raises(InputError, match="n: "):
        corpus.corpus(rng(), 0)
