"""GGUF files of the Llama architecture: what they hold as a network, its parameters and its tokenizer.

The weights of such a file are mostly quantised. What is read is the float32 model that the quantised numbers stand for:
a legitimate θ0, not the one that was trained.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from subtheory.errors import InputError
from subtheory.language.tokenizer import Tokenizer, byte_level
from subtheory.networks import Llama
from subtheory.theory.network import Params

ARCHITECTURE = "llama"
KERNELS = {
    "q": "attn_q", "k": "attn_k", "v": "attn_v", "o": "attn_output", "gate": "ffn_gate", "up": "ffn_up",
    "down": "ffn_down",
}  # fmt: skip
SCALES = {"attention_norm": "attn_norm", "mlp_norm": "ffn_norm"}
OUTSIDE = ("token_embd.weight", "output_norm.weight", "output.weight")
SPLITS = {"smollm": True, "gpt-2": False}
"""Names of pre-tokenizers, and whether they split numbers into digits."""


def read(path: Path, name: str) -> tuple[Llama, Params, Tokenizer, str]:
    """Network, float32 parameters, tokenizer, and a note on the weights.

    Raises InputError on "model" for what is no GGUF file, is damaged, or holds what `Llama` does not compute.
    """
    from subtheory.language.checkpoint import required

    gguf = required("gguf")
    try:
        reader = gguf.GGUFReader(path)
        tensors = {tensor.name: tensor for tensor in reader.tensors}
        fields = {key: field.contents() for key, field in reader.fields.items()}
    except Exception as error:
        raise InputError("model", str(path), f"must be a whole GGUF file ({type(error).__name__}: {error})") from error
    network = _network(fields, tensors, path, name)

    def tensor(key: str) -> np.ndarray:
        try:
            found = tensors[key]
            return np.asarray(gguf.dequantize(found.data, found.tensor_type), np.float32)
        except Exception as error:
            raise InputError("model", str(path), f"has no readable tensor {key} ({type(error).__name__})") from error

    params = _params(network, tensor)
    kinds = sorted({t.tensor_type.name for t in tensors.values()} - {"F32", "F16", "BF16"})
    note = f"dequantised from {', '.join(kinds)}: not the weights that were trained" if kinds else ""
    return network, params, _tokenizer(fields, path), note


def _network(fields: dict[str, Any], tensors: dict[str, Any], path: Path, name: str) -> Llama:
    def get(key: str, default: Any = None) -> Any:
        found = fields.get(f"{ARCHITECTURE}.{key}", default)
        if found is None:
            raise InputError("model", str(path), f"must have the field {ARCHITECTURE}.{key}")
        return found

    if fields.get("general.architecture") != ARCHITECTURE:
        architecture = fields.get("general.architecture")
        raise InputError("model", str(path), f"must be of the architecture {ARCHITECTURE}, not {architecture}")
    for key in ("rope.scaling.type", "rope.scaling.factor", "expert_count", "attention.sliding_window"):
        if fields.get(f"{ARCHITECTURE}.{key}") not in (None, 0, "none"):
            raise InputError("model", str(path), f"has {ARCHITECTURE}.{key}, which is not computed here")
    known = {f"{stored}.weight" for stored in (*KERNELS.values(), *SCALES.values())}
    for key in tensors:
        if key.removeprefix("blk.").partition(".")[2] not in known and key not in OUTSIDE:
            raise InputError("model", str(path), f"has a tensor {key}, which is not computed here")
    width, heads = int(get("embedding_length")), int(get("attention.head_count"))
    return Llama(
        layers=int(get("block_count")), width=width, heads=heads,
        key_heads=int(get("attention.head_count_kv", heads)), head=int(get("rope.dimension_count", width // heads)),
        hidden=int(get("feed_forward_length")), vocabulary=int(tensors["token_embd.weight"].shape[-1]),
        eps=float(get("attention.layer_norm_rms_epsilon")), base=float(get("rope.freq_base", 10_000.0)),
        tied="output.weight" not in tensors, called=name,
    )  # fmt: skip


def _half_split(rows: np.ndarray, heads: int) -> np.ndarray:
    """Rows of Q or K, stored for interleaved rotary pairs, in half-split order: (heads·H, D)."""
    return rows.reshape(heads, -1, 2, rows.shape[-1]).swapaxes(1, 2).reshape(rows.shape)


def _params(network: Llama, tensor: Callable[[str], np.ndarray]) -> Params:
    turned = {"q": network.heads, "k": network.key_heads}

    def kernel(name: str, layer: int) -> np.ndarray:
        rows = tensor(f"blk.{layer}.{KERNELS[name]}.weight")
        return (_half_split(rows, turned[name]) if name in turned else rows).T

    def scale(name: str, layer: int) -> np.ndarray:
        return tensor(f"blk.{layer}.{SCALES[name]}.weight")

    def stacked(one: Callable[[str, int], np.ndarray], name: str) -> np.ndarray:
        return np.stack([one(name, layer) for layer in range(network.layers)])

    layers: dict[str, Any] = {name: {"kernel": stacked(kernel, name)} for name in KERNELS}
    layers |= {name: {"scale": stacked(scale, name)} for name in SCALES}
    found: dict[str, Any] = {
        "embed": {"embedding": tensor("token_embd.weight")}, "layers": layers,
        "norm": {"scale": tensor("output_norm.weight")},
    }  # fmt: skip
    return found if network.tied else found | {"head": {"kernel": tensor("output.weight").T}}


def _tokenizer(fields: dict[str, Any], path: Path) -> Tokenizer:
    kind, split = fields.get("tokenizer.ggml.model"), fields.get("tokenizer.ggml.pre")
    if kind != "gpt2" or split not in SPLITS:
        wanted = f"must have a byte-level tokenizer, split as {' or '.join(SPLITS)}, not {kind}, {split}"
        raise InputError("model", str(path), wanted)
    tokens = fields["tokenizer.ggml.tokens"]
    special = [token for token, kind in zip(tokens, fields["tokenizer.ggml.token_type"], strict=True) if kind == 3]
    return byte_level(
        tokens, fields["tokenizer.ggml.merges"], special, SPLITS[split],
        end=tokens[fields["tokenizer.ggml.eos_token_id"]], template=fields.get("tokenizer.chat_template", ""),
    )  # fmt: skip
