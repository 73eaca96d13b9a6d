"""Mutants of the theory and the instruments: one operator, sign, number or index changed, which tests have to notice.

    python scripts/mutants.py --count 200 --seed 0
    python scripts/mutants.py --count 200 --seed 0 --again     # only those that were not noticed before

draws a sample stratified by module, and puts one mutant after the other into a copy of the tree. The tests that ran the
changed line come first, those of the file that mirrors the module before the others and the fast ones before the slow;
then the rest of their files and the other tests of the module, those of its claims among them. The first failure ends
it. Which test runs which line is recorded once by coverage.py, into the folder `--out`, beside what is found: a line of
JSON each, so that a run that was killed goes on. Mutants that change nothing stand in `mutants.toml` with the reason.
"""

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import coverage
import pytest
from mutations import MUTATED, PACKAGE, ROOT, Mutant, sample, text

COPIED = ("src", "tests", "proofs", "experiments", "docs", "scripts", "pyproject.toml", "README.md")

FIRST, REST = 15.0, 30.0
"""Seconds of tests that are tried on a mutant, as they took when lines were recorded: that run its line, and others."""

LIMIT = 120
"""CPU seconds after which a process has gone astray."""

# Which test runs which line -------------------------------------------------------------------------


class Recorder:
    """A plugin of pytest's: from one test to the next the context of coverage.py changes, and seconds are counted."""

    def __init__(self, measured: Any) -> None:
        self.measured, self.seconds = measured, dict[str, float]()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: Any) -> Iterator[None]:
        self.measured.switch_context(item.nodeid)
        began = sum(os.times()[:2])
        try:
            return (yield)
        finally:
            self.seconds[item.nodeid] = sum(os.times()[:2]) - began


def tests() -> list[str]:
    """What may notice a mutant: the tests of what is mutated, and those that are about one kind of claims."""
    claims = sorted((ROOT / "tests" / "claims").rglob("test_*_claims.py"))
    return [*(f"tests/{name}" for name in MUTATED), *(str(path.relative_to(ROOT)) for path in claims)]


def record(file: Path, paths: list[str]) -> int:
    """Run tests, and write which of them runs which line, beside what is known of others; in a process of its own."""
    measured = coverage.Coverage(
        str(file.with_name(".coverage")), branch=True, source=[f"subtheory.{name}" for name in MUTATED]
    )
    measured.start()
    recorder = Recorder(measured)
    failed = pytest.main(["-q", "-p", "no:cacheprovider", *paths], plugins=[recorder])
    measured.stop()
    measured.save()
    known = Known.read(file).without(paths) if file.exists() else Known({}, {})
    data = measured.get_data()
    for path in data.measured_files():
        lines = known.lines.setdefault(str(Path(path).relative_to(Path.cwd())), {})
        for line, tests in data.contexts_by_lineno(path).items():
            lines.setdefault(str(line), []).extend(filter(None, tests))
    file.write_text(json.dumps(asdict(Known(known.seconds | recorder.seconds, known.lines))), "utf-8")
    return int(failed)


@dataclass(frozen=True)
class Known:
    """What the tests run: seconds by test, and tests by file and line."""

    seconds: dict[str, float]
    lines: dict[str, dict[str, list[str]]]

    @classmethod
    def read(cls, file: Path) -> "Known":
        return cls(**json.loads(file.read_text("utf-8")))

    def without(self, paths: list[str]) -> "Known":
        """What is known of the tests of other files."""
        kept = {test: seconds for test, seconds in self.seconds.items() if _file(test) not in paths}
        lines = {
            path: {line: [test for test in tests if test in kept] for line, tests in each.items()}
            for path, each in self.lines.items()
        }
        return Known(kept, lines)

    def tests(self, mutant: Mutant) -> tuple[list[str], list[str]]:
        """Those that run the line of a mutant, and others: of the same files, then all that run its module."""
        lines = self.lines.get(mutant.path, {})
        module = dict.fromkeys(test for tests in lines.values() for test in tests)
        ran = [int(line) for line, tests in lines.items() if tests and int(line) <= mutant.line]
        own = lines[str(max(ran))] if ran else []  # of an expression over several lines only some are recorded
        files = {_file(test) for test in own}
        mirrored = Path(mutant.path).stem
        order = lambda test: (mirrored not in _file(test), self.seconds[test])  # noqa: E731
        first = self.within(sorted(own, key=order), FIRST)
        beside = [test for test in self.seconds if _file(test) in files]
        rest = [*sorted(beside, key=order), *sorted(module, key=order)]
        return first, self.within([test for test in dict.fromkeys(rest) if test not in first], REST)

    def within(self, tests: list[str], seconds: float) -> list[str]:
        """As many as fit, and at least one."""
        found: list[str] = []
        for test in tests:
            if not found or sum(self.seconds[each] for each in found) + self.seconds[test] <= seconds:
                found.append(test)
        return found


