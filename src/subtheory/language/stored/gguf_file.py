"""GGUF files of the Llama architecture: what they hold as a network, its parameters and its tokenizer.

The weights of such a file are mostly quantised. What is read is the float32 model that the quantised numbers stand for:
a legitimate θ0, not the one that was trained.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from subtheory import files
from subtheory.errors import InputError
from subtheory.language.stored.weights import LARGEST, filled
from subtheory.language.tokenizer import Tokenizer, byte_level
from subtheory.networks import Llama
from subtheory.theory.network import Params

ARCHITECTURE = "llama"
KERNELS = {
    "q": "attn_q", "k": "attn_k", "v": "attn_v", "o": "attn_output", "gate": "ffn_gate", "up": "ffn_up",
    "down": "ffn_down",
}  # fmt: skip
NAMES = {
    "embed.embedding": "token_embd.weight", "norm.scale": "output_norm.weight", "head.kernel": "output.weight",
    "layers.attention_norm.scale": "blk.{}.attn_norm.weight", "layers.mlp_norm.scale": "blk.{}.ffn_norm.weight",
    **{f"layers.{name}.kernel": f"blk.{{}}.{stored}.weight" for name, stored in KERNELS.items()},
}  # fmt: skip
REFUSED = ("rope.scaling.type", "rope.scaling.factor", "expert_count", "attention.sliding_window")
SPLITS = {"smollm": True, "gpt-2": False}
"""Names of pre-tokenizers, and whether they split numbers into digits."""
PIECES = 2**22
"""Numbers and lengths that a header may have, of which the library makes an object each: four times what is usual."""
SPECIAL = 3
"""The type of a token that stands for no text."""


def read(path: Path, name: str) -> tuple[Llama, Params, Tokenizer, str]:
    """Network, float32 parameters, tokenizer, and a note on the weights.

    Raises InputError on "model" for what is no GGUF file, is damaged, or holds what `Llama` does not compute.
    """
    from subtheory.language.checkpoint import required

    gguf = required("gguf")
    fields, tensors = _opened(gguf, path)
    header = Header(fields, path)
    network = _network(header, tensors, name)
    turned = {"attn_q": network.heads, "attn_k": network.key_heads}

    def tensor(key: str) -> np.ndarray:
        found = tensors[key]
        try:
            rows = np.asarray(gguf.dequantize(found.data, found.tensor_type), np.float32)
            heads = turned.get(key.split(".")[-2])
            return _half_split(rows, heads) if heads else rows
        except Exception as error:
            raise InputError("model", str(path), f"has no readable tensor {key} ({files.reason(error)})") from error

    params = filled(network, NAMES, tensors, tensor, outputs_first=True)
    kinds = sorted({t.tensor_type.name for t in tensors.values()} - {"F32", "F16", "BF16"})
    note = f"dequantised from {', '.join(kinds)}: not the weights that were trained" if kinds else ""
    return network, params, _tokenizer(header, network.vocabulary), note


def _opened(gguf: Any, path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fields and tensors by name; the file is mapped, not read.

    The library counts as many items as a length says, also where the file is over: here it ends there.
    """

    class Bounded(gguf.GGUFReader):
        pieces = 0

        def _get(self, offset: int, dtype: Any, count: int = 1, *order: Any, **named: Any) -> Any:
            found = super()._get(offset, dtype, count, *order, **named)
            self.pieces += 1
            if len(found) < count or self.pieces > PIECES:
                raise ValueError("it ends early" if len(found) < count else f"more than {PIECES} items in its header")
            return found

    try:
        reader = Bounded(path)
        tensors = {tensor.name: tensor for tensor in reader.tensors}
        return {key: field.contents() for key, field in reader.fields.items()}, tensors
    except Exception as error:
        raise InputError("model", str(path), f"must be a whole GGUF file ({files.reason(error)})") from error


