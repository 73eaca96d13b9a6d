"""A page for every claim, made of the claim itself: what it says, why, what breaks it, its proof and its figures."""

import inspect
import re
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from handbook import proofs
from handbook.outside import places, rewritten
from handbook.text import ORPHAN, escaped, fenced, folded, formula, inline, markdown, page, table
from subtheory import atlas, citations
from subtheory.claim import FALSE, Claim
from subtheory.claims import CLAIMS, OVER_READINGS
from subtheory.falsification.search import searchable

ROOT = Path(__file__).resolve().parents[2]
THEORY = "../theory.md"

VERDICT = {
    "measured": "It holds where sign, order in ε and leading constant agree with the formula within a tolerance that"
    " follows from float64 and the size of the next term.",
    "statistical": "It holds where the interval of what was counted has the prediction in it; with too few draws it is"
    " undecided.",
    "certified": "It holds where ball arithmetic covers every ε up to the stated one.",
}
"""How a run judges, by the tier of one run."""


@cache
def entries() -> dict[str, str]:
    """What docs/theory.md says under each number, as Markdown for pages in a folder of docs."""
    text = (ROOT / citations.PAGE).read_text("utf-8")
    found = re.findall(r"^### ([Pg]\d+)\n+(.*?)(?=^#{2,3} |\Z)", text, re.DOTALL | re.MULTILINE)
    here = {"docs/theory.md": "docs/theory.md"} | places()
    rewrite = {number: rewritten(_here(entry), citations.PAGE, "docs/claims/any.md", here) for number, entry in found}
    return {number: entry.strip() for number, entry in rewrite.items()}


def _here(entry: str) -> str:
    """Anchors of the page itself become links to it."""
    return entry.replace("](#", "](theory.md#")


def one(claim: Claim) -> str:
    """The page of a claim, or of an over-reading."""
    false = claim.proof == FALSE
    return page(
        ORPHAN,
        "[Every claim](index.md)",
        f"# {claim.name}",
        "**False**, and easily read into the theory: `subtheory falsify` finds the counterexample." if false else "",
        inline(claim.statement, THEORY),
        formula(claim.formula),
        _facts(claim),
        _why(claim),
        _assumptions(claim),
        _failing(claim),
        _proof(claim),
        _certificate(claim),
        _experiments(claim),
        _commands(claim, false),
        "## The check",
        "What is judged on each record; [how a check judges](../reference/subtheory.envelope.md) has `limit`.",
        folded("The function, word for word", fenced(inspect.getsource(claim.check_measurement).rstrip(), "python")),
    )


def _facts(claim: Claim) -> str:
    source = inline(claim.source, THEORY)
    reads = type(claim.reads).__name__ if claim.exact is None else claim.exact.__name__
    return (
        f"**Tier:** {claim.tier}; one run: {claim.run_tier}. **Source:** {source}. **Reads:** `{reads}`."
        if claim.proof != FALSE
        else f"**Source:** {source}."
    )


def _why(claim: Claim) -> str:
    """The rest of its docstring, and what the theory says under the numbers that it cites."""
    more = (inspect.getdoc(claim.check_measurement) or "").split("\n\n", 1)[1:]
    quoted = []
    for number in citations.cited(claim.source):
        said = entries().get(number, "").split("\n- ")[0]
        quoted.append(f"[{number}]({THEORY}#{number.lower()}). {said}")
    return page("## Why", *(markdown(text, THEORY) for text in more), *quoted) if more or quoted else ""


def _assumptions(claim: Claim) -> str:
    if not claim.controls:
        return page(
            "## Assumptions", "None that could be broken: what it says is exact, or about numbers that are given."
        )
    rows = [
        [f"`{control.assumption.name}`", inline(control.assumption.sentence, THEORY), escaped(control.declared)]
        for control in claim.controls
    ]
    told = "Each is broken on purpose, and what then must happen was declared before it was run."
    return page("## Assumptions", told, table(["assumption", "in words", "without it"], rows))


def _failing(claim: Claim) -> str:
    """What would refute it, by the theory and by a run."""
    refuted = []
    for number in citations.cited(claim.source):
        for item in entries().get(number, "").split("\n- ")[1:]:
            if item.startswith("**Refuted by**"):
                refuted.append(f"- [{number}]({THEORY}#{number.lower()}): {item}")
    verdict = "" if claim.proof == FALSE else VERDICT[claim.run_tier]
    return page("## How it could fail", "\n".join(refuted), verdict)


def _proof(claim: Claim) -> str:
    proof = proofs.proofs().get(claim.proof)
    if proof is None:
        return page("## Proof", f"None: {claim.proof}.")
    coq = []
    for name in proof.coq:
        file, theorem = name.split(".")
        if said := proofs.statements(file).get(theorem):
            coq.append(said)
    return page(
        "## Proof",
        f"[{proof.name}](../proofs/{proof.name}.md) has the steps and the algebra.",
        proofs.prose(proof, THEORY),
        proofs.about(proof, "../proofs/coq/"),
        folded("The theorems in Coq, word for word", fenced("\n\n".join(coq), "coq")) if coq else "",
    )


