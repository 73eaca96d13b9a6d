"""A page for every file of proofs/ and every Coq source: the argument in prose, its steps, and the code."""

import re
from functools import cache
from pathlib import Path

from handbook.text import ORPHAN, SOURCE, fenced, inline, markdown, page, table
from subtheory.proof import coq
from subtheory.proof.statement import Proof
from subtheory.proof.statement import proofs as found

ROOT = Path(__file__).resolve().parents[2]
COQ = ROOT / "proofs" / "coq"


@cache
def proofs() -> dict[str, Proof]:
    """Every proof by name; each file is run once."""
    return found()


def one(proof: Proof) -> str:
    """The page of a proof."""
    steps = [f"- `{name}`: {inline(step.__doc__ or '', '../theory.md')}" for name, step in proof.steps.items()]
    return page(
        ORPHAN,
        "[The proofs](index.md)",
        f"# {proof.name}",
        prose(proof, "../theory.md"),
        about(proof, "coq/"),
        "**Claims.** " + (", ".join(f"`{name}`" for name in proof.claims) or "none, other proofs rest on it") + ".",
        "## Steps",
        f"Each is a function that asserts; `subtheory prove {proof.name}` runs them.",
        "\n".join(steps),
        "## Source",
        fenced(proof.path.read_text("utf-8").partition('"""\n\n')[2], "python"),
    )


def prose(proof: Proof, theory: str) -> str:
    """Statement, assumptions and argument."""
    return markdown(proof.text, theory)


def about(proof: Proof, sources: str) -> str:
    """For which sizes it is checked, what it leaves open, and the Coq theorems that belong to it."""
    by_file: dict[str, list[str]] = {}
    for name in proof.coq:
        by_file.setdefault(name.split(".")[0], []).append(name.split(".")[1])
    named = [f"[{file}]({sources}{file}.md): " + ", ".join(f"`{one}`" for one in by_file[file]) for file in by_file]
    return page(
        f"**Scope.** {inline(proof.scope)}.",
        f"**Not covered.** {inline(proof.not_covered)}.",
        f"**Coq.** {'; '.join(named)}." if named else "**Coq.** None.",
    )


@cache
def statements(file: str) -> dict[str, str]:
    """What each theorem of a Coq file says, as it stands there."""
    text = (COQ / f"{file}.v").read_text("utf-8")
    declared = re.findall(
        r"^(Theorem|Lemma|Corollary|Fact) ([\w']+)(.*?\.)(?=\s*\n\s*Proof)", text, re.DOTALL | re.MULTILINE
    )
    return {name: f"{kind} {name}{rest}" for kind, name, rest in declared}


def development(path: Path) -> str:
    """The page of a Coq source: what it shows, its main results, all of it."""
    text = path.read_text("utf-8")
    comment = re.search(r"\(\* (.*?)\*\)", text, re.DOTALL)
    named = [theorem.name for theorem in coq.theorems(path)]
    used = {name: [proof.name for proof in proofs().values() if f"{path.stem}.{name}" in proof.coq] for name in named}
    rows = [[f"`{name}`", ", ".join(f"[{each}](../{each}.md)" for each in used[name]) or "–"] for name in named]
    return page(
        SOURCE,
        "[The proofs](../index.md)",
        f"# {path.stem}.v",
        inline(" ".join(comment[1].split())) if comment else "",
        table(["theorem", "stands behind"], rows) if rows else "",
        fenced(text, "coq"),
    )


def pages() -> dict[str, str]:
    """All of them by page; the guide to the proofs is `proofs/index`, a copy of proofs/README.md."""
    everything = {f"docs/proofs/{name}.md": one(proof) for name, proof in proofs().items()}
    return everything | {f"docs/proofs/coq/{path.stem}.md": development(path) for path in coq.files(COQ)}
