"""`subtheory prove`: run the proofs, sympy's and Coq's, or look whether they notice what is changed in them."""

from argparse import Namespace
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import asdict
from typing import Any

from subtheory import resources
from subtheory.cli.output import print_json, print_table
from subtheory.cli.progress import progress
from subtheory.errors import InputError
from subtheory.proof import coq
from subtheory.proof.mutation import Mutant, mutants, survives
from subtheory.proof.running import Ran, prove
from subtheory.proof.statement import Proof, chosen

ENOUGH = 0.9
"""Share of mutants that the steps have to notice."""


def main(options: Namespace) -> int:
    """Exit code 1 if a proof fails, or notices too few of its mutants."""
    if options.only == "coq" and (options.proofs or options.mutate):
        raise InputError("only", "coq", "speaks of the whole development: no PROOF and no --mutate with it")
    picked = [] if options.only == "coq" else chosen(options.proofs)
    if options.mutate:
        return _mutate(picked, options)
    with_coq = not options.proofs and options.only != "sympy"
    skipped = "" if coq.installed() else coq.TO_INSTALL
    with ThreadPoolExecutor(1) as aside:  # Coq runs in processes of its own meanwhile
        started = aside.submit(coq.audit, resources.proofs() / "coq") if with_coq and not skipped else None
        ran = _run(picked)
        audit = _wait(started) if started else None
    ok = all(not one.failed for steps in ran.values() for one in steps) and (audit is None or audit.ok)
    rows = [_row(proof, ran[proof.name]) for proof in picked]
    found = {
        "ok": ok,
        "proofs": [row | _ties(proof, ran[proof.name]) for row, proof in zip(rows, picked, strict=True)],
        "coq": asdict(audit) if audit else None,
        "coq_skipped": skipped if with_coq else "not asked for",
    }
    if options.json:
        print_json(found)
        return 0 if ok else 1
    if options.verbose:
        print_table("proofs", rows)
    elif not options.quiet:
        print_table("proofs", [{name: row[name] for name in ("proof", "verdict", "theorem")} for row in rows])
    for name, steps in ran.items():
        for one in steps:
            if one.failed or one.skipped:
                print(f"{name}.{one.step}: {'FAILS: ' + one.failed if one.failed else 'skipped: ' + one.skipped}")
    if audit and not (options.quiet and audit.ok):
        _tell(audit, options.verbose)
    elif with_coq and not audit:
        print(f"Coq: {skipped}")
    if ran or audit:
        print(f"{_counted(rows, audit)}: {'all proofs pass' if ok else 'SOME PROOFS FAIL'}")
    return 0 if ok else 1


def _run(picked: list[Proof]) -> dict[str, list[Ran]]:
    ran = {}
    with progress("prove") as report:
        for done, proof in enumerate(picked):
            report(done, len(picked), proof.name)
            ran[proof.name] = prove(proof)
        report(len(picked), len(picked), "done")
    return ran


def _wait(started: Future[coq.Audit]) -> coq.Audit:
    with progress("coq") as report:
        while not started.done():
            report(0, 1, "compiling, Print Assumptions, coqchk")
            wait([started], timeout=1)
        report(1, 1, "done")
    return started.result()


def _row(proof: Proof, ran: list[Ran]) -> dict[str, Any]:
    return {
        "proof": proof.name,
        "theorem": proof.title,
        "steps": len(ran),
        "assertions": sum(one.assertions for one in ran),
        "seconds": round(sum(one.seconds for one in ran), 2),
        "verdict": "fails" if any(one.failed for one in ran) else "holds",
    }


def _ties(proof: Proof, ran: list[Ran]) -> dict[str, Any]:
    return {
        "scope": proof.scope,
        "claims": list(proof.claims),
        "planned": list(proof.planned),
        "supports": list(proof.supports),
        "coq": list(proof.coq),
        "not_covered": proof.not_covered,
        "failed": {one.step: one.failed for one in ran if one.failed},
        "skipped": {one.step: one.skipped for one in ran if one.skipped},
    }


def _counted(rows: list[dict[str, Any]], audit: coq.Audit | None) -> str:
    """How much was run."""
    steps, assertions = (sum(row[name] for row in rows) for name in ("steps", "assertions"))
    told = [f"{len(rows)} proofs with {steps} steps and {assertions} assertions"] if rows else []
    return " and ".join([*told, *([f"{len(audit.theorems)} theorems in Coq"] if audit else [])])


def _tell(audit: coq.Audit, every: bool) -> None:
    if every:
        print_table("Coq theorems", _theorems(audit))
    print(
        f"Coq {audit.version}: {len(audit.theorems)} theorems and {audit.lemmas} lemmas in {audit.lines} lines, "
        f"none admitted; coqchk passed.\nAxioms, all of them the library's own, of its real numbers and its logic: "
        f"{', '.join(name.split('.')[-1] for name in audit.axioms)}."
        if audit.ok
        else "\n".join(f"Coq: {problem}" for problem in audit.problems)
    )


def _theorems(audit: coq.Audit) -> list[dict[str, Any]]:
    short = {
        one: ", ".join(sorted({coq.SHORT.get(axiom.split(".")[-1], axiom) for axiom in one.axioms}))
        for one in audit.theorems
    }
    return [
        {
            "file": one.file,
            "theorem": one.name,
            "lines": one.lines,
            "seconds": round(one.seconds, 2),
            "axioms": short[one],
        }
        for one in audit.theorems
    ]


def _mutate(picked: list[Proof], options: Namespace) -> int:
    made = {proof: mutants(proof) for proof in picked}
    alive: dict[Proof, list[Mutant]] = {}
    every, done = sum(map(len, made.values())), 0
    with progress("mutate") as report:
        for proof in picked:
            alive[proof] = [one for one in made[proof] if survives(proof, one)]
            done += len(made[proof])
            report(done, every, proof.name)
    noticed = {proof: len(made[proof]) - len(alive[proof]) for proof in picked}
    rows = [{"proof": proof.name, "mutants": len(made[proof]), "noticed": noticed[proof]} for proof in picked]
    survivors = [
        {"proof": proof.name, "function": one.function, "line": one.line, "change": one.change}
        for proof in picked
        for one in alive[proof]
    ]
    seen = sum(noticed.values())
    ok = seen >= ENOUGH * every
    if options.json:
        print_json({"ok": ok, "mutants": every, "noticed": seen, "proofs": rows, "survivors": survivors})
    else:
        if not options.quiet:
            print_table("mutants", rows)
            print_table("not noticed", survivors)
        print(f"{seen} of {every} wrong versions are noticed, {100 * seen / max(every, 1):.1f} %")
    return 0 if ok else 1
