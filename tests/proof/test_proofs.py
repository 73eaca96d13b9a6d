"""The proofs: all pass, they notice what is changed in them, and claims and proofs name each other."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
import sympy as sp

from subtheory import resources
from subtheory.claim import CONJECTURE
from subtheory.claims import CLAIMS
from subtheory.cli import main
from subtheory.cli.verbs.prove import ENOUGH
from subtheory.errors import InputError, SubtheoryError
from subtheory.proof import Disproved, Unavailable, coq, entails, equal, negative, nonnegative, positive, refutable, smt
from subtheory.proof.algebra import total
from subtheory.proof.mutation import mutants, survives
from subtheory.proof.running import prove
from subtheory.proof.statement import Proof, chosen, proofs

PROOFS = proofs()
EVERY = 41
"""Of the mutants, the tests try one in this many; `subtheory prove --mutate` tries all."""


# What is proved


@pytest.mark.parametrize("name", PROOFS)
def test_a_proof_passes(name):
    for ran in prove(PROOFS[name]):
        assert not ran.failed and not ran.skipped, f"{ran.step}: {ran.failed}{ran.skipped}"
        assert ran.assertions and ran.sentence.endswith(".")


@pytest.mark.parametrize("name", PROOFS)
def test_a_proof_reads_as_one(name):
    proof = PROOFS[name]
    assert proof.title.endswith(".") and len(proof.title.split()) > 4
    for part in ("Statement.", "Assumptions.", "Proof.", "Source."):
        assert f"\n\n{part} " in proof.text, part
    assert re.search(r"\ball\b|\bevery\b|exact|= \d|≤ \d", proof.scope), "all n, or up to which?"
    assert len(proof.not_covered.split()) > 3 and not proof.not_covered.endswith(".")
    assert proof.claims or proof.planned or proof.supports, "a proof is of something"
    assert name not in proof.supports and set(proof.supports) <= set(PROOFS)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", planned) for planned in proof.planned)


def test_there_are_enough_of_them():
    assert len(PROOFS) >= 20
    assert sum(bool(proof.coq) for proof in PROOFS.values()) >= 15


# The link


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_has_its_proof_or_is_a_conjecture(name):
    claim = CLAIMS[name]
    if claim.proof == CONJECTURE:
        assert claim.tier == claim.run_tier
    else:
        assert claim.tier == "proved"
        assert name in PROOFS[claim.proof].claims


@pytest.mark.parametrize("name", PROOFS)
def test_a_proof_is_used(name):
    for claim in PROOFS[name].claims:
        assert CLAIMS[claim].proof == name
    assert not set(PROOFS[name].planned) & set(CLAIMS), "planned no longer: move it to CLAIMS"


def test_planned_statements_are_planned_once():
    assert all(count == 1 for count in Counter(p for proof in PROOFS.values() for p in proof.planned).values())


def test_coq_theorems_and_proofs_name_each_other():
    named = {name for proof in PROOFS.values() for name in proof.coq}
    known = set(coq.known())
    assert named <= known, named - known
    assert known - named == {"Approximation.appr_comp"}, "the chain rule is everybody's; any other has a proof file"


# It can fail


def test_wrong_identities_and_signs_are_refused():
    x, n = sp.symbols("x n", real=True)
    f = sp.Function("f")
    for left, right in [(x, -x), (sp.sin(x) ** 2, 1 - sp.cos(x)), (f(x), f(-x)), ((x, 1), (x, 2)), ((x,), (x, x))]:
        with pytest.raises(Disproved):
            equal(left, right)
    equal(sp.sin(x) ** 2, 1 - sp.cos(x) ** 2)
    equal(sp.diff(f(x) ** 2, x), 2 * f(x) * sp.diff(f(x), x))
    equal(sp.Matrix([[x, 0]]), sp.Matrix([[x, 0]]))
    with pytest.raises(Disproved, match="shapes"):
        equal(sp.Matrix([[x, 0]]), sp.Matrix([x, 0]))
    for sign in (positive, negative, nonnegative):
        with pytest.raises(Disproved):
            sign(x - n)
    nonnegative(x**2 + n**2)
    with pytest.raises(Disproved):
        positive(x**2)
    assert total([]) == 0 and total([x, n]) == x + n


def test_an_identity_that_holds_at_one_point_only_is_refused():
    """The point at which wrong identities are refuted is not what accepts right ones."""
    x = sp.Symbol("x", positive=True)
    here = sp.Rational(1, 2)
    with pytest.raises(Disproved):
        equal((x - here) * (x - sp.Rational(18, 101)), 0)


def test_hypotheses_have_to_be_needed():
    z3 = smt.z3()
    a, b = z3.Reals("a b")
    entails([a > 0, b > 0], a * b > 0)
    with pytest.raises(Disproved, match="not needed"):
        entails([a > 0, b > 0], a > 0)
    with pytest.raises(Disproved, match="sat"):
        entails([a > 0], a > 1)
    refutable([a > 0], a > 1)
    with pytest.raises(Disproved, match="no counterexample"):
        refutable([a > 0], a > -1)


def made(tmp_path: Path, text: str) -> Proof:
    path = tmp_path / "made.py"
    path.write_text(text, "utf-8")
    return Proof("made", path)


HEAD = '''"""A title of a proof."""

from subtheory.proof import equal, step

CLAIMS, COQ, SCOPE, NOT_COVERED = (), (), "all n", "nothing at all here"


'''
EMPTY = HEAD + "@step\ndef empty():\n    pass\n"
WRONG = HEAD + "@step\ndef wrong():\n    equal(1 + 1, 3)\n"
DEAF = HEAD + "@step\ndef deaf():\n    unused = 1 + 2\n    equal(1, 1)\n    assert unused\n"


def test_a_step_that_asserts_nothing_fails(tmp_path):
    (ran,) = prove(made(tmp_path, EMPTY))
    assert ran.failed == "the step asserts nothing"


def test_a_wrong_step_says_what_is_wrong(tmp_path):
    (ran,) = prove(made(tmp_path, WRONG))
    assert ran.failed == "2 is not 3"


def test_a_file_that_is_no_proof_is_told_in_one_line(tmp_path):
    with pytest.raises(SubtheoryError, match=r"a proof must define SCOPE, NOT_COVERED$"):
        _ = made(tmp_path, '"""A."""\nCLAIMS = COQ = ()\n').module
    with pytest.raises(SubtheoryError, match="@step"):
        _ = made(tmp_path, HEAD).module


def test_without_z3_a_step_is_skipped_and_says_so(tmp_path, monkeypatch):
    def missing():
        raise Unavailable("z3 is not installed: pip install z3-solver")

    monkeypatch.setattr(smt, "z3", missing)
    text = HEAD.replace("equal, step", "entails, step") + "@step\ndef opinion():\n    entails([], True)\n"
    (ran,) = prove(made(tmp_path, text))
    assert ran.skipped and not ran.failed


def test_mutants_of_what_is_not_asserted_survive(tmp_path):
    proof = made(tmp_path, DEAF)
    alive = {mutant.change for mutant in mutants(proof) if survives(proof, mutant)}
    assert alive == {"Add → Sub", "1 → 2", "2 → 3"}
    wrong = [mutant for mutant in mutants(proof) if mutant.line == 11]
    assert len(wrong) == 2 and not any(survives(proof, mutant) for mutant in wrong)


def test_changed_proofs_fail():
    """A sample; every mutant of every proof is tried by `subtheory prove --mutate`."""
    tried = [(proof, mutant) for proof in PROOFS.values() for mutant in mutants(proof)[::EVERY]]
    alive = [f"{proof.name}, {mutant.line}: {mutant.change}" for proof, mutant in tried if survives(proof, mutant)]
    assert len(tried) > 100 and len(alive) <= (1 - ENOUGH) * len(tried), alive


# The command line


def test_prove_one_and_by_its_claim(capsys):
    assert main(["prove", "alignment-is-ggn-form", "--json"]) == 0
    by_claim = json.loads(capsys.readouterr().out)
    (one,) = by_claim["proofs"]
    assert one["proof"] == CLAIMS["alignment-is-ggn-form"].proof and one["verdict"] == "holds"
    assert "alignment-is-ggn-form" in one["claims"] and by_claim["coq"] is None
    assert main(["prove", one["proof"]]) == 0
    assert "all proofs pass" in capsys.readouterr().out


def test_a_failing_proof_fails_the_command(tmp_path, monkeypatch, capsys):
    made(tmp_path, WRONG)
    monkeypatch.setattr(resources, "proofs", lambda: tmp_path)
    assert main(["prove", "--only", "sympy"]) == 1
    out = capsys.readouterr().out
    assert "made.wrong: FAILS: 2 is not 3" in out and "SOME PROOFS FAIL" in out
    made(tmp_path, DEAF)
    assert main(["prove", "--mutate"]) == 1
    assert "2 of 5 wrong versions are noticed" in capsys.readouterr().out


def test_without_coq_one_line_says_what_to_install(tmp_path, monkeypatch, capsys):
    made(tmp_path, WRONG.replace("3)", "2)"))
    monkeypatch.setattr(resources, "proofs", lambda: tmp_path)
    monkeypatch.setattr(coq.shutil, "which", lambda name: None)
    assert main(["prove"]) == 0
    assert capsys.readouterr().out.count("apt install coq libcoq-coquelicot") == 1


@pytest.mark.parametrize("words", [["no-such-proof"], ["--only", "coq", "--mutate"], ["--only", "lean"]])
def test_bad_words_are_told_in_one_line(words, capsys):
    assert main(["prove", *words]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ") and err.count("\n") == 1 and words[-1].lstrip("-") in err


def test_a_name_is_looked_up_among_proofs_and_claims():
    with pytest.raises(InputError, match="did you mean 'trait-loss-falls'"):
        chosen(["trait-loss-fall"])
    assert len(chosen(["trait-loss-falls", CLAIMS["trait-loss-falls"].proof])) == 1


def test_explain_names_the_proof_and_what_it_leaves_open(capsys):
    assert main(["explain", "trait-loss-falls"]) == 0
    out = capsys.readouterr().out
    assert "Tier: proved" in out and "Proof: proofs/" in out and "Coq: proofs/coq/" in out and "Not covered: " in out
