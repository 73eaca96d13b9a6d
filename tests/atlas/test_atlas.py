"""The map: every node and edge stands in the code, found again by another reader, and a wrong one is noticed."""

import ast
import re
import shutil
import subprocess
from functools import cache

import pytest

from subtheory import resources
from subtheory.atlas import Edge, read, scripts, theory
from subtheory.claim import CONJECTURE, FALSE
from subtheory.claims import CLAIMS
from subtheory.proof import coq
from subtheory.proof.statement import proofs

KNOWN = read()
KEYS = {kind: {node.name for node in KNOWN.of(kind)} for kind in ("claim", "planned", "proof", "coq", "experiment")}
SOURCES = {path.stem: path.read_text("utf-8") for path in resources.proofs().glob("[!_]*.py")}
TESTS = {path.stem: path.read_text("utf-8") for path in resources.experiments().glob("[!_]*.py")}
SCRIPTS = {path.stem: path.read_text("utf-8") for path in (resources.proofs() / "coq").glob("*.v")}


@cache
def constants(proof):
    """The strings of each constant of a proof file, off its syntax: nothing is run."""
    single = [
        node for node in ast.parse(SOURCES[proof]).body if isinstance(node, ast.Assign) and len(node.targets) == 1
    ]
    return {
        node.targets[0].id: [part.value for part in ast.walk(node.value) if isinstance(part, ast.Constant)]
        for node in single
        if isinstance(node.targets[0], ast.Name)
    }


def words(proof, constant):
    return constants(proof).get(constant, [])


@cache
def stated():
    """The edges that the files state, read in another way than the map reads them; those within Coq apart."""
    edges = set()
    for claim in CLAIMS.values():
        if claim.proof not in (CONJECTURE, FALSE):
            assert claim.name in words(claim.proof, "CLAIMS"), f"{claim.proof} does not name {claim.name}"
            edges.add((f"claim:{claim.name}", f"proof:{claim.proof}"))
    for name in SOURCES:
        edges |= {(f"planned:{one}", f"proof:{name}") for one in words(name, "PLANNED")}
        edges |= {(f"proof:{name}", f"proof:{one}") for one in words(name, "USES")}
        edges |= {(f"proof:{one}", f"proof:{name}") for one in words(name, "SUPPORTS")}
        edges |= {(f"proof:{name}", f"coq:{one}") for one in words(name, "COQ")}
    cited = {claim.name: {claim.name, *re.findall(r"\bP\d+\b", claim.source)} for claim in CLAIMS.values()}
    for name, text in TESTS.items():
        said = set(re.findall(r"[a-z0-9]+(?:-[a-z0-9]+)+|\bP\d+\b", text))
        edges |= {(f"experiment:{name}", f"claim:{one}") for one, ways in cited.items() if said & ways}
    return edges


def within_coq(edges):
    return {edge for edge in edges if edge[0].startswith("coq:")}


def wrong(edges):
    """Edges that no file states, or that are missing; within Coq those that the sources do not bear out."""
    pairs = {(edge.source, edge.target) for edge in edges}
    odd = (pairs - within_coq(pairs)) ^ stated()
    return odd | {edge for edge in within_coq(pairs) if not named(*edge)}


@cache
def said():
    """For each result, by its bare name, the words from its declaration to the next one."""
    found = {}
    for text in SCRIPTS.values():
        parts = re.split(r"^\s*(?:Theorem|Lemma|Corollary|Fact|Let|Ltac) ", plain(text), flags=re.MULTILINE)[1:]
        for name, *rest in (re.findall(r"[\w']+", part) for part in parts):
            found[name] = found.get(name, set()) | set(rest)
    return found


def plain(text):
    return coq.uncommented(text.encode()).decode()


@cache
def named(source, target):
    """Whether a chain of scripts leads from one theorem to another, each of which says the name of the next."""
    todo, seen, last = [source.split(".")[1]], set(), target.split(".")[1]
    while todo:
        one = todo.pop()
        if last in said()[one]:
            return True
        new = (said()[one] & set(said())) - seen
        seen |= new
        todo += new
    return False


def test_every_edge_is_in_the_code():
    assert wrong(KNOWN.edges) == set()


@pytest.mark.parametrize(
    "edge",
    [
        Edge("claim:cosine-limit", "proof:kink", "is proved by"),
        Edge("proof:kink", "proof:lora", "rests on"),
        Edge("proof:lora", "coq:OneStep.theorem_one", "is formalised as"),
        Edge("coq:OneStep.alignment", "coq:OneStep.theorem_one", "rests on"),
        Edge("experiment:lora", "claim:cosine-limit", "measures"),
    ],
    ids=lambda edge: edge.how,
)
def test_a_planted_edge_is_noticed(edge):
    assert wrong([*KNOWN.edges, edge]) == {(edge.source, edge.target)}


