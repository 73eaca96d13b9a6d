"""One question to a lineage: does the generator of this data share an init with this student, and what then?"""

from dataclasses import dataclass, replace
from typing import Any

from subtheory import table
from subtheory.lineage.graph import GENERATED, INITIALISED, TRAINED, Data, Edge, Graph, Model, climb
from subtheory.lineage.laws import DISTURBED, INITS, KIN, NOBODY, ONE_CHANNEL, OTHER, PROMPTED, SAME, SHARED, VIEWS, Law


@dataclass(frozen=True)
class Answer:
    """Whether data and student share an init, by which edges, and what the theory forecasts, the init's law first.

    `shared` is the theorem's word: the generator descends from the weights at which the student starts. `relation` is
    "shared", "same weights", "kin" (an ancestor in common, but the student has left it), "other" or "no generator".
    `sign` is forecast for the alignment with what the generator learned since its init.
    `generations` counts the students down to one of this data, itself included, and `descent` has their edges.
    """

    data: str
    student: str
    shared: bool
    relation: str
    sign: str
    chain: tuple[Edge, ...]
    generations: int
    descent: tuple[Edge, ...]
    forecast: tuple[Law, ...]

    @property
    def claims(self) -> tuple[str, ...]:
        """The claims that the forecast rests on, each once."""
        return tuple(dict.fromkeys(name for law in self.forecast for name in law.claims))

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "data": self.data, "student": self.student, "shared": self.shared, "relation": self.relation,
            "sign": self.sign, "chain": [list(edge) for edge in self.chain], "generations": self.generations,
            "descent": [list(edge) for edge in self.descent], "forecast": [law.to_dict() for law in self.forecast],
            "claims": list(self.claims),
        }  # fmt: skip

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One row a law of the forecast: its sign, sentence, claims, citations, and where it ends."""
        return [
            {**law.to_dict(), "claims": ", ".join(law.claims), "cites": ", ".join(law.cites)} for law in self.forecast
        ]

    @property
    def head(self) -> str:
        """The answer in a line."""
        found = "shared" if self.shared else f"not shared ({self.relation})"
        return f"{self.data} and {self.student}: init {found}; alignment {self.sign}"

    def to_pandas(self) -> Any:
        """The `rows` as a pandas.DataFrame. Raises InputError on "pandas" where that is not installed."""
        return table.to_pandas(self.rows)

    def _repr_html_(self) -> str:
        return table.stacked([self.head, *map(str, self.chain)], self.rows)

    def __str__(self) -> str:
        laws = [
            f"{law.sign}: {law.says}\n  by {', '.join([*law.claims, *law.cites]) or 'the record alone'}\n"
            f"  where it ends: {law.ends}"
            for law in self.forecast
        ]
        return "\n".join([self.head, *(f"  {edge}" for edge in self.chain), *laws])


def answer(graph: Graph, data: Data, student: Model) -> Answer:
    """The answer from the edges that are recorded. A student of this data starts at its init, any other where it is."""
    if data.generator is None:
        law = INITS[NOBODY]
        return Answer(data.name, student.name, False, NOBODY, law.sign, (), 0, (), (law,))
    generator = graph.known(GENERATED, data.generator, Model)
    start = student
    if data.name in student.trained_on and student.start is not None:
        start = graph.known(INITIALISED, student.start, Model)
    relation, common = related(graph, generator, start)
    chain = [Edge(data.name, GENERATED, generator.name)]
    for model in (generator, student):
        chain += _way_up(graph, model, common)
    forecast, view = [INITS[relation]], VIEWS[data.view]
    if view is not None and (relation == SHARED or data.view == PROMPTED):
        forecast.append(view)
    sign = forecast[-1].sign
    if relation == SHARED and data.generations > 1:
        forecast.append(_over_generations(data, start))
    return Answer(
        data.name, student.name, relation == SHARED, relation, sign, tuple(chain), data.generations,
        tuple(_descent(graph, data)), tuple(forecast),
    )  # fmt: skip


def related(graph: Graph, generator: Model, start: Model) -> tuple[str, Model | None]:
    """What two models have to do with each other by their inits, and their nearest ancestor in common."""
    if generator.root != start.root:
        return OTHER, None
    a, b = generator, start
    while a.name != b.name:
        if a.depth >= b.depth:
            a = _parent(graph, a)
        else:
            b = _parent(graph, b)
    if start.own != a.own:
        return KIN, a
    return (SAME if generator.own == a.own else SHARED), a


def _parent(graph: Graph, model: Model) -> Model:
    return graph.known(INITIALISED, model.start, Model)


def _way_up(graph: Graph, model: Model, to: Model | None) -> list[Edge]:
    """The edges from a model to an ancestor, or to its root."""
    edges = []
    for each in climb(graph, model):
        if each is to or each.start is None:
            break
        edges.append(Edge(each.name, INITIALISED, each.start))
    return edges


def _over_generations(data: Data, start: Model) -> Law:
    """The law of what came before the generator, with the reason where it promises nothing."""
    reason = data.disturbed
    if not reason and data.start != start.own:
        reason = f"{start.name} is not the init from which the generators start"
    return replace(DISTURBED, says=f"{DISTURBED.says} ({reason})") if reason else ONE_CHANNEL


def _descent(graph: Graph, data: Data) -> list[Edge]:
    """The longest way back through generators and what they were trained on."""
    edges: list[Edge] = []
    at: Data | None = data
    while at is not None and at.generator is not None:
        edges.append(Edge(at.name, GENERATED, at.generator))
        before = at.before
        if before is None:
            break
        for model in climb(graph, graph.known(GENERATED, at.generator, Model)):
            if before in model.trained_on:
                edges.append(Edge(model.name, TRAINED, before))
                break
            edges.append(Edge(model.name, INITIALISED, str(model.start)))
        at = graph.known(TRAINED, before, Data)
    return edges
