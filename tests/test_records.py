"""Records survive kills and accidents, or say that they did not."""

import fcntl
import io
import json
import os
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest

from subtheory import files, records
from subtheory.errors import DataError, InputError

ARRAYS = {
    "x": np.linspace(0, 1, 50).reshape(5, 10),
    "file": np.array(["a", "λ"]),
    "n": np.arange(3),
    "s": np.array(2.5),
}


def stored(folder, arrays=ARRAYS, meta=None):
    return records.save(folder, "cell", arrays, meta or {"id": "1"})


def silent(message):
    raise AssertionError(f"said {message}")


def test_round_trip_keeps_values_types_and_order(tmp_path):
    stored(
        tmp_path, ARRAYS | {"f": np.asfortranarray(ARRAYS["x"]), "none": np.zeros((0, 3))}, {"id": "1", "ε": [1, None]}
    )
    arrays, meta = records.load(tmp_path, "cell")
    assert list(arrays) == [*ARRAYS, "f", "none"] and meta == {"id": "1", "ε": [1, None]}
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array, strict=True)
    np.testing.assert_array_equal(arrays["f"], ARRAYS["x"])
    assert arrays["none"].shape == (0, 3)
    with np.load(tmp_path / "cell.npz") as plain:  # anyone's NumPy reads it
        np.testing.assert_array_equal(plain["x"], ARRAYS["x"])


def test_equal_records_are_equal_bytes(tmp_path):
    for folder in ("a", "b"):
        stored(tmp_path / folder)
    for ending in ("json", "npz"):
        assert (tmp_path / f"a/cell.{ending}").read_bytes() == (tmp_path / f"b/cell.{ending}").read_bytes()


@pytest.mark.parametrize("ending", ["json", "npz"])
def test_every_flipped_byte_is_noticed(tmp_path, ending):
    stored(tmp_path)
    path = tmp_path / f"cell.{ending}"
    good = path.read_bytes()
    for i in np.linspace(0, len(good) - 2, 60).astype(int):
        path.write_bytes(good[:i] + bytes([good[i] ^ 1]) + good[i + 1 :])
        try:
            arrays, meta = records.load(tmp_path, "cell")
        except DataError as error:
            assert str(path.parent) in str(error) and "\n" not in str(error) and error.exit_code == 4
        else:  # blanks between the parts of JSON mean nothing
            assert ending == "json" and meta == {"id": "1"}
            np.testing.assert_array_equal(arrays["x"], ARRAYS["x"])


@pytest.mark.parametrize("ending", ["json", "npz"])
@pytest.mark.parametrize("keep", [0.0, 0.5, 0.95, None])
def test_truncated_or_missing(tmp_path, ending, keep):
    stored(tmp_path)
    path = tmp_path / f"cell.{ending}"
    if keep is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    with pytest.raises(DataError, match=rf"cell\.{ending}: "):
        records.load(tmp_path, "cell")


def _with_hash(folder, data):
    """A record whose hashes are right although its arrays are hostile."""
    (folder / "cell.npz").write_bytes(data)
    head = {"meta": {"id": "1"}, "arrays": records._sha256(data)}
    (folder / "cell.json").write_text(json.dumps({"sha256": records.cell_id(head), **head}))


def _zip(entries):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return out.getvalue()


def _npy(shape, data=b"", descr="<f8"):
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": descr, "fortran_order": False, "shape": shape})
    return out.getvalue() + data


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (lambda: _zip({"x.npy": bytes(records.LARGEST + 1)}), "unpacks to more than"),
        (lambda: _zip({"x.npy": _npy((10**12,))}), "does not fit its header"),
        (lambda: _zip({"x.npy": _npy((1,), bytes(8), "|O")}), "does not fit its header"),
        (lambda: _zip({"x.npy": b"no array"}), "corrupt"),
        (lambda: b"no archive", "corrupt"),
    ],
    ids=["bomb", "header", "objects", "no-array", "no-zip"],
)
def test_hostile_archives(tmp_path, data, said):
    _with_hash(tmp_path, data())
    with pytest.raises(DataError, match=said):
        records.load(tmp_path, "cell")


def test_the_hostile_helper_makes_loadable_records(tmp_path):
    _with_hash(tmp_path, _zip({"x.npy": _npy((2,), np.arange(2.0).tobytes())}))
    np.testing.assert_array_equal(records.load(tmp_path, "cell")[0]["x"], [0.0, 1.0])


@pytest.mark.parametrize("key", ["", "../up", "a/b", ".hidden", "a b"])
def test_keys_are_file_names(tmp_path, key):
    with pytest.raises(InputError, match="key"):
        records.save(tmp_path, key, ARRAYS, {})