@pytest.mark.parametrize("how", ["is proved by", "is formalised as", "measures"])
def test_an_edge_that_is_missing_is_noticed(how):
    gone = next(edge for edge in KNOWN.edges if edge.how == how)
    assert wrong([edge for edge in KNOWN.edges if edge != gone]) == {(gone.source, gone.target)}


def test_every_node_is_there():
    assert KEYS["claim"] == set(CLAIMS) == {row.name for row in KNOWN.rows}
    assert KEYS["proof"] == set(SOURCES) and KEYS["experiment"] == set(TESTS)
    assert KEYS["planned"] == {one for proof in proofs().values() for one in proof.planned}
    declared = {
        f"{file}.{name}" for file, text in SCRIPTS.items() for name in re.findall(r"^\s*Theorem ([\w']+)", text, re.M)
    }
    assert KEYS["coq"] == declared
    assert {edge.source for edge in KNOWN.edges} | {edge.target for edge in KNOWN.edges} <= set(KNOWN.nodes)


def test_every_theorem_of_coq_stands_behind_a_proof_or_another_theorem():
    behind = {edge.target for edge in KNOWN.edges if edge.target.startswith("coq:")}
    assert behind == {f"coq:{name}" for name in KEYS["coq"]}


def test_every_experiment_measures_a_claim():
    assert {edge.source for edge in KNOWN.edges if edge.how == "measures"} == {f"experiment:{one}" for one in TESTS}


@pytest.mark.skipif(not coq.installed(), reason="Coq with Coquelicot is not installed")
def test_scripts_name_what_coq_resolves(tmp_path):
    """Against the .glob files that coqc writes: among results the same, for a file and one that imports it."""
    files = ("Vectors", "StableSteps")
    for file in files:
        shutil.copy(resources.proofs() / "coq" / f"{file}.v", tmp_path)
        subprocess.run(["coqc", *coq.FLAGS, f"{file}.v"], cwd=tmp_path, check=True, capture_output=True)
    results = {name for name, kind in scripts.units().items() if kind in ("Theorem", "Lemma", "Corollary", "Fact")}
    resolved = {(a, b) for file in files for a, b in globbed(tmp_path, file) if {a, b} <= results}
    ours = {(a, b) for a, bs in scripts.named().items() for b in bs if a.split(".")[0] in files and {a, b} <= results}
    assert ours == resolved and len(ours) > 80


def globbed(folder, file):
    """Pairs of a declaration and one that it refers to, as Coq resolved them; places are bytes."""
    text = (folder / f"{file}.v").read_bytes()
    starts = [
        (match.start(1), match[1].decode())
        for match in re.finditer(
            rb"^\s*(?:Theorem|Lemma|Corollary|Fact|Let|Ltac|Definition|Fixpoint)\s+([\w']+)", text, re.M
        )
    ]
    for at, to, name in re.findall(
        r"^R(\d+):\d+ Subtheory\.(\w+) <> (?:\w+\.)*([\w']+) ", (folder / f"{file}.glob").read_text(), re.M
    ):
        own = [found for start, found in starts if start <= int(at)]
        if own and own[-1] != name:
            yield f"{file}.{own[-1]}", f"{to}.{name}"


# Status


def test_statuses_are_those_of_the_claims():
    for row in KNOWN.rows:
        assert row.status == (CONJECTURE if CLAIMS[row.name].proof == CONJECTURE else "proved"), row.name
    assert all(node.status == "ready" for node in KNOWN.of("planned"))


def test_what_rests_on_a_gap_or_on_itself_is_open():
    assert theory.settled({"a": (), "b": ("a",), "c": ("gone",), "d": ("c",), "e": ("f",), "f": ("e",)}) == {"a", "b"}
    claim = CLAIMS["cosine-limit"]
    assert theory.status(claim, proofs(), set()) == "open"
    assert theory.status(claim, {}, {claim.proof}) == "open"
    assert theory.status(claim, proofs() | {claim.proof: proofs()["kink"]}, {"kink", claim.proof}) == "open"


def test_coq_is_ready_only_behind_proofs_that_have_it():
    rows, files = {row.name: row for row in KNOWN.rows}, proofs()
    used = theory.rests(files)
    for row in rows.values():
        needs = [files[name] for name in used.get(row.sympy, ())]
        assert (row.in_coq == "proved") == bool(row.coq)
        assert row.in_coq != "ready" or all(need.coq for need in needs)
    assert {row.in_coq for row in rows.values()} == {"proved", "ready", "open"}


def test_certificates_are_those_of_claims_that_certify():
    assert {row.name for row in KNOWN.rows if row.certificate} == {
        claim.name for claim in CLAIMS.values() if claim.run_tier == "certified"
    }
