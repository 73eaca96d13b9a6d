"""The Coq development: compiled in order in a folder of its own, audited, and checked again by coqchk."""

import re
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from subtheory import resources
from subtheory.errors import SubtheoryError

TO_INSTALL = "not run, Coq with Coquelicot was not found; on Debian or Ubuntu: apt install coq libcoq-coquelicot"

ALLOWED = frozenset(
    {
        "ClassicalDedekindReals.sig_not_dec",
        "ClassicalDedekindReals.sig_forall_dec",
        "FunctionalExtensionality.functional_extensionality_dep",
        "Classical_Prop.classic",
    }
)
"""The axioms that the libraries build the real numbers from; a proof may rest on nothing else."""

SHORT = {
    "sig_not_dec": "R",
    "sig_forall_dec": "R",
    "functional_extensionality_dep": "funext",
    "classic": "classic",
}
"""How a table names them: the first two are what the real numbers are built from."""

FORBIDDEN = ("Admitted", "admit", "Axiom", "Axioms", "Parameter", "Parameters", "Conjecture", "bypass_check")
FLAGS = ("-w", "-ambiguous-paths", "-R", ".", "Subtheory")
LIMIT = 600
"""Seconds for one file, and for coqchk."""

_DECLARED = re.compile(rb"^\s*(Theorem|Lemma|Corollary|Fact)\s+([\w']+)", re.MULTILINE)
_TIMED = re.compile(r"^Chars (\d+) - (\d+) .*\] ([\d.]+) secs", re.MULTILINE)


@dataclass(frozen=True)
class Theorem:
    """A main result: where it stands, its length with its proof, and the axioms that it rests on."""

    file: str
    name: str
    lines: int
    seconds: float = 0.0
    axioms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Audit:
    """What was compiled, and everything that is wrong with it."""

    version: str
    theorems: tuple[Theorem, ...]
    lemmas: int
    lines: int
    axioms: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return bool(self.theorems) and not self.problems


def installed() -> bool:
    """Whether Coq is there, its checker, and the library of real analysis."""
    if not (shutil.which("coqc") and shutil.which("coqchk")):
        return False
    where = subprocess.run(["coqc", "-where"], capture_output=True, text=True).stdout.strip()
    return (Path(where) / "user-contrib" / "Coquelicot").is_dir()


def files(folder: Path) -> list[Path]:
    """The sources in the order of `_CoqProject`. Raises SubtheoryError unless it lists exactly what is there."""
    listed = [folder / line for line in (folder / "_CoqProject").read_text("utf-8").split() if line.endswith(".v")]
    if odd := set(listed) ^ set(folder.glob("*.v")):
        raise SubtheoryError(f"{folder / '_CoqProject'}: {', '.join(sorted(path.name for path in odd))} not matched")
    return listed


def theorems(path: Path) -> list[Theorem]:
    """The results of a file that are declared `Theorem`, without times and axioms."""
    return [found for kind, found, _ in _declarations(path) if kind == "Theorem"]


def known() -> dict[str, Theorem]:
    """Every theorem of `proofs/coq` as File.theorem; nothing is compiled."""
    folder = resources.proofs() / "coq"
    return {f"{path.stem}.{one.name}": one for path in files(folder) for one in theorems(path)}


def audit(folder: Path) -> Audit:
    """Compile all files afresh, ask each theorem for its assumptions, and let coqchk check the result.

    Problems are: a file that does not compile, a forbidden word, an axiom that is not allowed, and whatever
    coqchk has to say.
    """
    sources = files(folder)
    problems = [problem for path in sources for problem in _words(path)]
    timed: list[Theorem] = []
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        for path in sources:
            shutil.copy(path, work / path.name)
            ran = _run(work, "coqc", "-time", *FLAGS, path.name)
            if ran.returncode:
                problems.append(f"{path.name} does not compile: {_one_line(ran.stderr)}")
                return _result(sources, timed, (), problems)
            timed += _timed(path, ran.stdout)
        with ThreadPoolExecutor() as both:  # each takes a core for a minute or two
            printed = both.submit(_axioms, work, timed)
            used, wrong = both.submit(_checked, work, [path.stem for path in sources]).result()
            timed = [replace(one, axioms=axioms) for one, axioms in zip(timed, printed.result(), strict=True)]
        problems += [
            f"{one.file}.{one.name} rests on {axiom}"
            for one in timed
            for axiom in one.axioms
            if not any(axiom == allowed or allowed.endswith("." + axiom) for allowed in ALLOWED)
        ]
    return _result(sources, timed, used, [*problems, *wrong])


