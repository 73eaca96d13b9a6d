"""Models and data sets with the edges between them; every parent is there before its children, so nothing is a cycle.

What a question needs of the past is kept with each node when it is added, from what is kept with its parents: the root
and the depth of a model in the forest of inits, the generations behind a data set and what disturbs their chain.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

from subtheory import arguments
from subtheory.arguments import shown
from subtheory.errors import InputError, UnknownName
from subtheory.lineage.laws import FULL, VIEWS
from subtheory.suggest import choose

LONGEST = 200
"""Letters of a name."""

HASH = re.compile(r"[0-9a-f]{64}")


class Edge(NamedTuple):
    """One thing that the record says of two: `child` `was` `parent`."""

    child: str
    was: str
    parent: str

    def __str__(self) -> str:
        return f"{self.child} was {self.was.replace('_', ' ')} {self.parent}"


INITIALISED, TRAINED, GENERATED = "initialised_from", "trained_on", "generated_by"
"""The kinds of edges, as fields of an entry."""

FIELDS = {
    "model": ("model", "hash", INITIALISED, TRAINED),
    "data": ("data", "hash", GENERATED, "view", "channel"),
}
"""What an entry may say, by what it is about."""


@dataclass(frozen=True, slots=True)
class Model:
    """Weights.

    `own` is the first model that has them, itself unless it is a copy; `root` and `depth` are its place in the forest
    of inits. `taught` is the generated data of most generations that it, or a model before it, was trained on.
    """

    name: str
    hash: str
    start: str | None
    trained_on: tuple[str, ...]
    own: str
    root: str
    depth: int
    taught: str | None


@dataclass(frozen=True, slots=True)
class Data:
    """Outputs of a model, through a view, on the inputs that `channel` names; or anybody's, without a generator.

    `generations` are the students down to one of this data, 0 without a generator; `before` is the data set of the
    generation before, on the longest way, and `disturbed` what keeps the chain from being one of students of full
    outputs on one channel that all start from `start`; empty if nothing does.
    """

    name: str
    hash: str
    generator: str | None
    view: str
    channel: str | None
    start: str
    generations: int
    before: str | None
    disturbed: str


Node = Model | Data
N = TypeVar("N", Model, Data)


class Graph:
    """Nodes by name."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self._owners: dict[str, str] = {}  # by hash

    def add(self, node: Node) -> None:
        """Keep what `node` made."""
        self.nodes[node.name] = node
        self._owners.setdefault(node.hash, node.name)

    def known(self, field: str, name: object, kind: type[N]) -> N:
        """The model or the data set of a name. Raises UnknownName, an InputError on `field`, for what is none."""
        found = self.nodes.get(name) if isinstance(name, str) else None
        if not isinstance(found, kind):
            other = "" if found is None else f", it is a {_word(type(found))}"
            raise UnknownName(field, shown(name), f"must be a {_word(kind)} that is recorded before{other}")
        return found

    def node(self, entry: Mapping[str, Any]) -> Node:
        """What an entry says, with what follows from the nodes that are there; it is not added.

        Raises InputError for a field that no entry has, a name or a content that is recorded already, a hash that is
        none, and a parent that is not recorded before.
        """
        about = [kind for kind in FIELDS if kind in entry]
        if len(about) != 1:
            raise InputError("entry", shown(list(entry)), f"must be about one of {', '.join(FIELDS)}")
        for field in entry:
            if field not in FIELDS[about[0]]:
                raise InputError("edge", shown(field), f"must be one of {', '.join(FIELDS[about[0]])}")
        name, sha256 = self._name(entry[about[0]]), entry.get("hash")
        if not isinstance(sha256, str) or not HASH.fullmatch(sha256):
            raise InputError("hash", shown(sha256), "must be a SHA-256, 64 digits of 0-9 and a-f")
        return self._model(name, sha256, entry) if about[0] == "model" else self._data(name, sha256, entry)

    def _name(self, name: object) -> str:
        if not _is_name(name):
            raise InputError("name", shown(name), f"must be a name of 1 to {LONGEST} letters")
        if name in self.nodes:
            raise InputError("name", shown(name), f"must be new (a {_word(type(self.nodes[name]))} has it)")
        return str(name)

    def _model(self, name: str, sha256: str, entry: Mapping[str, Any]) -> Model:
        start, listed = entry.get(INITIALISED), entry.get(TRAINED, ())
        names = [listed] if isinstance(listed, str) else arguments.entries(listed)
        if names is None:
            raise InputError(TRAINED, shown(listed), "must be the name of a data set, or a list of them")
        for field, parent in [(INITIALISED, start), *((TRAINED, each) for each in names)]:
            self._require_other(field, parent, name)
        trained = tuple(self.known(TRAINED, each, Data).name for each in names)
        if len(set(trained)) < len(trained):
            raise InputError(TRAINED, shown(listed), "must name every data set once")
        owner = self._owners.get(sha256)
        if start is None:
            if trained:
                raise InputError(INITIALISED, "nothing", "must be given for a model that was trained on something")
            self._require_new(sha256, owner)
            return Model(name, sha256, None, (), name, name, 0, None)
        parent = self.known(INITIALISED, start, Model)
        if owner is not None and (trained or owner != parent.own):
            self._require_new(sha256, owner)
        taught = self._latest([*trained, *filter(None, [parent.taught])])
        return Model(name, sha256, parent.name, trained, owner or name, parent.root, parent.depth + 1, taught)

    def _data(self, name: str, sha256: str, entry: Mapping[str, Any]) -> Data:
        generator, view, channel = entry.get(GENERATED), entry.get("view", FULL), entry.get("channel")
        self._require_new(sha256, self._owners.get(sha256))
        self._require_other(GENERATED, generator, name)
        choose("view", view, VIEWS)
        if channel is not None and not _is_name(channel):
            raise InputError("channel", shown(channel), f"must be a name of 1 to {LONGEST} letters")
        if generator is None:
            if "view" in entry:
                raise InputError("view", view, "must be of data that a model generated")
            return Data(name, sha256, None, view, channel, "", 0, None, "")
        model = self.known(GENERATED, generator, Model)
        trained = self.known(GENERATED, model.own, Model)  # of which it may be a copy
        start = trained if trained.start is None else self.known(INITIALISED, trained.start, Model)
        generations = 1 if model.taught is None else 1 + self.known(TRAINED, model.taught, Data).generations
        found = Data(name, sha256, generator, view, channel, start.own, generations, model.taught, "")
        if generations == 1:
            return found
        if start.taught is not None:
            return replace(found, disturbed=f"{model.name} starts from {start.name}, which learned from {start.taught}")
        behind = (self.known(TRAINED, each, Data) for each in trained.trained_on)
        return replace(found, disturbed=next(filter(None, (_disturbed(found, each) for each in behind)), ""))

    def _latest(self, names: list[str]) -> str | None:
        """Of these data sets the one with most generations behind it; None if a model generated none of them."""
        found = max((self.known(TRAINED, each, Data) for each in names), key=lambda d: d.generations, default=None)
        return found.name if found is not None and found.generations else None

    @staticmethod
    def _require_new(sha256: str, owner: str | None) -> None:
        if owner is not None:
            copy = f"a copy is initialised_from {owner!r} and trained on nothing"
            raise InputError("hash", sha256, f"must be new, it is that of {owner!r} ({copy})")

    @staticmethod
    def _require_other(field: str, parent: object, name: str) -> None:
        if isinstance(parent, str) and parent == name:
            raise InputError(field, shown(name), "must not lead back to itself, a lineage has no cycles")


def _is_name(name: object) -> bool:
    return isinstance(name, str) and name.isprintable() and name == name.strip() and 0 < len(name) <= LONGEST


def _disturbed(data: Data, before: Data) -> str:
    """Why one generation and the one before are no chain through one channel; empty if they are one."""
    if not before.generations:
        return f"the generator of {data.name} was trained on {before.name} too, which no model generated"
    if before.disturbed:
        return before.disturbed
    for each in (before, data):
        if each.view != FULL:
            return f"{each.name} does not show full outputs"
    if data.channel is None or before.channel != data.channel:
        return f"{before.name} and {data.name} are not recorded to have one channel"
    if before.start != data.start:
        return f"the generators of {before.name} and {data.name} do not start from one init"
    return ""


def _word(kind: type) -> str:
    return "model" if kind is Model else "data set"


def climb(graph: Graph, model: Model) -> Iterator[Model]:
    """The model and those that it was initialised from, up to its root."""
    while True:
        yield model
        if model.start is None:
            return
        model = graph.known(INITIALISED, model.start, Model)
