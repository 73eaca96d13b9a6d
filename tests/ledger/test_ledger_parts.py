"""Parts of a run: kept once, taken again bit for bit, computed by whoever is asked for them."""

import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

from subtheory import records
from subtheory.errors import InputError, SubtheoryError
from subtheory.ledger import parts, request, store
from subtheory.ledger.engines import Executed, Shard
from subtheory.ledger.request import Request
from subtheory.ledger.work import work


def test_outside_a_run_nothing_is_kept(tmp_path):
    rows = [{"a": 1, "b": 2.5, "c": "x", "d": True, "e": float("nan")}, {"a": np.int64(2), "b": np.float32(0.1)}]
    found = parts.kept("a", lambda: rows)
    assert found[1] == {"a": 2, "b": float(np.float32(0.1))} and type(found[0]["a"]) is int and found[0]["d"] is True
    assert parts.kept("a", lambda: [1]) == [1]
    with pytest.raises(SubtheoryError, match="part 'a': must be rows of numbers and text"):
        parts.kept("a", lambda: [object()])


def test_parts_are_of_one_identity_and_one_name(tmp_path):
    calls = []
    compute = lambda: calls.append(0) or [{"x": -0.0, "y": 1, "z": 1e-320}, {"x": 0.1 + 0.2, "y": 2.5, "z": np.inf}]  # noqa: E731
    with pytest.raises(ZeroDivisionError), parts.keeping(tmp_path / "parts", Request.of("experiment", {"a": 1})):
        first = parts.kept("one", compute)
        assert str(first[0]["x"]) == "-0.0" and type(first[0]["y"]) is int and first[1]["x"] == 0.1 + 0.2
        raise ZeroDivisionError
    with parts.keeping(tmp_path / "parts", Request.of("experiment", {"a": 1})):
        assert repr(parts.kept("one", compute)) == repr(first) and len(calls) == 1
        with pytest.raises(SubtheoryError, match="a name of its own"):
            parts.kept("one", compute)
    assert parts.kept("one", compute) and len(calls) == 2, "nothing is left behind after the run"
    with parts.keeping(tmp_path / "parts", Request.of("experiment", {"a": 2})):
        parts.kept("one", compute)
    assert len(calls) == 3


def test_a_corrupt_part_is_put_aside_and_computed_again(tmp_path, capsys):
    with parts.keeping(tmp_path, Request.of("experiment", {})):
        parts.kept("one", lambda: [1])
    (data,) = tmp_path.rglob("*.npz")
    data.write_bytes(data.read_bytes()[:-2])
    with parts.keeping(tmp_path, Request.of("experiment", {})):
        assert parts.kept("one", lambda: [2]) == [2]
    assert "corrupt" in capsys.readouterr().err and list(tmp_path.rglob("quarantine/*"))


def test_a_part_that_its_name_says_is_computed_where_it_is_wanted_and_nowhere_else(tmp_path):
    told = []

    def compute(name):
        told.append(name)
        return {"length": np.array(len(name))}

    parts.answer(compute)
    place = store.Store.under(tmp_path, Request.of("test", {}))
    with parts.answering(place, "seven"), pytest.raises(parts.Done):
        parts.answer(compute)
    assert told == ["seven"] and place.found("seven") == {"length": 5}


# A run of this module, which other processes replay -------------------------------------------------


def rows(n, mark):
    """Squares, each computed where `mark` says who did it; 7 is refused, and 13 kills its first worker."""
    with open(mark, "a") as told:
        told.write(f"{n} {os.getpid()}\n")
    if n == 7:
        raise InputError("n", n, "must be another")
    return [{"n": n, "square": n * n / 3}]


def whole(about):
    """Two batches: the second needs the first."""
    first = parts.each({f"square {n}": lambda n=n: rows(n, about["mark"]) for n in about["numbers"]})
    total = sum(found[0]["square"] for found in first.values())
    return total, parts.each({f"again {n}": lambda n=n: [{"n": n, "share": n / total}] for n in about["numbers"]})


def replay(about):
    whole(about)


@pytest.fixture
def asked(tmp_path, monkeypatch):
    monkeypatch.setitem(request.KINDS, "test", __name__)
    return {"mark": str(tmp_path / "mark"), "numbers": list(range(6))}


def computed(asked):
    with open(asked["mark"]) as told:
        return sorted(int(line.split()[0]) for line in told)


