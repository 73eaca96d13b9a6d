"""Write the tables that the code implies into docs and proofs/README.md; tests fail when they are not current."""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

from subtheory.claim import CONJECTURE, Claim
from subtheory.proof import coq
from subtheory.proof.running import prove
from subtheory.proof.statement import proofs

ROOT = Path(__file__).resolve().parents[1]
COQ = ROOT / "proofs" / "coq"


def claims() -> str:
    """One row a claim, in the order of the theory."""
    from subtheory.claims import CLAIMS

    rows = [
        [f"`{one.name}`", one.formula, tier(one), str(len(one.controls)), _proof(one.proof)] for one in CLAIMS.values()
    ]
    return _table(["claim", "formula", "tier", "fails without", "proof"], rows)


@cache
def tier(claim: Claim) -> str:
    """Proved only if the file names the claim in turn, and passes when it is run."""
    proof = proofs().get(claim.proof)
    proved = proof is not None and claim.name in proof.claims and not any(ran.failed for ran in prove(proof))
    return "proved" if proved else claim.run_tier


def _proof(name: str) -> str:
    if name == CONJECTURE:
        return name
    return f"[{name}](../proofs/{name}.py)" + (", Coq" if proofs()[name].coq else "")


def files() -> str:
    """One row a file of `proofs/`."""
    rows = []
    for proof in proofs().values():
        uses = [*(f"`{name}`" for name in proof.claims), *(f"*{name}* (planned)" for name in proof.planned)]
        uses += [f"for [{name}]({name}.py)" for name in proof.supports]
        sources = dict.fromkeys(name.split(".")[0] for name in proof.coq)
        theorems = [f"[{name}](coq/{name}.v)" for name in sources]
        rows.append([f"[{proof.name}]({proof.path.name})", proof.title, proof.scope, _list(theorems), _list(uses)])
    return _table(["file", "theorem", "scope", "Coq", "claims"], rows)


def development() -> str:
    """One row a file of `proofs/coq`."""
    rows = []
    for path in coq.files(COQ):
        named = [one.name for one in coq.theorems(path)]
        rows.append([f"[{path.stem}](coq/{path.name})", _header(path), _list([f"`{name}`" for name in named])])
    return _table(["file", "shows", "theorems"], rows)


def parts() -> str:
    """One row a part of the theory: how many of its claims have what."""
    from subtheory.atlas import COLUMNS
    from subtheory.pages import map as page

    rows = [[str(value or "–") for value in row.values()] for row in page.summary()]
    return _table(["part of the theory", "claims", *COLUMNS], rows)


def _header(path: Path) -> str:
    """The first sentence of the first comment."""
    comment = re.search(r"\(\* (.*?)\*\)", path.read_text("utf-8"), re.DOTALL)
    assert comment, path.name
    return re.split(r"(?<=[.?])\s|:\s", " ".join(comment[1].split()), maxsplit=1)[0].rstrip(".:") + "."


def _list(words: list[str]) -> str:
    return ", ".join(words) or "–"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *([cell.replace("|", r"\|") for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


TABLES: dict[Path, dict[str, Callable[[], str]]] = {
    ROOT / "docs" / "claims.md": {"claims": claims},
    ROOT / "docs" / "map.md": {"map": parts},
    ROOT / "proofs" / "README.md": {"proofs": files, "coq": development},
}
"""What stands between <!-- name --> and <!-- /name --> in which page."""


def current(page: Path) -> str:
    """A page with the tables that the code implies."""
    text = page.read_text("utf-8")
    for name, table in TABLES[page].items():
        marked = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        text = marked.sub(lambda found, table=table: f"{found[1]}{table()}\n{found[2]}", text)  # type: ignore[misc]
    return text


if __name__ == "__main__":
    for page in TABLES:
        page.write_text(current(page), "utf-8")