def _file(test: str) -> str:
    return test.partition("::")[0]


# One mutant -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tree:
    """A copy of the checkout in which one file at a time is changed."""

    folder: Path

    @classmethod
    def copied(cls, folder: Path) -> "Tree":
        shutil.rmtree(folder, ignore_errors=True)
        for name in COPIED:
            whole, to = ROOT / name, folder / name
            to.parent.mkdir(parents=True, exist_ok=True)
            if whole.is_dir():
                shutil.copytree(whole, to, ignore=shutil.ignore_patterns("__pycache__", ".*"))
            else:
                shutil.copy(whole, to)
        return cls(folder)

    def python(self, *arguments: str, limit: int | None = LIMIT) -> tuple[int, str, float]:
        """Exit code, output and CPU seconds of a process in the copy; a negative code is the signal that ended it."""
        cache = self.folder.parent / "programs"
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(self.folder / "src"), *filter(None, [os.environ.get("MUTANTS_PATH")])]),
            "PYTHONDONTWRITEBYTECODE": "1", "CI": "1", "NPROC": "1", "TF_CPP_MIN_LOG_LEVEL": "3",
            "JAX_COMPILATION_CACHE_DIR": str(cache), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }  # fmt: skip
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        # Not by a function in the child, for which Python would fork a process with JAX's threads.
        limited = [] if limit is None else ["prlimit", f"--cpu={limit}:{limit + 5}"]
        ran = subprocess.run(
            [*limited, sys.executable, *arguments], cwd=self.folder, env=environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return ran.returncode, ran.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def judged(self, mutant: Mutant, known: Known) -> dict[str, Any]:
        """How a mutant fares: killed, timed out or survived, by what, and the CPU seconds that it took."""
        file = self.folder / mutant.path
        sound = file.read_text("utf-8")
        file.write_text(text(mutant), "utf-8")
        total = 0.0
        try:
            for tests in filter(None, known.tests(mutant)):
                code, output, seconds = self.python("-m", "pytest", *QUIETLY, *tests)
                total += seconds
                if code == -signal.SIGTERM:  # stopped from outside: nothing was found out
                    raise KeyboardInterrupt
                if code in UNTRIED and not self.collects(file, sound, tests):
                    raise SystemExit(output)
                if code:
                    astray = code in (-signal.SIGXCPU, -signal.SIGKILL)
                    return _found(mutant, "timed out" if astray else "killed", _why(output), total)
            return _found(mutant, "survived", "", total)
        finally:
            file.write_text(sound, "utf-8")

    def collects(self, file: Path, sound: str, tests: list[str]) -> bool:
        """Whether there are these tests where a file is as it was: then its mutant keeps them from being imported."""
        file.write_text(sound, "utf-8")
        return self.python("-m", "pytest", *QUIETLY, "--collect-only", *tests)[0] == pytest.ExitCode.OK


UNTRIED = (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED)
"""Codes of pytest where there is no such test, and where a module cannot be imported."""

QUIETLY = ("-x", "-q", "--no-header", "--tb=line", "-p", "no:cacheprovider")


def _found(mutant: Mutant, outcome: str, by: str, seconds: float) -> dict[str, Any]:
    return asdict(mutant) | {"outcome": outcome, "by": by, "seconds": round(seconds, 1)}


def _why(output: str) -> str:
    """The line that says which test failed, or the last one."""
    lines = [line for line in output.splitlines() if line.strip()]
    return next((line for line in lines if line.startswith(("FAILED", "ERROR"))), lines[-1] if lines else "")[:300]


# What was found -------------------------------------------------------------------------------------


def latest(file: Path) -> dict[Mutant, dict[str, Any]]:
    """The last finding about each mutant."""
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    names = [each.name for each in fields(Mutant)]
    return {Mutant(**{name: found[name] for name in names}): found for found in map(json.loads, lines)}


def equivalent() -> dict[str, str]:
    """Reasons why mutants change nothing, by name."""
    return dict(tomllib.loads((ROOT / "scripts" / "mutants.toml").read_text("utf-8"))["equivalent"])


OUTCOMES = ("killed", "timed out", "survived", "equivalent")


def counted(found: list[dict[str, Any]], by: str) -> str:
    """A table in Markdown, a row for each value of a field of what was found; the score leaves equivalent ones out."""
    each: dict[str, Counter[str]] = defaultdict(Counter)
    for one in found:
        for name in (one[by].removeprefix(f"{PACKAGE}/"), "all"):
            each[name][one["outcome"]] += 1
    lines = [["", "mutants", *OUTCOMES, "score"], ["---"] * (len(OUTCOMES) + 3)]
    for name in sorted(each, key=lambda name: (name == "all", name)):
        n = each[name]
        lines.append([name, str(n.total()), *(str(n[outcome]) for outcome in OUTCOMES), score(n)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def score(counts: Counter[str]) -> str:
    """Killed or timed out, of those that are not equivalent."""
    noticed, total = counts["killed"] + counts["timed out"], counts.total() - counts["equivalent"]
    return f"{100 * noticed / total:.1f} %" if total else "—"


def told(found: list[dict[str, Any]], reasons: dict[str, str]) -> str:
    """Tables by operator and by module, then what survived, in Markdown."""
    parts = [counted(found, "operator"), counted(found, "path")]
    for outcome in ("survived", "equivalent"):
        listed = sorted(one["name"] for one in found if one["outcome"] == outcome)
        parts.append(f"{outcome.capitalize()}: {len(listed)}")
        parts.append("\n".join(f"- `{name}`{': ' * (name in reasons)}{reasons.get(name, '')}" for name in listed))
    return "\n\n".join(filter(None, parts)) + "\n"


# The command line -----------------------------------------------------------------------------------


def main() -> int:
    """Write the tables of docs/mutants.md, after the progress on standard error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "mutants")
    parser.add_argument("--again", action="store_true", help="try once more those that survived")
    parser.add_argument("--renew", nargs="+", default=[], metavar="FILE", help="record lines of these test files anew")
    parser.add_argument("--record", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.record:
        return record(Path(args.record[0]), args.record[1:])
    args.out.mkdir(parents=True, exist_ok=True)
    tree, lines = Tree.copied(args.out.resolve() / "tree"), args.out.resolve() / "lines.json"
    if unknown := args.renew if lines.exists() else tests():
        code, output, _ = tree.python("scripts/mutants.py", "--record", str(lines), *unknown, limit=None)
        if code:
            print(output, file=sys.stderr)
            return 2
    known, reasons = Known.read(lines), equivalent()
    file = args.out / f"{args.count}-{args.seed}.jsonl"
    found, drawn = latest(file), sample(args.count, args.seed)
    for i, mutant in enumerate(drawn):
        before = found.get(mutant)
        if before and not (args.again and before["outcome"] == "survived" and mutant.name not in reasons):
            continue
        one = tree.judged(mutant, known)
        with file.open("a", encoding="utf-8") as written:
            written.write(json.dumps(one, ensure_ascii=False) + "\n")
        print(i, one["outcome"], one["seconds"], one["operator"], mutant.name, one["by"], sep="  ", file=sys.stderr)
    found = latest(file)
    mine = [found[mutant] | {"name": mutant.name} for mutant in drawn if mutant in found]
    print(told([one | {"outcome": "equivalent"} if one["name"] in reasons else one for one in mine], reasons))
    return 0


if __name__ == "__main__":
    sys.exit(main())