def test_any_executor_computes_the_same_and_nothing_twice(asked, tmp_path):
    """Its workers know nothing but the request, and come to their part by going through the run."""
    alone = whole(asked)
    os.unlink(asked["mark"])
    with ThreadPoolExecutor(2) as pool, parts.keeping(tmp_path, Request.of("test", asked), Executed(pool)) as kept:
        assert whole(asked) == alone and (kept.computed, kept.taken) == (12, 0)
    assert computed(asked) == asked["numbers"]
    with parts.keeping(tmp_path, Request.of("test", asked)) as kept:
        assert whole(asked) == alone and (kept.computed, kept.taken) == (0, 12)
    assert computed(asked) == asked["numbers"]


def test_what_a_part_raises_elsewhere_is_raised_here_once_the_others_are_done(asked, tmp_path):
    asked["numbers"] = [6, 7, 8]
    with (
        ThreadPoolExecutor(1) as pool,
        parts.keeping(tmp_path, Request.of("test", asked), Executed(pool)) as kept,
        pytest.raises(InputError, match="n: must be another, got 7"),
    ):
        whole(asked)
    assert computed(asked) == [6, 7, 8] and kept.store.found("square 8") is not None
    assert "square 7" in (kept.store.folder / f"{kept.store.key('square 7')}.error.json").read_text()


def test_shards_are_apart_and_together_all_there_is(asked, tmp_path):
    alone = whole(asked)
    os.unlink(asked["mark"])
    for _ in range(2):  # the second batch needs the whole of the first
        for i in (1, 2, 3):
            with parts.keeping(tmp_path, Request.of("test", asked), Shard.read(f"{i}/3")):
                try:
                    whole(asked)
                except parts.Elsewhere as error:
                    assert error.exit_code == 3 and "still missing" in str(error)
    assert computed(asked) == asked["numbers"]
    with parts.keeping(tmp_path, Request.of("test", asked)) as kept:
        assert whole(asked) == alone and kept.computed == 0


@pytest.mark.parametrize("text", ["", "0/3", "4/3", "1", "a/b", "1/0", "1/3/5", "-1/3"])
def test_a_shard_that_is_none(text):
    with pytest.raises(InputError, match="shard: must be I/N"):
        Shard.read(text)


def test_a_worker_with_other_code_or_versions_refuses(asked, tmp_path):
    """What it would compute is another number under the same name."""
    wanted = Request.of("test", asked)
    for changed, said in ((records.canonical({"jax": "0"}), "jax"), (wanted.machine, "other code")):
        code = wanted.code if changed != wanted.machine else "0" * 64
        other = store.Store.under(tmp_path, Request("test", wanted.about, code, changed))
        work(other, False, "square 1")
        assert said in str(other.failure("square 1")) and other.found("square 1") is None


def test_a_request_is_known_by_all_that_decides_its_numbers(asked, monkeypatch):
    one = Request.of("test", asked)
    assert one == Request.of("test", dict(reversed(asked.items()))) and not one.differs()
    others = [Request.of("verify", asked), Request.of("test", {**asked, "numbers": [1]})]
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=true")
    others.append(Request.of("test", asked))
    assert len({one.id, *(each.id for each in others)}) == 4 and "XLA_FLAGS" in one.differs()


def test_a_cache_keeps_the_latest_requests_and_a_folder_all(asked, tmp_path):
    several = [Request.of("test", {**asked, "numbers": [n]}) for n in range(1, 5)]
    (tmp_path / ("0" * 16)).mkdir()  # somebody else's
    for i, one in enumerate(several):
        with parts.keeping(tmp_path, one) as kept:
            whole(one.asked)
        os.utime(kept.store.folder, (i, i))
    names = [f"test-{one.id[:16]}" for one in several]
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {*names, "0" * 16}
    store.prune(tmp_path, 2)
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {*names[-2:], "0" * 16}
    with parts.keeping(tmp_path, several[-1], fresh=True) as kept:
        whole(several[-1].asked)
    assert kept.taken == 0


def test_a_pool_whose_workers_die_is_an_error_of_one_line(asked, tmp_path):
    with (
        ProcessPoolExecutor(1, get_context("spawn"), initializer=os._exit, initargs=(9,)) as pool,
        parts.keeping(tmp_path, Request.of("test", asked), Executed(pool)),
        pytest.raises(store.PartFailed, match="BrokenProcessPool"),
    ):
        whole(asked)