class Header:
    """What the fields of a file say, each as what it has to be. Raises InputError on "model"."""

    def __init__(self, fields: Mapping[str, Any], path: Path) -> None:
        self.fields, self.path = fields, path

    def size(self, key: str, default: int | None = None) -> int:
        """A whole number of at least 1."""
        value = self._get(f"{ARCHITECTURE}.{key}", default)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LARGEST:
            raise self.refused(
                f"must have a whole number from 1 to {LARGEST} as {ARCHITECTURE}.{key}, not {value!r:.80}"
            )
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """A positive number."""
        value = self._get(f"{ARCHITECTURE}.{key}", default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
            raise self.refused(f"must have a positive number as {ARCHITECTURE}.{key}, not {value!r:.80}")
        return float(value)

    def strings(self, key: str) -> list[str]:
        """Many texts."""
        value = self._get(key, None)
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self.refused(f"must have a list of texts as {key}")
        return value

    def _get(self, key: str, default: Any) -> Any:
        value = self.fields.get(key, default)
        if value is None:
            raise self.refused(f"must have the field {key}")
        return value

    def refused(self, wanted: str) -> InputError:
        return InputError("model", str(self.path), wanted)


def _network(header: Header, tensors: Mapping[str, Any], name: str) -> Llama:
    architecture = header.fields.get("general.architecture")
    if architecture != ARCHITECTURE:
        raise header.refused(f"must be of the architecture {ARCHITECTURE}, not {architecture!r:.80}")
    for key in REFUSED:
        if header.fields.get(f"{ARCHITECTURE}.{key}") not in (None, 0, "none"):
            raise header.refused(f"has {ARCHITECTURE}.{key}, which is not computed here")
    if "token_embd.weight" not in tensors:
        raise header.refused("must have a tensor token_embd.weight")
    width, heads = header.size("embedding_length"), header.size("attention.head_count")
    return Llama(
        layers=header.size("block_count"), width=width, heads=heads,
        key_heads=header.size("attention.head_count_kv", heads),
        head=header.size("rope.dimension_count", width // heads), hidden=header.size("feed_forward_length"),
        vocabulary=int(tensors["token_embd.weight"].shape[-1]), eps=header.number("attention.layer_norm_rms_epsilon"),
        base=header.number("rope.freq_base", 10_000.0), tied="output.weight" not in tensors, called=name,
    )  # fmt: skip


def _half_split(rows: np.ndarray, heads: int) -> np.ndarray:
    """Rows of Q or K, stored for interleaved rotary pairs, in half-split order: (heads·H, D)."""
    return rows.reshape(heads, -1, 2, rows.shape[-1]).swapaxes(1, 2).reshape(rows.shape)


def _tokenizer(header: Header, vocabulary: int) -> Tokenizer:
    fields = header.fields
    kind, split = fields.get("tokenizer.ggml.model"), fields.get("tokenizer.ggml.pre")
    if kind != "gpt2" or split not in SPLITS:
        wanted = f"must have a byte-level tokenizer, split as {' or '.join(SPLITS)}, not {kind}, {split}"
        raise header.refused(wanted)
    tokens, merges = header.strings("tokenizer.ggml.tokens"), header.strings("tokenizer.ggml.merges")
    kinds, end = fields.get("tokenizer.ggml.token_type"), fields.get("tokenizer.ggml.eos_token_id")
    template = fields.get("tokenizer.chat_template", "")
    if len(tokens) > vocabulary or not isinstance(kinds, list) or len(kinds) != len(tokens):
        raise header.refused(f"must have at most {vocabulary} tokens, and a token_type for each")
    if not isinstance(end, int) or not 0 <= end < len(tokens) or not isinstance(template, str):
        raise header.refused("must name one of its tokens as tokenizer.ggml.eos_token_id")
    special = [token for token, kind in zip(tokens, kinds, strict=True) if kind == SPECIAL]
    try:
        return byte_level(tokens, merges, special, SPLITS[split], end=tokens[end], template=template)
    except InputError:
        raise
    except Exception as error:
        raise header.refused(f"must have a tokenizer ({files.reason(error)})") from error
