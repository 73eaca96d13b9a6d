"""config.json of a Hugging Face folder: the network that it describes, or the first field that is not computed here.

A field is honoured, known to change no logits, or refused by its name. One that is not known is refused too, unless it
says null or false: a model that is computed wrongly looks like one.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from subtheory.errors import InputError
from subtheory.language.stored.weights import LARGEST, Names
from subtheory.networks import GPT2, Decoder, Llama

Rule = Callable[[Any], str]
"""What a value must be, in words, if it is not; else empty."""


@dataclass(frozen=True)
class Fields:
    """What config.json says, by field; each is asked for as what it has to be. Raises InputError on "model"."""

    said: Mapping[str, Any]

    def size(self, name: str, default: int | None = None) -> int:
        """A whole number of at least 1."""
        value = self._get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LARGEST:
            raise refused(name, value, f"must be a whole number from 1 to {LARGEST}")
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """A positive number."""
        return _positive(name, self._get(name, default))

    def flag(self, name: str, default: bool) -> bool:
        """True or false."""
        value = self._get(name, default)
        if not isinstance(value, bool):
            raise refused(name, value, "must be true or false")
        return value

    def _get(self, name: str, default: Any) -> Any:
        value = self.said.get(name)
        value = default if value is None else value
        if value is None:
            raise InputError("model", "none", f"config.json must have the field {name}")
        return value


def refused(name: str, value: Any, wanted: str) -> InputError:
    return InputError("model", json.dumps(value), f"{name} in config.json {wanted}")


def _positive(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < MOST:
        raise refused(name, value, "must be a positive number")
    return float(value)


MOST = 1e30
"""Above which a number of a file is none that a model was trained with."""


class Family(NamedTuple):
    """Models of a `model_type`: how their network is read, which fields it reads, and what others must be."""

    network: Callable[[Fields, str], Decoder]
    read: frozenset[str]
    rules: Mapping[str, Rule]
    unused: frozenset[str]
    names: Names
    prefix: str
    """What names of tensors may begin with."""
    outputs_first: bool


def only(*values: Any) -> Rule:
    """One of these values."""
    said = " or ".join(map(json.dumps, values))
    return lambda value: "" if value in values else f"must be {said}"


def _full(value: Any) -> str:
    whole = isinstance(value, list) and all(each == "full_attention" for each in value)
    return "" if whole else "must be full_attention in every layer"


ROPE: Mapping[str, Rule] = {
    "rope_type": only("default", None), "type": only("default", None), "partial_rotary_factor": only(1.0, None),
    "rope_theta": lambda _: "",
}  # fmt: skip


def _unscaled(value: Any) -> str:
    """Rotary positions as they were invented: neither stretched nor partial."""
    if not isinstance(value, dict):
        return "must be null or an object"
    for name, each in sorted(value.items(), key=lambda item: item[0] not in ROPE):
        if wanted := ROPE.get(name, only(None))(each):
            return f"must not be scaled ({name} {wanted})"
    return ""


UNUSED = frozenset({
    "architectures", "model_type", "torch_dtype", "dtype", "transformers_version", "use_cache", "initializer_range",
    "bos_token_id", "eos_token_id", "pad_token_id", "unk_token_id", "_name_or_path", "_attn_implementation_autoset",
    "id2label", "label2id", "_num_labels", "task_specific_params", "max_length", "torchscript", "return_dict",
    "is_decoder", "transformers.js_config",
})  # fmt: skip
"""Of any family: they say how a model was made, stored or is to be asked."""

ROTARY_READ = frozenset({
    "num_hidden_layers", "hidden_size", "num_attention_heads", "num_key_value_heads", "head_dim", "intermediate_size",
    "vocab_size", "rms_norm_eps", "rope_theta", "tie_word_embeddings",
})  # fmt: skip
ROTARY_UNUSED = UNUSED | {"max_position_embeddings", "attention_dropout", "pretraining_tp", "is_llama_config"}
ROTARY: Mapping[str, Rule] = {
    "hidden_act": only("silu"), "rope_parameters": _unscaled, "rope_scaling": _unscaled,
    "partial_rotary_factor": only(1.0),
}  # fmt: skip
WINDOWED: Mapping[str, Rule] = {**ROTARY, "use_sliding_window": only(False), "layer_types": _full}
"""Qwen says how large a window would be; it is one only where it is used."""


def _base(fields: Fields) -> float:
    """Of rotary positions, which stands in one of two places or in both."""
    nested = (fields.said.get(name) or {} for name in ("rope_parameters", "rope_scaling"))
    said = [each["rope_theta"] for each in nested if "rope_theta" in each]
    found = [_positive("rope_theta", each) for each in said]
    if fields.said.get("rope_theta") is not None or not found:
        found.append(fields.number("rope_theta", 10_000.0))
    if len(set(found)) > 1:
        raise refused("rope_theta", found, "must be the same wherever it stands")
    return found[0]


def _rotary(fields: Fields, name: str, biased: bool = False, normed_heads: bool = False) -> Llama:
    heads, width = fields.size("num_attention_heads"), fields.size("hidden_size")
    if not normed_heads and fields.said.get("head_dim") is None and width % heads:
        raise refused("num_attention_heads", heads, f"must divide the hidden_size {width}")
    return Llama(
        layers=fields.size("num_hidden_layers"), width=width, heads=heads,
        key_heads=fields.size("num_key_value_heads", heads),
        head=fields.size("head_dim", None if normed_heads else width // heads),  # Qwen3's own default is no quotient
        hidden=fields.size("intermediate_size"), vocabulary=fields.size("vocab_size"),
        eps=fields.number("rms_norm_eps"), base=_base(fields), tied=fields.flag("tie_word_embeddings", False),
        biased=biased, normed_heads=normed_heads, called=name,
    )  # fmt: skip


def _gpt2(fields: Fields, name: str) -> GPT2:
    width = fields.size("n_embd")
    return GPT2(
        layers=fields.size("n_layer"), width=width, heads=fields.size("n_head"),
        hidden=fields.size("n_inner", 4 * width), vocabulary=fields.size("vocab_size"),
        eps=fields.number("layer_norm_epsilon"), tied=fields.flag("tie_word_embeddings", True),
        context=fields.size("n_positions"), called=name,
    )  # fmt: skip


LINEAR = {
    "q": "self_attn.q_proj", "k": "self_attn.k_proj", "v": "self_attn.v_proj", "o": "self_attn.o_proj",
    "gate": "mlp.gate_proj", "up": "mlp.up_proj", "down": "mlp.down_proj",
}  # fmt: skip
NORMS = {
    "attention_norm": "input_layernorm", "mlp_norm": "post_attention_layernorm", "q_norm": "self_attn.q_norm",
    "k_norm": "self_attn.k_norm",
}  # fmt: skip
ROTARY_NAMES = {
    "embed.embedding": "embed_tokens.weight", "norm.scale": "norm.weight", "head.kernel": "lm_head.weight",
    **{f"layers.{name}.kernel": f"layers.{{}}.{stored}.weight" for name, stored in LINEAR.items()},
    **{f"layers.{name}.bias": f"layers.{{}}.{stored}.bias" for name, stored in LINEAR.items()},
    **{f"layers.{name}.scale": f"layers.{{}}.{stored}.weight" for name, stored in NORMS.items()},
}  # fmt: skip
GPT2_PARTS = {
    "attention_norm": "ln_1", "qkv": "attn.c_attn", "o": "attn.c_proj", "mlp_norm": "ln_2", "up": "mlp.c_fc",
    "down": "mlp.c_proj",
}  # fmt: skip
GPT2_NAMES = {
    "embed.embedding": "wte.weight", "positions.embedding": "wpe.weight", "head.kernel": "lm_head.weight",
    **{f"norm.{kind}": f"ln_f.{stored}" for kind, stored in (("scale", "weight"), ("bias", "bias"))},
    **{
        f"layers.{name}.{kind}": f"h.{{}}.{stored}.{'bias' if kind == 'bias' else 'weight'}"
        for name, stored in GPT2_PARTS.items()
        for kind in ("kernel", "scale", "bias")
    },
}  # fmt: skip

FAMILIES = {
    "llama": Family(
        _rotary, ROTARY_READ, {**ROTARY, "attention_bias": only(False), "mlp_bias": only(False)}, ROTARY_UNUSED,
        ROTARY_NAMES, "model.", True,
    ),
    "qwen2": Family(
        lambda fields, name: _rotary(fields, name, biased=True), ROTARY_READ, WINDOWED,
        ROTARY_UNUSED | {"sliding_window", "max_window_layers"}, ROTARY_NAMES, "model.", True,
    ),
    "qwen3": Family(
        lambda fields, name: _rotary(fields, name, normed_heads=True), ROTARY_READ,
        {**WINDOWED, "attention_bias": only(False)}, ROTARY_UNUSED | {"sliding_window", "max_window_layers"},
        ROTARY_NAMES, "model.", True,
    ),
    "gpt2": Family(
        _gpt2,
        frozenset({"n_layer", "n_embd", "n_head", "n_inner", "vocab_size", "layer_norm_epsilon", "n_positions",
                   "tie_word_embeddings"}),
        {"activation_function": only("gelu_new", "gelu_pytorch_tanh"), "scale_attn_weights": only(True)},
        UNUSED | {"n_ctx", "attn_pdrop", "embd_pdrop", "resid_pdrop", "reorder_and_upcast_attn", "summary_activation",
                  "summary_first_dropout", "summary_proj_to_labels", "summary_type", "summary_use_proj"},
        GPT2_NAMES, "transformer.", False,
    ),
}  # fmt: skip
"""By `model_type`. SmolLM says llama."""


def described(said: Mapping[str, Any], name: str) -> tuple[Decoder, Family]:
    """The network of config.json, and its family.

    Raises InputError on "model" for the first field, in the order of the file, that changes what is computed and is not
    computed here; and for one that is missing or of the wrong kind.
    """
    kind = said.get("model_type")
    if not isinstance(kind, str) or kind not in FAMILIES:
        raise refused("model_type", kind, f"must be {', '.join(FAMILIES)}")
    family = FAMILIES[kind]
    for field, value in said.items():
        if field in family.read | family.unused or value is None:
            continue
        rule = family.rules.get(field)
        wanted = rule(value) if rule else "" if value is False else "is not known here (take it out if it is nothing)"
        if wanted:
            raise refused(field, value, wanted)
    return family.network(Fields(said), name), family
