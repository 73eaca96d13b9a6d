"""Folders of Hugging Face's: config.json, weights as safetensors, tokenizer.json, and how a conversation is written.

Nothing in a folder is run: weights as pickles (.bin) are not opened, and a chat template is rendered in a sandbox.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from subtheory import files
from subtheory.errors import InputError
from subtheory.language.stored import tokens
from subtheory.language.stored.configuration import Family, described
from subtheory.language.stored.tokens import said_in
from subtheory.language.stored.weights import filled
from subtheory.language.tokenizer import Tokenizer
from subtheory.networks import Decoder
from subtheory.theory.network import Params

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
SHARDS = 1000
"""Files that weights may be spread over."""
FLOATS = ("F16", "BF16", "F32", "F64")
BUFFERS = re.compile(r".*rotary_emb\.inv_freq|h\.\d+\.attn\.(bias|masked_bias)")
"""Tensors that some files hold and that are no weights: frequencies and masks, which are computed."""
HEAD = "lm_head.weight"


def read(path: Path) -> tuple[Decoder, Params, Tokenizer, list[Path]]:
    """Network, float32 parameters, tokenizer, and the files that they came from.

    Raises InputError on "model" for a file that is missing or damaged, and for what is not computed here, by its name.
    """
    network, family = described(said_in(path / tokens.CONFIG), path.resolve().name)
    shards = _shards(path)
    with ExitStack() as stack:
        params = _params(network, family, dict(_tensors(shards, stack)))
    tokenizer = tokens.read(path, network.vocabulary)
    return network, params, tokenizer, [path / tokens.CONFIG, *shards, path / tokens.TOKENS]


# Weights ---------------------------------------------------------------------------------------------


def _shards(path: Path) -> list[Path]:
    if (path / WEIGHTS).is_file():
        return [path / WEIGHTS]
    if not (path / INDEX).is_file():
        pickled = " (weights as .bin are pickles, which are not opened here)" if [*path.glob("*.bin")] else ""
        raise InputError("model", str(path), f"must have a file {WEIGHTS} or {INDEX}{pickled}")
    mapped = said_in(path / INDEX).get("weight_map")
    names = set(map(str, mapped.values())) if isinstance(mapped, dict) else set()
    if not 1 <= len(names) <= SHARDS:
        raise InputError("model", str(path / INDEX), f"must have a weight_map to between 1 and {SHARDS} files")
    for name in sorted(names):
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise InputError("model", repr(name), f"{INDEX} must name .safetensors files of the folder")
        if not (path / name).is_file():
            raise InputError("model", str(path), f"must have the file {name} of its {INDEX}")
    return [path / name for name in sorted(names)]


def _tensors(shards: list[Path], stack: ExitStack) -> Iterator[tuple[str, Any]]:
    """Names, and slices of open files that are read when they are asked for."""
    from subtheory.language.checkpoint import required

    library = required("safetensors")
    seen: set[str] = set()
    for path in shards:
        try:
            file = stack.enter_context(library.safe_open(path, framework="numpy"))
            found = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        except Exception as error:
            raise InputError("model", str(path), f"must be a whole safetensors file ({files.reason(error)})") from error
        if twice := seen & found.keys():
            raise InputError("model", str(path), f"must not have a tensor {min(twice)} of another file")
        seen |= found.keys()
        yield from found.items()


def _params(network: Decoder, family: Family, slices: dict[str, Any]) -> Params:
    found = {name.removeprefix(family.prefix): each for name, each in slices.items()}
    if len(found) < len(slices):
        raise InputError("model", network.name, f"must not have tensors that differ by {family.prefix!r} alone")
    found = {name: each for name, each in found.items() if not BUFFERS.fullmatch(name)}

    def tensor(name: str) -> np.ndarray:
        if (kind := found[name].get_dtype()) not in FLOATS:
            raise InputError("model", kind, f"must have a tensor {name} of {', '.join(FLOATS)}")
        try:
            return np.asarray(found[name][...])
        except Exception as error:
            raise InputError("model", network.name, f"has no readable tensor {name} ({files.reason(error)})") from error

    present = set(found) - ({HEAD} if network.tied else set())
    params = filled(network, family.names, present, tensor, family.outputs_first)
    if network.tied and HEAD in found and not np.array_equal(tensor(HEAD), params["embed"]["embedding"]):
        raise InputError("model", network.name, f"must have a {HEAD} equal to its embedding, to which it is tied")
    return params