def test_what_cannot_be_stored(tmp_path):
    with pytest.raises(InputError, match="objects in 'x'"):
        stored(tmp_path, {"x": np.array([None, 1])})
    with pytest.raises(InputError, match="metadata"):
        stored(tmp_path, meta={"id": float("nan")})
    with pytest.raises(InputError, match="exceed"):
        stored(tmp_path, {"x": np.broadcast_to(0.0, (records.LARGEST,))})
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        stored(tmp_path / "file")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_ids_ignore_the_order_of_keys():
    assert records.cell_id({"a": 1, "b": [2]}) == records.cell_id({"b": [2], "a": 1})
    assert records.cell_id({"a": 1}) != records.cell_id({"a": 2})
    assert records.cell_id({"a": 1}) == "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"


def test_computed_resumes_and_recomputes(tmp_path):
    calls = []

    def compute():
        calls.append(1)
        return {"x": np.array([float(len(calls))])}

    def get(identity, tell=silent):
        return records.computed(tmp_path, "cell", {"id": identity}, compute, tell)[0]["x"][0]

    assert get("1") == get("1") == 1.0
    assert get("2") == 2.0  # another id: another record, and nothing to complain of
    said = []
    path = tmp_path / "cell.npz"
    path.write_bytes(path.read_bytes()[:-1])
    assert get("2", said.append) == get("2") == 3.0
    assert len(said) == 1 and "cell.npz: corrupt" in said[0] and "quarantine" in said[0]
    assert len(list((tmp_path / "quarantine").iterdir())) == 2


def test_a_file_is_replaced_not_rewritten(tmp_path):
    """Whoever reads the old file while it is replaced reads it to its end."""
    path = records.write_atomic(tmp_path / "a.txt", "old")
    with path.open() as reader:
        records.write_atomic(path, "new")
        assert reader.read() == "old" and path.read_text() == "new"


def test_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = records.write_atomic(tmp_path / "a.txt", "old")
    monkeypatch.setattr(os, "fsync", lambda fd: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(InputError, match="No space left"):
        records.write_atomic(path, "new")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_left_goes_and_what_is_being_written_stays(tmp_path):
    """However young the one, and old the other: who writes holds a lock, and the dead hold none."""
    left, used = tmp_path / ".a.0.tmp", tmp_path / ".a.1.tmp"
    left.write_text("half")
    with used.open("xb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        records.computed(tmp_path, "cell", {"id": "1"}, lambda: ARRAYS, silent)
        assert not left.exists() and used.exists()


def test_without_locks_age_decides(tmp_path, monkeypatch):
    old, fresh = tmp_path / ".a.0.tmp", tmp_path / ".a.1.tmp"
    for path in (old, fresh):
        path.write_text("half")
    os.utime(old, (time.time() - 2 * records.STALE,) * 2)
    monkeypatch.setattr(files, "fcntl", None)
    records.computed(tmp_path, "cell", {"id": "1"}, lambda: ARRAYS, silent)
    assert not old.exists() and fresh.exists()


def test_a_file_that_is_taken_away_before_its_lock_is_written_again(tmp_path, monkeypatch):
    real, taken = os.replace, []

    def replace(unfinished, place):
        if not taken:
            taken.append(os.unlink(unfinished))
        real(unfinished, place)

    monkeypatch.setattr(os, "replace", replace)
    assert records.write_atomic(tmp_path / "a.txt", "all").read_text() == "all" and taken
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


KILLED = """
import sys
import numpy as np
from subtheory import files, records
for i in range(10**6):
    records.save(sys.argv[1], "cell", {"x": np.full(20000, float(i))}, {"id": str(i)})
    if i == 3:
        print("going", flush=True)
"""


@pytest.mark.parametrize("delay", [0.0, 0.013, 0.029])
def test_a_killed_writer_leaves_no_wrong_record(tmp_path, delay):
    with subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout.readline()
        time.sleep(delay)
        writer.kill()
    try:
        arrays, meta = records.load(tmp_path, "cell")
    except DataError as error:
        assert "SHA-256" in str(error)  # killed between the two files
    else:
        assert set(arrays["x"]) == {float(meta["id"])}


def test_rows_and_columns_are_inverse():
    table = [{"name": "a", "n": 1, "x": 0.1, "ok": True}, {"name": "bc", "n": 2, "x": float("inf"), "ok": False}]
    back = records.rows(records.columns(table))
    assert back == table and [type(v) for v in back[0].values()] == [str, int, float, bool]
    with pytest.raises(InputError, match="columns"):
        records.columns([{"a": 1}, {"b": 1}])
    with pytest.raises(InputError, match="at least one"):
        records.columns([])
