"""`subtheory claims`, `subtheory explain CLAIM` and `subtheory map`: the theory, read off claims and proofs."""

from argparse import Namespace
from typing import Any

from subtheory import citations
from subtheory.cli.output import print_json, print_table, writable


def main(options: Namespace) -> int:
    """List the claims, explain one, or say what stands behind each of them."""
    if options.verb == "map":
        return _map(options)
    from subtheory.claims import CLAIMS, OVER_READINGS
    from subtheory.suggest import choose

    if options.verb == "explain":
        one = describe(choose("claim", options.claim, CLAIMS | OVER_READINGS))
        if options.json:
            print_json(one)
        else:
            _explain(one)
        return 0
    everything = [describe(claim) for claim in CLAIMS.values()]
    false = [describe(claim) for claim in OVER_READINGS.values()]
    if options.json:
        print_json({"claims": everything, "over_readings": false})
    else:
        print_table("claims", [{key: one[key] for key in ("name", "formula", "tier", "proof")} for one in everything])
        print("over-readings: false, and found so by subtheory falsify")
        print_table("over-readings", [{key: one[key] for key in ("name", "formula")} for one in false])
    return 0


def _map(options: Namespace) -> int:
    """Counts by part of the theory, or all of it as JSON; the page where it was asked for."""
    from subtheory.pages import map as page

    if options.out:
        writable(options.out)
    written = page.write(options.out) if options.out else []
    if options.json:
        print_json(page.to_dict() | {"files": [str(path) for path in written]})
        return 0
    print_table("map", page.summary())
    for path in written:
        print(path)
    return 0


def describe(claim: Any) -> dict[str, Any]:
    """A claim without its function."""
    return {
        "name": claim.name,
        "statement": claim.statement,
        "formula": claim.formula,
        "tier": claim.tier,
        "run_tier": claim.run_tier,
        "assumptions": [assumption.name for assumption in claim.assumptions],
        "proof": claim.proof,
        "proved_by": _proved_by(claim.proof),
        "source": claim.source,
        "controls": [
            {
                "without": control.assumption.name,
                "sentence": control.assumption.sentence,
                "declared": control.declared,
            }
            for control in claim.controls
        ],
    }


def _proof(one: dict[str, Any]) -> None:
    found = one["proved_by"]
    if found is None:
        print(f"Proof: {one['proof']}.\n")
        return
    print(f"Proof: {found['file']}: {found['theorem']}\n  Scope: {found['scope']}.")
    for file in dict.fromkeys(name.split(".")[0] for name in found["coq"]):
        theorems = [name.split(".")[1] for name in found["coq"] if name.startswith(f"{file}.")]
        print(f"  Coq: proofs/coq/{file}.v: {', '.join(theorems)}")
    print(f"  Not covered: {found['not_covered']}.\n  Run it: subtheory prove {one['proof']}\n")


def _proved_by(name: str) -> dict[str, Any] | None:
    """The file of `proofs/` behind a claim, and what it says of itself; None where there is none."""
    from subtheory.proof.statement import proofs

    proof = proofs().get(name)
    if proof is None:
        return None
    return {
        "file": f"proofs/{proof.path.name}",
        "theorem": proof.title,
        "scope": proof.scope,
        "coq": list(proof.coq),
        "not_covered": proof.not_covered,
    }


def _explain(one: dict[str, Any]) -> None:
    print(f"{one['name']}\n\n  {one['statement']}\n\n  {one['formula']}\n")
    print("\n  ".join([f"Source: {one['source']}.", *citations.lines(one["source"])]))
    print(f"Tier: {one['tier']}; one run: {one['run_tier']}.\n")
    _proof(one)
    if not one["controls"]:
        print(f"It has no assumptions to break. Search for a counterexample: subtheory falsify {one['name']}")
        return
    print("Assumptions, and what breaking each must do to the claim:")
    for control in one["controls"]:
        print(f"  {control['without']}: {control['sentence']}\n      without it: {control['declared']}")
    print(
        "\nIt holds when sign, order in ε and leading constant all agree within a tolerance that follows from\n"
        "float64 and the size of the next term; vacuous means that the numbers sit at rounding level.\n"
        f"Check it: subtheory verify {one['name']}; attack it: subtheory falsify {one['name']}"
    )