def _result(sources: list[Path], timed: list[Theorem], axioms: tuple[str, ...], problems: list[str]) -> Audit:
    declared = [found for path in sources for found in _declarations(path)]
    return Audit(
        version=subprocess.run(["coqc", "-print-version"], capture_output=True, text=True).stdout.split()[0],
        theorems=tuple(timed),
        lemmas=sum(kind != "Theorem" for kind, _, _ in declared),
        lines=sum(len(path.read_text("utf-8").splitlines()) for path in sources),
        axioms=axioms,
        problems=tuple(problems),
    )


def _declarations(path: Path) -> list[tuple[str, Theorem, tuple[int, int]]]:
    """Kind, theorem and byte range of every result in a file."""
    text = uncommented(path.read_bytes())
    found = []
    for match in _DECLARED.finditer(text):
        end = text.find(b"Qed.", match.start())
        end = len(text) if end < 0 else end + 4
        lines = text.count(b"\n", match.start(1), end) + 1
        found.append((match[1].decode(), Theorem(path.stem, match[2].decode(), lines), (match.start(1), end)))
    return found


def uncommented(text: bytes) -> bytes:
    """Comments, nested ones too, blanked out; every byte keeps its place."""
    out, depth, begun = [], 0, 0
    for mark in re.finditer(rb"\(\*|\*\)", text):
        opens = mark[0] == b"(*"
        if not depth and opens:
            out.append(text[begun : mark.start()])
            begun = mark.start()
        elif depth == 1 and not opens:
            out.append(re.sub(rb"[^\n]", b" ", text[begun : mark.end()]))
            begun = mark.end()
        depth = max(0, depth + (1 if opens else -1))
    rest = text[begun:]
    return b"".join([*out, re.sub(rb"[^\n]", b" ", rest) if depth else rest])


def _words(path: Path) -> list[str]:
    text = uncommented(path.read_bytes()).decode("utf-8")
    return [f"{path.name} says {word}" for word in FORBIDDEN if re.search(rf"\b{word}\b", text)]


def _timed(path: Path, output: str) -> list[Theorem]:
    times = [(int(start), float(seconds)) for start, _, seconds in _TIMED.findall(output)]
    return [
        replace(one, seconds=sum(seconds for start, seconds in times if first <= start < last))
        for kind, one, (first, last) in _declarations(path)
        if kind == "Theorem"
    ]


def _axioms(work: Path, found: list[Theorem]) -> list[tuple[str, ...]]:
    """What `Print Assumptions` says of each theorem."""
    modules = sorted({one.file for one in found})
    lines = [f"From Subtheory Require {module}." for module in modules]
    lines += [f'Redirect "axioms{i}" Print Assumptions {one.file}.{one.name}.' for i, one in enumerate(found)]
    (work / "Audit.v").write_text("\n".join(lines), "utf-8")
    ran = _run(work, "coqc", *FLAGS, "Audit.v")
    if ran.returncode:
        raise SubtheoryError(f"Print Assumptions: {_one_line(ran.stderr)}")
    return [_printed((work / f"axioms{i}.out").read_text("utf-8")) for i in range(len(found))]


def _printed(text: str) -> tuple[str, ...]:
    """The axioms in the words of `Print Assumptions`. Raises SubtheoryError if they cannot be read."""
    names = tuple(re.findall(r"^([\w.']+)(?= :|$)", text, re.MULTILINE))
    if not names and "Closed under the global context" not in text:
        raise SubtheoryError(f"Print Assumptions: cannot be read: {_one_line(text)}")
    return names


def _checked(work: Path, modules: list[str]) -> tuple[tuple[str, ...], list[str]]:
    """Axioms in the context of everything that coqchk checked, and its complaints."""
    ran = _run(work, "coqchk", "-silent", "-o", "-R", ".", "Subtheory", *(f"Subtheory.{module}" for module in modules))
    told = ran.stdout + ran.stderr
    if ran.returncode or "CONTEXT SUMMARY" not in told:
        return (), [f"coqchk: {_one_line(told)}"]
    parts = dict(re.findall(r"^\* ([^:\n]+):(.*?)(?=^\*|\Z)", told, re.MULTILINE | re.DOTALL))
    if "Axioms" not in parts:
        return (), [f"coqchk: no list of axioms in what it says: {_one_line(told)}"]
    axioms = tuple(sorted(set(parts.pop("Axioms").split())))
    problems = [
        f"coqchk finds the axiom {axiom}"
        for axiom in axioms
        if axiom != "<none>" and not any(axiom.endswith(allowed) for allowed in ALLOWED)
    ]
    unsafe = [(name, text.split()) for name, text in parts.items() if name != "Theory"]
    return axioms, problems + [f"coqchk: {name}: {' '.join(text)}" for name, text in unsafe if text != ["<none>"]]


def _run(work: Path, *command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=LIMIT)
    except subprocess.TimeoutExpired as error:
        return subprocess.CompletedProcess(command, 1, "", f"no answer after {error.timeout:g} s")


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300] or "no message"
