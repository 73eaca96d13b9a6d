"""The Coq development: its files are listed and free of gaps, and a changed statement does not compile."""

import shutil
import subprocess

import pytest

from subtheory import resources
from subtheory.errors import SubtheoryError
from subtheory.proof import coq

FOLDER = resources.proofs() / "coq"
NEEDS_COQ = pytest.mark.skipif(not coq.installed(), reason=coq.TO_INSTALL)

SMALL = {
    "First.v": """From Coq Require Import Reals Lra.
Open Scope R_scope.
(* Theorem in_a_comment: (* nested *) Admitted. *)
Theorem square x : 0 <= x * x.
Proof.
  nra.
Qed.
""",
    "Second.v": """From Subtheory Require Import First.
From Coq Require Import Reals Lra.
Open Scope R_scope.
Lemma helper x : 0 <= x * x + 1.
Proof. pose proof (square x). lra. Qed.
Theorem more x : 0 <= x * x + 2. Proof. pose proof (helper x). lra. Qed.
""",
}


OWN = "pose proof (square x). lra."
GAP = "Variable gap : forall x, 0 <= x * x + 1.\n"


def development(folder, **changes):
    """A development of two files, after some replacements in their text."""
    text = SMALL | {f"{name}.v": change(SMALL[f"{name}.v"]) for name, change in changes.items()}
    for name, source in text.items():
        (folder / name).write_text(source, "utf-8")
    (folder / "_CoqProject").write_text("-R . Subtheory\nFirst.v\nSecond.v\n", "utf-8")
    return folder


def assumed(text):
    return text.replace("Theorem square", "Axiom gap : 0 = 1.\nTheorem square")


def test_every_file_is_listed_and_says_nothing_forbidden():
    for path in coq.files(FOLDER):
        assert not coq._words(path)
        assert len(path.read_text("utf-8").splitlines()) <= 400, path.name
        assert "(* " in "".join(path.read_text("utf-8").splitlines()[:6]), f"{path.name} does not say what it shows"


def test_a_file_that_is_not_listed_is_told(tmp_path):
    (development(tmp_path) / "Third.v").write_text("", "utf-8")
    with pytest.raises(SubtheoryError, match=r"Third\.v"):
        coq.files(tmp_path)


def test_theorems_are_found_and_comments_are_not(tmp_path):
    found = [one for path in coq.files(development(tmp_path)) for one in coq.theorems(path)]
    assert [(one.file, one.name, one.lines) for one in found] == [("First", "square", 4), ("Second", "more", 1)]
    assert coq._words(tmp_path / "First.v") == []


@NEEDS_COQ
def test_an_audit_names_times_and_axioms(tmp_path, monkeypatch):
    monkeypatch.setattr(coq, "_checked", lambda work, modules: (("Coq.Logic.Classical_Prop.classic",), []))
    found = coq.audit(development(tmp_path))
    assert found.ok and found.lemmas == 1 and len(found.theorems) == 2
    assert all(one.axioms for one in found.theorems), "the reals have axioms"


@NEEDS_COQ
@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"First": lambda text: text.replace("0 <= x * x", "0 < x * x")}, "First.v does not compile"),
        ({"Second": lambda text: text.replace("lra. Qed.", "Admitted.", 1)}, "Second.v says Admitted"),
        ({"First": assumed}, "First.v says Axiom"),
        ({"Second": lambda text: text.replace("Lemma helper", f"{GAP}Lemma helper").replace(OWN, "apply gap.")},
         "Second.more rests on"),
    ],
)  # fmt: skip
def test_an_audit_refuses(tmp_path, monkeypatch, changes, wrong):
    monkeypatch.setattr(coq, "_checked", lambda work, modules: ((), []))
    found = coq.audit(development(tmp_path, **changes))
    assert not found.ok and any(problem.startswith(wrong) for problem in found.problems), found.problems


@NEEDS_COQ
def test_coqchk_sees_an_axiom(tmp_path):
    (tmp_path / "First.v").write_text("Axiom gap : 0 = 1.\nTheorem wrong : 0 = 1. Proof. exact gap. Qed.\n", "utf-8")
    assert coq._run(tmp_path, "coqc", *coq.FLAGS, "First.v").returncode == 0
    axioms, problems = coq._checked(tmp_path, ["First"])
    assert axioms == ("Subtheory.First.gap",)
    assert problems == ["coqchk finds the axiom Subtheory.First.gap"]


def test_words_that_cannot_be_read_are_no_pass(tmp_path, monkeypatch):
    with pytest.raises(SubtheoryError, match="cannot be read"):
        coq._printed("Nothing of the kind: at all\n")
    assert coq._printed("Closed under the global context\n") == ()
    assert coq._printed("Axioms:\nA.b\n  : 0 = 1\nc : True\n") == ("A.b", "c")
    silent = subprocess.CompletedProcess([], 0, "CONTEXT SUMMARY\n* Theory: Set is predicative\n", "")
    monkeypatch.setattr(coq, "_run", lambda *command: silent)
    assert coq._checked(tmp_path, ["First"])[1][0].startswith("coqchk: no list of axioms")


# Changed statements: a sign, a hypothesis, a constant

MUTANTS = {
    "steps of either sign lower the loss": ("OneStep", "0 < eta -> 0 < alpha ->", "0 < eta ->"),
    "the loss rises at the same rate": ("OneStep", "(- (alpha * ggn_form", "((alpha * ggn_form"),
    "weights may be negative": ("OneStep", "(forall x, (x < m)%nat -> 0 <= w x)", "(forall x, (x < m)%nat -> True)"),
    "remaining distance falls for longer steps": ("StableSteps", "alpha s * rho s < 2", "alpha s * rho s < 3"),
    "a filter may keep with negative probabilities": ("LabelLaws", "(forall i, (i < n)%nat -> 0 <= c i) ->", ""),
    "thinning takes away twice as much": ("LabelLaws", "0 ((1 - lam) * q)", "0 ((1 - 2 * lam) * q)"),
    "a step twice as long is short enough": ("Descent", "(nrm k v) ^ 2 < 2 * dot", "(nrm k v) ^ 2 < 4 * dot"),
}
NEEDED = {file for file, _, _ in MUTANTS.values()} | {
    "Vectors",
    "Approximation",
    "Derivatives",
    "Losses",
    "Popoviciu",
    "Thresholds",
}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """What the changed files rest on, and themselves, compiled once."""
    work = tmp_path_factory.mktemp("coq")
    for path in coq.files(FOLDER):
        if path.stem in NEEDED:
            shutil.copy(path, work)
            assert coq._run(work, "coqc", *coq.FLAGS, path.name).returncode == 0, path.name
    return work


@NEEDS_COQ
@pytest.mark.parametrize("what", MUTANTS)
def test_a_changed_statement_does_not_compile(compiled, what):
    file, text, changed = MUTANTS[what]
    path = compiled / f"{file}.v"
    source = path.read_text("utf-8")
    assert text in source
    try:
        path.write_text(source.replace(text, changed), "utf-8")
        ran = subprocess.run(["coqc", *coq.FLAGS, path.name], cwd=compiled, capture_output=True, text=True)
    finally:
        path.write_text(source, "utf-8")
    assert ran.returncode != 0
