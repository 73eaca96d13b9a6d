"""What the tests cost, by file: seconds, and programs that XLA compiled; a plugin that `conftest.py` registers.

A file's seconds hold the fixtures that it set up. Programs that a test's subprocesses compile are not counted.
"""

from collections.abc import Iterator
from time import perf_counter
from typing import NamedTuple

import jax
import pytest

SHOWN = 15
"""Rows of the table: the files that cost most."""


class Cost(NamedTuple):
    tests: int = 0
    seconds: float = 0.0
    programs: int = 0

    def plus(self, other: "Cost") -> "Cost":
        return Cost(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


class Costs:
    """Measured where a test runs; with xdist a worker sends its own when it ends."""

    def __init__(self) -> None:
        self.by_file: dict[str, Cost] = {}
        self._programs = 0
        jax.monitoring.register_event_duration_secs_listener(self._heard)

    def _heard(self, event: str, duration_secs: float, **_: object) -> None:
        self._programs += event == "/jax/core/compile/backend_compile_duration"

    def add(self, file: str, cost: Cost) -> None:
        self.by_file[file] = self.by_file.get(file, Cost()).plus(cost)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        began, had = perf_counter(), self._programs
        try:
            return (yield)
        finally:
            self.add(item.nodeid.partition("::")[0], Cost(1, perf_counter() - began, self._programs - had))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["costs"] = {file: [*cost] for file, cost in self.by_file.items()}

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object, error: object) -> None:
        for file, cost in getattr(node, "workeroutput", {}).get("costs", {}).items():
            self.add(file, Cost(*cost))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if len(self.by_file) > 1:
            terminalreporter.section("what the tests cost, by file")
            for line in table(self.by_file):
                terminalreporter.write_line(line)


def table(by_file: dict[str, Cost], shown: int = SHOWN) -> list[str]:
    """The files that took longest, longest first, then all of them together."""
    total = Cost()
    for cost in by_file.values():
        total = total.plus(cost)
    longest = sorted(by_file.items(), key=lambda pair: -pair[1].seconds)[:shown]
    rows = [*longest, (f"all {len(by_file)} files", total)]
    width = max(len(name) for name, _ in rows)
    heading = f"{'file':{width}}  {'tests':>6}  {'seconds':>8}  {'programs compiled':>17}"
    return [heading, *(f"{name:{width}}  {c.tests:6}  {c.seconds:8.1f}  {c.programs:17}" for name, c in rows)]
