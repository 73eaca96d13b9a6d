"""The map: every claim, proof, Coq theorem and experiment, and what rests on what, read off the code alone."""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property

from subtheory import citations, resources
from subtheory.atlas import scripts
from subtheory.claim import CONJECTURE, Claim
from subtheory.claims import CLAIMS
from subtheory.proof import coq
from subtheory.proof.statement import Proof, proofs
from subtheory.study.experiment import Experiment, experiments

PROVED, READY, OPEN = "proved", "ready", "open"
STATUS = {
    PROVED: "a proof stands behind it, and behind all that it uses",
    READY: "all that it uses is there: it is the next that can be done",
    CONJECTURE: "measured, and not proved",
    OPEN: "something that it uses is missing",
}
"""Of a claim: whether a proof names it. Of a statement that is planned: ready if its proof is there and only the claim
is missing. Of the column Coq: whether theorems are there, or those of all proofs that its own proof uses."""

CLAIM, PLANNED, PROOF, COQ, EXPERIMENT = "claim", "planned", "proof", "coq", "experiment"

COLUMNS = {
    "stated": "its formula, and a function that checks it",
    "sympy": "the file of proofs/ that proves it",
    "Coq": "theorems of proofs/coq/ behind that file",
    "certificate": "ball arithmetic that covers every ε up to a stated one",
    "measured": "what one run of it gives",
    "breaks": "assumptions that are broken in turn, after which it must fail",
    "experiments": "experiments whose files name it, or a prediction that it cites",
    "figure": "figures of these experiments",
}
"""What is asked of every claim, and what an entry means."""

_SAYS = re.compile(r"(?:[a-z0-9]+-)+[a-z0-9]+")


@dataclass(frozen=True)
class Node:
    """A place of the map: its kind, its name (unique in its kind), one sentence, its group, and its status."""

    kind: str
    name: str
    says: str
    group: str
    status: str

    @property
    def key(self) -> str:
        """Unique in the map."""
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True)
class Edge:
    """`source` rests on, is proved by, is formalised as, or measures `target`; `via` says where the code has it."""

    source: str
    target: str
    how: str
    via: str = ""


@dataclass(frozen=True)
class Row:
    """A claim with an entry for each of `COLUMNS`; what it does not have is empty."""

    name: str
    says: str
    group: str
    status: str
    stated: str
    sympy: str
    coq: tuple[str, ...]
    in_coq: str
    certificate: str
    measured: str
    breaks: tuple[str, ...]
    experiments: tuple[str, ...]
    figure: tuple[str, ...]

    @property
    def entries(self) -> dict[str, tuple[str, ...]]:
        """What stands in each column, as words."""
        single = {
            "stated": self.stated,
            "sympy": self.sympy,
            "certificate": self.certificate,
            "measured": self.measured,
        }
        several = {"Coq": self.coq, "breaks": self.breaks, "experiments": self.experiments, "figure": self.figure}
        return {name: several[name] if name in several else tuple(filter(None, [single[name]])) for name in COLUMNS}


@dataclass(frozen=True)
class Map:
    """Nodes by key in the order of the theory, the edges between them, and a row for every claim."""

    nodes: dict[str, Node]
    edges: tuple[Edge, ...]
    rows: tuple[Row, ...]

    def of(self, kind: str) -> list[Node]:
        """The nodes of one kind."""
        return [node for node in self.nodes.values() if node.kind == kind]

    @cached_property
    def uses(self) -> dict[str, tuple[str, ...]]:
        """For each node those that it points to."""
        found: dict[str, list[str]] = {key: [] for key in self.nodes}
        for edge in self.edges:
            found[edge.source].append(edge.target)
        return {key: tuple(targets) for key, targets in found.items()}


