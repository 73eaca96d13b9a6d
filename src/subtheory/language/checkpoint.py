"""A checkpoint: the weights of a language model as parameters of a network, and its tokenizer."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from subtheory import files
from subtheory.errors import InputError
from subtheory.language import packaged
from subtheory.language.tokenizer import Tokenizer
from subtheory.networks import Decoder
from subtheory.theory.network import Params

TINY = "tiny"
"""The name of a random model, for tests and a first look."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """θ0 of a real model."""

    network: Decoder
    params: Params
    """float32 NumPy arrays, a pytree of the network's."""
    tokenizer: Tokenizer
    name: str
    note: str = ""
    """What is to be known of the weights, such as that they were quantised."""
    sha256: str = ""
    """Of the file that they came from; of a folder, of what `packaged.sha256_of_all` says."""


def load(where: str | Path) -> Checkpoint:
    """The checkpoint of a name ("smollm2", or "tiny" for a random one), a GGUF file, or a folder of Hugging Face's.

    Raises InputError on "model" for what is none of them, files that are damaged or of an unknown architecture, and
    where packages or weights are missing, with the command that installs them.
    """
    if str(where) in packaged.KNOWN:
        return _gguf(packaged.located(str(where)), str(where))
    if str(where) == TINY:
        from subtheory.language import tiny

        return Checkpoint(*tiny.read()[:3], TINY, tiny.read()[3])
    path = Path(where).expanduser()
    try:
        if path.is_file():
            return _gguf(path, path.stem)
        if path.is_dir():
            return _folder(path)
    except OSError as error:  # of a name that is too long, or a place that may not be looked at
        raise InputError("model", repr(str(where)), f"must be readable ({files.reason(error)})") from error
    names = ", ".join([*packaged.KNOWN, TINY])
    raise InputError("model", repr(str(where)), f"must be {names}, a .gguf file or a folder with a config.json")


def _gguf(path: Path, name: str) -> Checkpoint:
    from subtheory.language.stored import gguf_file

    network, params, tokenizer, note = gguf_file.read(path, name)
    return Checkpoint(network, params, tokenizer, name, note, packaged.sha256(path))


def _folder(path: Path) -> Checkpoint:
    from subtheory.language.stored import folder

    network, params, tokenizer, read = folder.read(path)
    return Checkpoint(network, params, tokenizer, network.name, sha256=packaged.sha256_of_all(read))


def required(module: str) -> Any:
    """A module of the extra [llm]. Raises InputError on "llm" with the command that installs it."""
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError:
        raise InputError("llm", f"no module {module}", "must be installed: pip install 'subtheory[llm]'") from None
