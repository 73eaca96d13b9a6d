"""Ancestry against the slow definition, on random records; what an entry must not say."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subtheory.errors import InputError
from subtheory.lineage import Lineage, record
from subtheory.lineage.answer import answer
from subtheory.lineage.graph import Data, Graph, Model


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


@st.composite
def records(draw):
    """Entries in an order in which parents come first: copies, several roots, views and channels among them."""
    entries, models, data = [], [], []
    for i in range(draw(st.integers(2, 14))):
        pick = lambda names: draw(st.sampled_from(names))  # noqa: E731
        if models and draw(st.booleans()):
            entry = {"data": f"d{i}", "hash": sha(f"d{i}")}
            if draw(st.integers(0, 4)):
                entry |= {"generated_by": pick(models), "view": pick(["full", "full", "full", "drawn"])}
                entry |= {"channel": pick(["x", "x", "x", "y"])} if draw(st.integers(0, 5)) else {}
            data.append(entry["data"])
        else:
            entry = {"model": f"m{i}", "hash": sha(f"m{i}")}
            if models and draw(st.integers(0, 4)):
                entry["initialised_from"] = pick(models)
                if draw(st.integers(0, 3)):
                    entry["trained_on"] = sorted(draw(st.sets(st.sampled_from(data), max_size=2))) if data else []
                else:
                    entry["hash"] = next(e for e in entries if e.get("model") == entry["initialised_from"])["hash"]
            models.append(entry["model"])
        entries.append(entry)
    return entries


class Naive:
    """The definitions, each by going through all that is recorded."""

    def __init__(self, entries):
        self.of = {entry.get("model") or entry["data"]: entry for entry in entries}

    def line(self, model):
        """The model and what it was initialised from."""
        found = [model]
        while (up := self.of[found[-1]].get("initialised_from")) is not None:
            found.append(up)
        return found

    def weights(self, model):
        return self.of[model]["hash"]

    def relation(self, data, student):
        generator = self.of[data].get("generated_by")
        if generator is None:
            return "no generator"
        at = student
        if data in self.of[student].get("trained_on", ()):
            at = self.of[student]["initialised_from"]
        above = {self.weights(model) for model in self.line(generator)}
        if self.weights(at) == self.weights(generator):
            return "same weights"
        if self.weights(at) in above:
            return "shared"
        return "kin" if above & {self.weights(model) for model in self.line(at)} else "other"

    def generations(self, data):
        """Students on the longest way, through all that a generator and its ancestors were trained on."""
        generator = self.of[data].get("generated_by")
        if generator is None:
            return 0
        behind = [d for model in self.line(generator) for d in self.of[model].get("trained_on", ())]
        return 1 + max((self.generations(d) for d in behind), default=0)

    def chained(self, data):
        """Whether all teachers behind this data start from one init, full outputs on one channel; and the starts."""
        starts, channels, plain = set(), set(), True
        stack = [data]
        while stack:
            entry = self.of[stack.pop()]
            generator = entry.get("generated_by")
            if generator is None:
                return False, None
            trained = next(m for m in reversed(self.line(generator)) if self.weights(m) == self.weights(generator))
            start = self.of[trained].get("initialised_from", trained)
            starts.add(self.weights(start))
            channels.add(entry.get("channel"))
            plain &= entry["view"] == "full"
            behind = list(self.of[trained].get("trained_on", ()))
            if any(self.generations(d) for d in behind):
                stack += behind
            plain &= not any(self.generations(d) for m in self.line(start) for d in self.of[m].get("trained_on", ()))
        return plain and len(starts) == 1 and len(channels) == 1 and None not in channels, starts


def kept(entries):
    graph = Graph()
    for entry in entries:
        graph.add(graph.node(entry))
    return graph


@settings(max_examples=250, deadline=None)
@given(records())
def test_answers_are_those_of_the_slow_definition(entries):
    graph, naive = kept(entries), Naive(entries)
    for data in (node for node in graph.nodes.values() if isinstance(node, Data)):
        assert data.generations == naive.generations(data.name)
        for student in (node for node in graph.nodes.values() if isinstance(node, Model)):
            found = answer(graph, data, student)
            assert found.relation == naive.relation(data.name, student.name)
            assert found.shared == (found.relation == "shared")
            if found.shared and data.generations > 1:
                chained, starts = naive.chained(data.name)
                trained = data.name in student.trained_on
                at = naive.of[student.name]["initialised_from"] if trained else student.name
                assert (found.forecast[-1].sign == "positive") == (chained and starts == {naive.weights(at)})
            for child, was, parent in (*found.chain, *found.descent):
                said = naive.of[child][was]
                assert parent == said or parent in said


HASH = sha("new")
BASE = [
    {"model": "base", "hash": sha("base")},
    {"model": "teacher", "hash": sha("teacher"), "initialised_from": "base"},
    {"data": "rows", "hash": sha("rows"), "generated_by": "teacher", "view": "full"},
]
WRONG = {
    "of nothing": ({"hash": HASH}, "entry: must be about one of model, data"),
    "of both": ({"model": "a", "data": "b", "hash": HASH}, "entry: must be about one of model, data"),
    "an edge of another kind": ({"model": "a", "hash": HASH, "distilled_from": "base"}, "edge: must be one of model"),
    "an edge of data": ({"model": "a", "hash": HASH, "generated_by": "base"}, "edge: .*got 'generated_by'"),
    "a name twice": ({"model": "base", "hash": HASH}, "name: must be new .a model has it., got 'base'"),
    "a name of data": ({"model": "rows", "hash": HASH}, "name: must be new .a data set has it."),
    "no name": ({"model": "", "hash": HASH}, "name: must be a name"),
    "a name of two lines": ({"model": "a\nb", "hash": HASH}, "name: must be a name"),
    "no hash": ({"model": "a"}, "hash: must be a SHA-256"),
    "a hash of capitals": ({"model": "a", "hash": HASH.upper()}, "hash: must be a SHA-256"),
    "a hash that is short": ({"model": "a", "hash": HASH[:-1]}, "hash: must be a SHA-256"),
    "a content twice": ({"model": "a", "hash": sha("base")}, "hash: must be new, it is that of 'base'"),
    "a copy of another": (
        {"model": "a", "hash": sha("teacher"), "initialised_from": "base"}, "hash: must be new, it is that of 'teacher'"
    ),
    "a copy that was trained": (
        {"model": "a", "hash": sha("base"), "initialised_from": "base", "trained_on": ["rows"]}, "hash: must be new"
    ),
    "rows twice": ({"data": "a", "hash": sha("rows")}, "hash: must be new, it is that of 'rows'"),
    "no parent": ({"model": "a", "hash": HASH, "initialised_from": "bsae"}, "initialised_from: .* got 'bsae'"),
    "data for a parent": ({"model": "a", "hash": HASH, "initialised_from": "rows"}, "initialised_from: .*a data set"),
    "a cycle": ({"model": "a", "hash": HASH, "initialised_from": "a"}, "initialised_from: .*no cycles, got 'a'"),
    "a cycle by data": (
        {"model": "a", "hash": HASH, "initialised_from": "base", "trained_on": ["a"]}, "trained_on: .*no cycles"
    ),
    "rows of themselves": ({"data": "a", "hash": HASH, "generated_by": "a"}, "generated_by: .*no cycles"),
    "no data": ({"model": "a", "hash": HASH, "initialised_from": "base", "trained_on": ["c"]}, "trained_on: .*'c'"),
    "data twice": (
        {"model": "a", "hash": HASH, "initialised_from": "base", "trained_on": ["rows"] * 2}, "trained_on: .*once"
    ),
    "training without a start": ({"model": "a", "hash": HASH, "trained_on": ["rows"]}, "initialised_from: must be"),
    "no generator": ({"data": "a", "hash": HASH, "generated_by": "rows"}, "generated_by: .*it is a data set"),
    "no view": ({"data": "a", "hash": HASH, "generated_by": "base", "view": "gredy"}, "view: .*did you mean 'greedy'"),
    "a view of nobody's": ({"data": "a", "hash": HASH, "view": "greedy"}, "view: must be of data that a model"),
    "no channel": ({"data": "a", "hash": HASH, "generated_by": "base", "channel": 3}, "channel: must be a name"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_does_not_fit_is_refused_in_one_line_also_when_it_stands_in_a_file(what, tmp_path):
    entry, said = WRONG[what]
    with pytest.raises(InputError, match=f"^{said}"):
        kept(BASE).node(entry)
    after, path = record.FORMAT, tmp_path / "lineage.jsonl"
    with path.open("wb") as file:
        for each in (*BASE, entry):
            line, after = record.sealed(each, after)
            file.write(line)
    with pytest.raises(InputError, match=f"^{path}, line 4, {said.split(':')[0]}: "):
        Lineage.open(path)


def test_a_cycle_over_several_lines_of_a_file_is_a_parent_that_comes_too_late():
    with pytest.raises(InputError, match="initialised_from: must be a model that is recorded before, got 'b'"):
        kept([
            {"model": "a", "hash": sha("a"), "initialised_from": "b"},
            {"model": "b", "hash": sha("b"), "initialised_from": "a"},
        ])  # fmt: skip
