"""Work shared out among processes: all of it is done once, whoever is killed meanwhile."""

import os
import signal
import time
from pathlib import Path

import pytest

from subtheory.errors import InputError
from subtheory.ledger.workers import LIVES, cores, shared_out

GROUPS = [[(i, j) for j in range(5)] for i in range(3)]
ALL = sorted(item for group in GROUPS for item in group)


def ready() -> None:
    """What a process is prepared by."""


def product(item):
    return item[0] * item[1]


def killed_once(item):
    """The worker that comes here first is killed."""
    time.sleep(0.1)  # the parent is not done before the worker starts
    mark = Path(os.environ["SUBTHEORY_TEST_MARK"])
    if os.getpid() != int(os.environ["SUBTHEORY_TEST_PARENT"]) and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return product(item)


def killed_always(item):
    """Every process but the first is killed."""
    time.sleep(0.1)  # the first is not done before the others start
    with Path(os.environ["SUBTHEORY_TEST_MARK"]).open("a") as told:
        told.write(f"{os.getpid()}\n")
    if os.getpid() != int(os.environ["SUBTHEORY_TEST_PARENT"]):
        os.kill(os.getpid(), signal.SIGKILL)
    return product(item)


def test_everything_is_done_once():
    found = list(shared_out(GROUPS, product, product, 3, ready, (), [(7, 7)]))
    assert sorted(item for item, _ in found) == [*ALL, (7, 7)]
    assert all(value == product(item) for item, value in found)


def whose(item):
    """Who does it; what cannot be pickled has to be done where it is."""
    time.sleep(0.02)
    return os.getpid()


def test_what_is_the_parents_own_is_never_sent_away():
    """More processes than groups: one is idle while the parent has much to do that cannot leave it."""
    mine, behind = [(lambda i=i: i) for i in range(60)], []
    found = list(shared_out([[(0, j) for j in range(3)]], whose, whose, 3, ready, (), mine, lambda: behind.append(1)))
    assert {process for item, process in found if callable(item)} == {os.getpid()} and len(found) == 63
    assert behind == [1]


def test_a_killed_worker_loses_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("SUBTHEORY_TEST_MARK", str(tmp_path / "mark"))
    monkeypatch.setenv("SUBTHEORY_TEST_PARENT", str(os.getpid()))
    found = list(shared_out(GROUPS, killed_once, killed_once, 2, ready))
    assert (tmp_path / "mark").exists()
    assert sorted(item for item, _ in found) == ALL
    assert all(value == product(item) for item, value in found)


def test_what_kills_every_worker_is_done_by_the_parent(monkeypatch, tmp_path):
    monkeypatch.setenv("SUBTHEORY_TEST_MARK", str(tmp_path / "mark"))
    monkeypatch.setenv("SUBTHEORY_TEST_PARENT", str(os.getpid()))
    found = dict(shared_out(GROUPS, killed_always, killed_always, 3, ready))
    assert found == {item: product(item) for item in ALL}
    others = {int(line) for line in (tmp_path / "mark").read_text().split()} - {os.getpid()}
    assert len(others) == 2 * LIVES


def refused(item):
    raise InputError("item", item, "must be another")


def test_what_the_work_raises_is_raised_here():
    with pytest.raises(InputError, match="item: must be another, got "):
        list(shared_out(GROUPS, refused, refused, 2, ready))


def test_there_is_a_core():
    assert cores() >= 1