def _certificate(claim: Claim) -> str:
    if claim.run_tier != "certified":
        return ""
    told = "Every run makes one: a cover of (0, E] by boxes, each checked in ball arithmetic."
    return page("## Certificate", f"{told} [Certificates](../certificates.md) says how to make and to check your own.")


def _experiments(claim: Claim) -> str:
    """Those that the map of the theory says measure it."""
    blocks, known = [], atlas.read()
    for edge in known.edges:
        if (edge.how, edge.target) == ("measures", f"claim:{claim.name}"):
            node = known.nodes[edge.source]
            link = f"[`{node.name}`]({shown(node.name)})" if shown(node.name) else f"`{node.name}`"
            blocks.append(f"{link}, by {edge.via}. {inline(node.says, THEORY)}")
            blocks.append(pictures().get(node.name, ""))
    return page("## Experiments", *blocks) if blocks else ""


@cache
def pictures() -> dict[str, str]:
    """The first figure of each experiment that the gallery or another page shows, with its words there, as Markdown."""
    found: dict[str, str] = {}
    for heading, body in re.findall(r"^#+ ([^\n]+)$(.*?)(?=^#|\Z)", gallery(), re.DOTALL | re.MULTILINE):
        name = re.search(r"subtheory run (\w+)", heading)
        image = re.search(r"!\[([^\]]+)\]\((figures/[\w-]+\.svg)\)", body)
        if name and image:
            found.setdefault(name[1], f"![{image[1]}](../{image[2]})")
    for path in sorted((ROOT / "docs").glob("*.md")):
        for words, file, name in re.findall(r"!\[([^\]]+)\]\((figures/(\w+)[\w-]*\.svg)\)", path.read_text("utf-8")):
            found.setdefault(name, f"![{words}](../{file})")
    return found


@cache
def gallery() -> str:
    return (ROOT / "docs" / "gallery.md").read_text("utf-8")


@cache
def shown(name: str) -> str:
    """Where the documentation shows an experiment: its heading in the gallery, or the first page with its command."""
    command = re.compile(rf"subtheory run {name}(?![\w-])")
    for heading in re.findall(r"^#+ (.+)$", gallery(), re.MULTILINE):
        if command.search(heading):
            return f"../gallery.md#{slug(heading)}"
    for path in sorted((ROOT / "docs").glob("*.md")):
        if command.search(path.read_text("utf-8")):
            return f"../{path.name}"
    return ""


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub and MyST make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _commands(claim: Claim, false: bool) -> str:
    proof = f"subtheory prove {claim.proof}\n" if proofs.proofs().get(claim.proof) else ""
    verify = "" if false else f"subtheory verify {claim.name}\n"
    falsify = f"subtheory falsify {claim.name}\n" if searchable(claim) else ""
    return page("## Commands", fenced(f"{verify}{proof}{falsify}subtheory explain {claim.name}", "text"))


def topics() -> dict[str, list[Claim]]:
    """The claims of each module, under the sentence that opens it, in the order of the theory."""
    found: dict[str, list[Claim]] = {}
    for claim in CLAIMS.values():
        title = (sys.modules[claim.check_measurement.__module__].__doc__ or "").split("\n\n")[0]
        found.setdefault(" ".join(title.split()).rstrip("."), []).append(claim)
    return found


def index() -> str:
    """All of them by topic."""
    blocks = []
    for title, some in topics().items():
        head, _, rest = title.partition(": ")
        rows = [[f"[{one.name}]({one.name}.md)", inline(one.formula), one.tier] for one in some]
        told = inline(rest[:1].upper() + rest[1:] + ".", THEORY) if rest else ""
        blocks += [f"## {inline(head)}", told, table(["claim", "formula", "tier"], rows)]
    false = [[f"[{one.name}]({one.name}.md)", inline(one.formula), "false"] for one in OVER_READINGS.values()]
    return page(
        "# Every claim",
        f"{len(CLAIMS)} claims in the order of the theory, each on a page of its own that is made of the claim itself"
        " when the documentation is built: statement, assumptions and what breaking each must do, proof, commands."
        " What a verdict is worth: [claims](../claims.md); the predictions that they cite: [the theory](../theory.md).",
        *blocks,
        "## Over-readings",
        "False statements that are easily read into the theory.",
        table(["statement", "formula", "tier"], false),
    )


def pages() -> Mapping[str, str]:
    """All of them, by page."""
    everything = {f"docs/claims/{name}.md": one(claim) for name, claim in (CLAIMS | OVER_READINGS).items()}
    return everything | {"docs/claims/index.md": index()}
