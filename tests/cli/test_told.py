"""What a verification prints: a line a claim, whatever is not as it should be under it, and no name cut anywhere."""

import io
import re
import sys
from dataclasses import replace

import pytest
from samples import claim, control, holding, mixed, untried

from subtheory.cli import output, terminal
from subtheory.cli.output import claim_lines, print_claims, print_table, summary
from subtheory.verification.results import Verification

LONG = "steps-without-their-part-along-the-teacher-carry-nothing"


def of_a_claim(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("    ")]


def test_what_broke_as_declared_is_folded_and_the_rest_is_not() -> None:
    many = [control(), untried(), replace(control(), without="another", as_declared=False)]
    found = Verification((claim(controls=many),))
    assert [line.split(":")[0].split()[:2] for line in of_a_claim(claim_lines(found))] == [
        ["without", "another"], ["not", "broken"],
    ]  # fmt: skip
    assert claim_lines(found)[1].split()[:5] == ["✓", "holds", found.claims[0].name, "1", "of"]
    every = of_a_claim(claim_lines(found, every=True))
    assert len(every) == 4 and every[0].strip().startswith("measured") and "as declared" in every[1]


def test_where_all_is_well_there_is_a_line_a_claim_and_columns_are_explained_once() -> None:
    lines = claim_lines(holding())
    assert len(lines[: lines.index("")]) == 1 + len(holding().claims)
    assert sum(line.count("margin: ") for line in lines) == 1


def test_the_verdict_counts_everything() -> None:
    assert summary(holding()) == "2 of 2 claims hold; 2 of 2 controls break as declared."
    assert summary(mixed()).startswith("1 of 4 claims hold (1 fails, 1 vacuous, 1 undecided); ")


class Screen(io.StringIO):
    def __init__(self, encoding: str) -> None:
        super().__init__()
        self.told = encoding

    @property
    def encoding(self) -> str:
        return self.told

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("columns", [60, 80, 200])
@pytest.mark.parametrize("every", [False, True])
def test_no_name_is_cut_at_any_width(
    columns: int, encoding: str, every: bool, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    screen = Screen(encoding)
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    found = Verification((*mixed().claims, claim(LONG, controls=[control(), untried("exchangeable-examples")])))
    print_claims(found, every)
    print_table("claims", found.claim_table())
    print_table("without", found.control_table())
    print_table("why", found.untried_table())
    shown = screen.getvalue()
    assert not re.search(r"\x1b\[(\d+;)*3\d", shown)  # no colour
    assert shown.isascii() == (encoding == "ascii")
    names = [LONG, *(each.name for each in mixed().claims)]
    assert all(shown.count(name) >= 2 for name in names) and "exchangeable-examples" in shown
    first = shown.splitlines()[0].split()
    assert first == ["verdict", "claim", "broken", "margin", "runs"][: {60: 2, 80: 3, 200: 5}[columns]]
    under = of_a_claim(shown.split("margin: ")[0].splitlines())
    assert columns == 200 or max(map(len, under)) <= columns


def test_a_pipe_has_all_columns_and_no_colour(capsys: pytest.CaptureFixture[str]) -> None:
    print_claims(mixed())
    shown = capsys.readouterr().out
    assert "\x1b" not in shown and shown.splitlines()[0].split()[-1] == "runs"


def test_a_table_too_wide_for_a_terminal_is_plain_and_one_that_fits_is_ruled(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"claim": LONG, "why": "a reason of several words that can be folded where there is no room for it"}]
    for columns, ruled in ((60, False), (100, True)):
        screen = Screen("utf-8")
        monkeypatch.setattr(sys, "stdout", screen)
        monkeypatch.setenv("COLUMNS", str(columns))
        print_table("why", rows)
        assert ("┃" in screen.getvalue()) == ruled and LONG in screen.getvalue()
    assert terminal.moves(screen) and output.PROSE < 60
