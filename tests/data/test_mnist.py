"""MNIST from a file, a folder or a client: the same arrays from each, and one clear line for what cannot be used."""

import gzip
import struct
import sys
import types
import warnings

import numpy as np
import pytest

from subtheory.data import MNIST, mnist
from subtheory.errors import InputError
from subtheory.trained.images import first_classes, mnist_images, pixels


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (50, 28, 28), np.uint8), rng.integers(0, 10, 50, np.uint8)
    return mnist.Mnist(x[:40], y[:40], x[40:], y[40:])


def write_idx(folder, arrays, ending="", dash="-"):
    folder.mkdir()
    for name, stem in mnist.FILES.items():
        array = getattr(arrays, name)
        raw = struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()
        path = folder / f"{stem}{dash}idx{array.ndim}-ubyte{ending}"
        path.write_bytes(gzip.compress(raw) if ending else raw)
    return folder


def same(found, wanted):
    return all(np.array_equal(a, b) and a.dtype == np.uint8 for a, b in zip(found, wanted, strict=True))


def test_every_source_gives_the_same_arrays(arrays, tmp_path, monkeypatch):
    np.savez(tmp_path / "mnist.npz", **arrays._asdict())
    for where in (
        tmp_path / "mnist.npz",
        write_idx(tmp_path / "raw", arrays),
        write_idx(tmp_path / "gzipped", arrays, ".gz"),
        write_idx(tmp_path / "dotted", arrays, dash="."),
    ):
        assert same(mnist.read(where), arrays) and same(mnist.read(str(where)), arrays)

    def client(name, *, version, as_frame, parser):
        """What scikit-learn's gives: both sets in one, pixels as numbers and labels as text."""
        assert (name, version, as_frame, parser) == ("mnist_784", 1, False, "liac-arff")
        x = np.concatenate([arrays.x_train, arrays.x_test]).reshape(-1, 784).astype(np.int64)
        return types.SimpleNamespace(data=x, target=np.concatenate([arrays.y_train, arrays.y_test]).astype(str))

    monkeypatch.setattr(mnist, "TRAIN", 40)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", types.SimpleNamespace(fetch_openml=client))
    assert same(mnist.read("fetch"), arrays)


def test_digest_is_that_of_the_pixels_and_labels(arrays):
    """Whatever the container; one pixel or one label more or less is another data set."""
    wide = arrays._replace(y_train=arrays.y_train.astype(np.int64), x_test=np.asfortranarray(arrays.x_test))
    assert mnist.digest(wide) == mnist.digest(arrays) != mnist.DIGEST and len(mnist.DIGEST) == 64
    for name in mnist.Mnist._fields:
        changed = getattr(arrays, name).copy()
        changed.flat[0] += 1
        assert mnist.digest(arrays._replace(**{name: changed})) != mnist.digest(arrays)


def test_what_cannot_be_read_is_one_line_about_the_path(arrays, tmp_path):
    good = arrays._asdict()
    broken = {
        "no npz": (b"not an archive", "npz archive"),
        "missing": ({name: good[name] for name in ("x_train", "y_train", "x_test")}, "y_test"),
        "flat": ({**good, "x_train": good["x_train"].reshape(40, 784)}, "x_train must have shape (n, 28, 28)"),
        "floats": ({**good, "x_test": good["x_test"] / 255}, "x_test must be uint8"),
        "labels": ({**good, "y_train": good["y_train"] + 5}, "y_train must lie in 0..9"),
        "names": ({**good, "y_test": good["y_test"].astype(str)}, "y_test must be integers"),
        "short": ({**good, "y_test": good["y_test"][:9]}, "y_test must have one label an image"),
        "empty": ({**good, "x_test": good["x_test"][:0], "y_test": good["y_test"][:0]}, "x_test must have shape"),
        "pickled": ({**good, "y_test": np.array([{}], object)}, "npz archive"),
    }
    for name, (content, wanted) in broken.items():
        path = tmp_path / f"{name}.npz"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            np.savez(path, **content)
        refused(path, wanted)
    refused(tmp_path / "nowhere.npz", "npz archive")
    (tmp_path / "nothing").mkdir()
    refused(tmp_path / "nothing", "no train-images")
    folder = write_idx(tmp_path / "cut", arrays)
    path = folder / "train-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    refused(folder, "another length")
    path.write_bytes(b"\0\0\x0d\x01" + path.read_bytes()[4:])
    refused(folder, "no IDX file of bytes")
    path.rename(folder / "train-labels-idx1-ubyte.gz")
    refused(folder, "folder of the four IDX files")


def refused(path, wanted):
    with pytest.raises(InputError) as error:
        mnist.read(path)
    assert error.value.field == "file" and wanted in str(error.value) and "\n" not in str(error.value)


def test_fetching_without_client_or_network_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    refused("fetch", "scikit-learn")

    def offline(*args, **how):
        raise OSError("no route\nto it")

    monkeypatch.setitem(sys.modules, "sklearn.datasets", types.SimpleNamespace(fetch_openml=offline))
    refused("fetch", "could not be fetched, so give a file (no route)")


def test_images_stay_bytes_until_a_batch_is_taken(arrays, tmp_path):
    np.savez(tmp_path / "mnist.npz", **arrays._asdict())
    images = mnist_images(tmp_path / "mnist.npz")
    assert images.x.dtype == np.uint8 and images.labels.dtype == np.int32 and images.x.shape[1:] == MNIST.shape
    scaled = pixels(images.x, np.float32)
    assert scaled.dtype == np.float32 and (scaled.min(), scaled.max()) == (-1, 1)
    np.testing.assert_allclose(scaled, images.x / 127.5 - 1, atol=1e-6)
    floats = np.array([0.0, 3.0], np.float64)
    np.testing.assert_array_equal(pixels(floats, np.float32), floats)


def test_first_classes_are_a_subset(arrays, tmp_path):
    np.savez(tmp_path / "mnist.npz", **arrays._asdict())
    images = mnist_images(tmp_path / "mnist.npz")
    few = first_classes(images, 3)
    np.testing.assert_array_equal(few.labels, images.labels[images.labels < 3])
    np.testing.assert_array_equal(few.test_x, images.test_x[images.test_labels < 3])
    assert first_classes(images, 10) is images
    for classes in (1, 11):
        with pytest.raises(InputError, match="classes"):
            first_classes(images, classes)


def test_the_task_has_nothing_of_its_own_to_draw_from():
    with warnings.catch_warnings(), pytest.raises(InputError, match="read from a file"):
        MNIST.labelled(None, 3)
