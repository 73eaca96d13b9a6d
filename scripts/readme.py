"""Write the table of claims into README.md; the tests fail when it is not current."""

import re
from pathlib import Path

from subtheory.cli.theory import describe

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
MARKED = re.compile(r"(<!-- claims -->\n).*?(<!-- /claims -->)", re.DOTALL)


def claims() -> str:
    """One row a claim, in the order of the theory."""
    from subtheory.claims import CLAIMS

    rows = ["| claim | formula | fails without | proof |", "|---|---|---|---|"]
    for one in map(describe, CLAIMS.values()):
        cells = [f"`{one['name']}`", one["formula"], str(len(one["controls"])), _proof(one["proof"])]
        rows.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    return "\n".join(rows)


def _proof(proof: str) -> str:
    """A link where the proof is a file of `proofs/`."""
    found = sorted((ROOT / "proofs").glob(f"{proof}.*")) or [p for p in [ROOT / "proofs" / proof] if p.is_file()]
    return f"[{proof}](proofs/{found[0].name})" if found else proof


def current(text: str) -> str:
    """README with the table that the code implies."""
    return MARKED.sub(lambda found: f"{found[1]}{claims()}\n{found[2]}", text)


if __name__ == "__main__":
    README.write_text(current(README.read_text("utf-8")), "utf-8")