@cache
def read() -> Map:
    """The map of the theory as the code stands; nothing is proved or measured for it."""
    files, known, tests = proofs(), CLAIMS, experiments()
    used = rests(files)
    theorems = {name: tuple(node for node in targets) for name, targets in scripts.uses().items()}
    proved = settled(used)
    measures = {name: measured_by(one) for name, one in tests.items()}
    nodes = [
        *(Node(CLAIM, c.name, c.statement, group(c), status(c, files, proved)) for c in known.values()),
        *(
            Node(PLANNED, name, f"Proved in proofs/{p.path.name}; no claim states it yet.", "planned",
                 READY if p.name in proved else OPEN)
            for p in files.values() for name in p.planned
        ),
        *(Node(PROOF, p.name, p.title, "proofs", PROVED if p.name in proved else OPEN) for p in files.values()),
        *(Node(COQ, name, f"{one.lines} lines of proofs/coq/{one.file}.v", one.file,
               PROVED if name in scripts.closed() else OPEN) for name, one in coq.known().items()),
        *(Node(EXPERIMENT, name, asked(one), "experiments", "") for name, one in tests.items()),
    ]  # fmt: skip
    edges = [
        *(Edge(f"{CLAIM}:{c.name}", f"{PROOF}:{c.proof}", "is proved by") for c in known.values() if c.proof in files),
        *(Edge(f"{PLANNED}:{n}", f"{PROOF}:{p.name}", "is proved by") for p in files.values() for n in p.planned),
        *(Edge(f"{PROOF}:{a}", f"{PROOF}:{b}", "rests on") for a, bs in used.items() for b in bs),
        *(Edge(f"{PROOF}:{p.name}", f"{COQ}:{name}", "is formalised as") for p in files.values() for name in p.coq),
        *(Edge(f"{COQ}:{a}", f"{COQ}:{b}", "rests on") for a, bs in theorems.items() for b in bs),
        *(
            Edge(f"{EXPERIMENT}:{name}", f"{CLAIM}:{one}", "measures", via)
            for name, found in measures.items() for one, via in found.items()
        ),
    ]  # fmt: skip
    return Map({node.key: node for node in nodes}, tuple(edges), tuple(rows(known, files, used, proved, measures)))


def rests(files: Mapping[str, Proof]) -> dict[str, tuple[str, ...]]:
    """For each proof those that it uses: its own USES, and whoever names it in SUPPORTS."""
    return {
        name: tuple(dict.fromkeys([*proof.uses, *(other for other, p in files.items() if name in p.supports)]))
        for name, proof in files.items()
    }


def settled(used: Mapping[str, tuple[str, ...]]) -> set[str]:
    """The proofs that rest on files that are there, in the end on some that use nothing: no circle, no gap."""
    done: set[str] = set()
    while new := {name for name, needs in used.items() if name not in done and set(needs) <= done}:
        done |= new
    return done


def status(claim: Claim, files: Mapping[str, Proof], proved: set[str]) -> str:
    """Proved if a file names the claim in turn and is settled, a conjecture if it says so itself, or else open."""
    if claim.proof == CONJECTURE:
        return CONJECTURE
    proof = files.get(claim.proof)
    return PROVED if proof and claim.name in proof.claims and proof.name in proved else OPEN


def group(claim: Claim) -> str:
    """The module that states it, in words: "first order", "labels, filters"."""
    module = claim.check_measurement.__module__.removeprefix("subtheory.claims.")
    return module.replace("_", " ").replace(".", ", ")


def asked(experiment: Experiment) -> str:
    """The question that its file opens with; the file is read, not run."""
    return (ast.get_docstring(ast.parse(experiment.path.read_text("utf-8"))) or "").split("\n")[0]


def measured_by(experiment: Experiment) -> dict[str, str]:
    """The claims that an experiment's file names, or whose source cites a prediction that it names; by what."""
    text = experiment.path.read_text("utf-8")
    names = set(_SAYS.findall(text))
    numbers = [number for number in citations.cited(text) if number.startswith("P")]
    found = {}
    for claim in CLAIMS.values():
        shared = [number for number in numbers if number in citations.cited(claim.source)]
        if claim.name in names or shared:
            found[claim.name] = "its name" if claim.name in names else ", ".join(shared)
    return found


@cache
def figures(experiment: str) -> tuple[str, ...]:
    """The figures of docs/figures that an experiment drew, without endings; none without the docs."""
    folder = resources.CHECKOUT / "docs" / "figures"
    drawn = sorted(path.stem for path in folder.glob(f"{experiment}*.svg"))
    return tuple(name for name in drawn if name == experiment or name.startswith(f"{experiment}-"))


def rows(
    known: Mapping[str, Claim], files: Mapping[str, Proof], used: Mapping[str, tuple[str, ...]], proved: set[str],
    measures: Mapping[str, Mapping[str, str]],
) -> list[Row]:  # fmt: skip
    """A row for every claim, in the order of the theory."""
    found = []
    for claim in known.values():
        proof = files.get(claim.proof)
        theorems = proof.coq if proof else ()
        runs = tuple(name for name, claims in measures.items() if claim.name in claims)
        needs = [files[name] for name in used.get(claim.proof, ()) if name in files]
        found.append(
            Row(
                claim.name, claim.statement, group(claim), status(claim, files, proved), claim.formula,
                proof.name if proof else "", theorems,
                PROVED if theorems else READY if proof and all(need.coq for need in needs) else OPEN,
                "every ε up to a stated one" if claim.run_tier == "certified" else "", claim.run_tier,
                tuple(assumption.name for assumption in claim.assumptions), runs,
                tuple(figure for name in runs for figure in figures(name)),
            )
        )  # fmt: skip
    return found
