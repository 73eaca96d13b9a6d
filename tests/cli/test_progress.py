"""Progress: what is said while something runs, how long it says that it will take, and what an interrupt leaves."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from subtheory.claims import CLAIMS
from subtheory.cli import terminal
from subtheory.cli.progress import COUNTED, Pace, duration, kept_under, progress, rounded, told
from subtheory.ledger import parts
from subtheory.ledger.request import Request
from subtheory.networks import Linear
from subtheory.session import Programs
from subtheory.setting.setting import Setting
from subtheory.verification.judgement import judged, planned
from subtheory.verification.plan import jobs


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_nothing_is_said_of_what_is_left_before_there_is_anything_to_go_by() -> None:
    clock = Clock()
    pace = Pace(clock)
    assert pace.left is None and str(pace) == "estimating"
    for clock.now, done in ((0.0, 0), (20.0, 1), (40.0, 2)):
        pace.tell(done, 20)
        assert pace.left is None
    clock.now = 60.0
    pace.tell(3, 20)
    assert pace.left == pytest.approx(17 * 20.0) and str(pace) == "about 6 min left"


def test_kept_parts_say_nothing_about_those_that_are_computed() -> None:
    clock = Clock()
    pace = Pace(clock)
    pace.tell(900, 1000)  # an earlier run had them
    clock.now = 30.0
    pace.tell(910, 1000)
    assert pace.left == pytest.approx(90 * 3.0)
    clock.now = 40.0  # nothing more is done, but time goes by
    assert pace.left == pytest.approx(90 * 3.0 - 10.0)
    pace.tell(0, 7)  # another stage, with parts of its own
    assert pace.left is None and pace.elapsed == 40.0


def test_the_latest_parts_count() -> None:
    clock = Clock()
    pace = Pace(clock)
    for done in range(101):
        pace.tell(done, 200)
        clock.now += 9.0 if done < 50 else 1.0
    assert pace.left == pytest.approx(100 * 1.0 - 1.0)


def test_a_length_of_time_is_no_more_exact_than_it_can_be() -> None:
    assert [rounded(x) for x in (0, 12, 80, 100, 3000, 9000)] == ["5 s", "10 s", "80 s", "2 min", "50 min", "2 h"]
    assert [duration(x) for x in (7, 65, 7201)] == ["0:07", "1:05", "2:00:01"]


def test_a_line_says_what_is_done_and_nothing_of_what_has_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    pace = Pace(Clock())
    assert told(pace, "") == "0:00: starting"
    pace.tell(3, 9)
    monkeypatch.setattr(Programs, "doing", "compiling")
    assert told(pace, "vit, two inits") == "3/9, 0:00, estimating: compiling, vit, two inits"
    pace.tell(9, 9)
    monkeypatch.setattr(Programs, "doing", "")
    assert told(pace, "vit") == "9/9, 0:00: vit", "nothing is left, and nothing to estimate"


def test_a_verification_names_network_instrument_and_claims_and_begins_with_what_is_kept(tmp_path: Path) -> None:
    claims = [CLAIMS["alignment-by-one-jvp"], CLAIMS["cosine-limit"]]
    plan = planned([job for job in jobs(claims, [Setting(Linear())]) if not job.control], (0,))
    request = Request.of("verify", {"of": "a test"})
    said: list[tuple[int, int, str]] = []
    for _ in range(2):  # the second time all of it is kept, and nothing is said
        with parts.keeping(tmp_path, request):
            judged(plan, lambda *each: said.append(each))
    what = "linear, first order, alignment-by-one-jvp and 1 more"
    assert said == [(0, 1, ""), (0, 1, what), (1, 1, what)]


def test_lines_go_where_no_bar_can(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Programs, "doing", "")
    with progress("verify") as say:
        say(0, 2, "a")
        say(2, 2, "b")
    assert capsys.readouterr().err == "verify: 2/2, 0:00: b\n"


class Screen(io.StringIO):
    encoding = "ascii"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_a_bar_stays_in_its_line_at_any_width(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    with progress("verify") as say:
        say(3, 9, "ε, " + "a-long-name-" * 12)
    shown = screen.getvalue()
    lines = [line.split("\x1b[2K")[-1] for line in shown.replace("\r", "\n").splitlines()]
    assert "eps" in shown and "3/9" in shown and shown.isascii() == ("…" not in shown)
    assert max(len(line) for line in lines if "\x1b" not in line) <= columns - 4  # where ^C is written


def test_a_dumb_terminal_has_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "dumb")
    with progress("verify") as say:
        say(9, 9, "all")
    assert "\x1b" not in screen.getvalue() and screen.getvalue().startswith("verify: 9/9")


# An interrupt -------------------------------------------------------------------------------------


def test_an_interrupt_says_what_is_kept() -> None:
    terminal.KEPT.clear()
    assert terminal.interrupted() == "interrupted"
    with progress("verify", COUNTED) as say:
        assert terminal.interrupted() == "interrupted: before anything was begun"
        say(3, 9, "")
        assert terminal.interrupted() == "interrupted: 3 of 9 parts are kept; the same command goes on with the rest"
    assert terminal.interrupted() == "interrupted"
    with progress("prove") as say:
        say(3, 9, "")
        assert terminal.interrupted() == "interrupted: nothing of it is kept"
    with progress("run", kept_under(Path("out{0}/heads"))) as say:
        say(3, 9, "")
        assert "are kept under out{0}/heads; the same" in terminal.interrupted()


BARRED = """
import os, signal, sys, time
from subtheory import cli
from subtheory.cli.progress import COUNTED, progress
signal.signal(signal.SIGINT, cli._interrupted)
with progress("verify", COUNTED) as say:
    say(3, 9, "vit")
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(9)
"""


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no pseudo-terminals")
def test_an_interrupt_puts_the_bar_away_first() -> None:
    ours, theirs = os.openpty()
    with subprocess.Popen([sys.executable, "-c", BARRED], stderr=theirs, env=os.environ | {"TERM": "xterm"}) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                read = os.read(ours, 65536)
            except OSError:  # Linux says so where the other end is closed
                break
            if not read:
                break
            shown += read
    os.close(ours)
    assert process.returncode == 130
    *_, last = shown.decode().removesuffix("\r\n").split("\r")
    assert last == "\x1b[2K\x1b[?25hinterrupted: 3 of 9 parts are kept; the same command goes on with the rest"
