"""GGUF files: the same model as a folder of its weights, one line for any damage, and no memory that it only claims."""

import json
import tracemalloc

import jax
import numpy as np
import pytest

from subtheory.errors import InputError
from subtheory.language import load
from subtheory.language.checkpoint import TINY
from subtheory.language.stored import gguf_file
from subtheory.language.stored.gguf_file import NAMES

gguf = pytest.importorskip("gguf")
pytest.importorskip("tokenizers")

HEADS = {"q": 2, "k": 1}
"""Of the tiny model."""


def interleaved(rows, heads):
    """Rows of Q or K as GGUF has them: llama.cpp's own conversion."""
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(rows.shape)


def tensors(params):
    """Names and float32 tensors of the tiny model."""
    yield "token_embd.weight", params["embed"]["embedding"]
    yield "output_norm.weight", params["norm"]["scale"]
    for layer in range(2):
        for part, found in params["layers"].items():
            ((kind, stacked),) = found.items()
            rows = stacked[layer].T if kind == "kernel" else stacked[layer]
            yield (
                NAMES[f"layers.{part}.{kind}"].format(layer),
                (interleaved(rows, HEADS[part]) if part in HEADS else rows),
            )


FIELDS = {
    "llama.block_count": 2, "llama.embedding_length": 16, "llama.attention.head_count": 2,
    "llama.attention.head_count_kv": 1, "llama.rope.dimension_count": 8, "llama.feed_forward_length": 32,
    "llama.attention.layer_norm_rms_epsilon": 1e-5, "llama.rope.freq_base": 10_000.0, "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "smollm",
}  # fmt: skip


def added(writer, key, value):
    kinds = {int: writer.add_uint32, float: writer.add_float32, str: writer.add_string, list: writer.add_array,
             bool: writer.add_bool}  # fmt: skip
    if value is not None:
        kinds[type(value)](key, value)


def written(path, change=None, kind=None, spoiled=lambda found: found):
    """The tiny model as a file; other fields, matrices quantised as a kind, other tensors."""
    model, fields = load(TINY), dict(FIELDS)
    library = model.tokenizer.library
    tokens = [library.id_to_token(i) for i in range(model.tokenizer.vocabulary)]
    fields |= {"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.merges": merges(library)}
    fields |= {"tokenizer.ggml.token_type": [3, 3] + [1] * (len(tokens) - 2), "tokenizer.ggml.eos_token_id": 0}
    fields |= {"tokenizer.chat_template": model.tokenizer.template} | (change or {})
    writer = gguf.GGUFWriter(path, fields.pop("architecture", "llama"))
    for key, value in fields.items():
        added(writer, key, value)
    for name, data in spoiled(dict(tensors(model.params))).items():
        if kind is None or data.ndim == 1 or data.shape[-1] % 32:
            writer.add_tensor(name, np.ascontiguousarray(data))
        else:
            writer.add_tensor(name, gguf.quantize(np.ascontiguousarray(data), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def merges(library):
    return [" ".join(pair) for pair in json.loads(library.to_str())["model"]["merges"]]


def refusal(path):
    with pytest.raises(InputError) as refused:
        load(path)
    assert "\n" not in str(refused.value) and refused.value.exit_code == 2
    return str(refused.value)


def test_a_file_holds_the_model_that_was_written(tmp_path):
    found, model = load(written(tmp_path / "small.gguf")), load(TINY)
    jax.tree.map(np.testing.assert_array_equal, found.params, model.params)
    assert found.name == "small" and found.note == "" and len(found.sha256) == 64
    text = "Name 345 owls.<|im_end|>"
    assert found.tokenizer.encode(text) == model.tokenizer.encode(text)
    said = [{"role": "user", "content": "Hello"}]
    assert (found.tokenizer.end, found.tokenizer.chat(said)) == (model.tokenizer.end, model.tokenizer.chat(said))


HALF = 2.0**-11
"""Largest rounding of a float16, of which a block of 32 numbers has a scale, and Q4_1 its least number too."""


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_1"])
def test_quantised_weights_are_what_their_numbers_stand_for_and_are_said_to_be(tmp_path, kind):
    found = load(written(tmp_path / "small.gguf", kind=gguf.GGMLQuantizationType[kind]))
    down, exact = found.params["layers"]["down"]["kernel"], load(TINY).params["layers"]["down"]["kernel"]
    least, most = exact.min(axis=1, keepdims=True), exact.max(axis=1, keepdims=True)  # of a block, here a column
    levels, reach, least = (127, np.maximum(most, -least), 0) if kind == "Q8_0" else (15, most - least, least)
    bound = (0.5 + levels * HALF) * reach / levels + HALF * np.abs(least)
    assert 0.1 * bound.max() < np.abs(down - exact).max() and (np.abs(down - exact) <= bound).all()
    assert found.note == f"dequantised from {kind}: not the weights that were trained"


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"architecture": "mamba"}, "of the architecture llama, not 'mamba'"),
        ({"llama.block_count": 0}, "a whole number from 1 to"),
        ({"llama.block_count": 3}, "must have a tensor blk.2."),
        ({"llama.block_count": 1}, "has a tensor blk.1."),
        ({"llama.embedding_length": None}, "must have the field llama.embedding_length"),
        ({"llama.embedding_length": "16"}, "as llama.embedding_length, not '16'"),
        ({"llama.attention.head_count_kv": [1, 1]}, "as llama.attention.head_count_kv, not [1, 1]"),
        ({"llama.feed_forward_length": 31}, "shape (16, 31), got (16, 32)"),
        ({"llama.rope.freq_base": -1.0}, "a positive number as llama.rope.freq_base"),
        ({"llama.expert_count": 8}, "has llama.expert_count"),
        ({"llama.rope.scaling.type": "yarn"}, "has llama.rope.scaling.type"),
        ({"tokenizer.ggml.model": "llama"}, "must have a byte-level tokenizer"),
        ({"tokenizer.ggml.pre": None}, "must have a byte-level tokenizer"),
        ({"tokenizer.ggml.tokens": None}, "must have the field tokenizer.ggml.tokens"),
        ({"tokenizer.ggml.tokens": ["a", "b"]}, "a token_type for each"),
        ({"tokenizer.ggml.merges": ["a", "b c"]}, "must have a tokenizer"),
        ({"tokenizer.ggml.eos_token_id": 10**6}, "eos_token_id"),
    ],
    ids=lambda each: str(each)[:40],
)
def test_what_is_not_computed_or_does_not_fit_is_named(tmp_path, change, wanted):
    assert wanted in refusal(written(tmp_path / "small.gguf", change))


def test_tensors_are_those_of_the_network(tmp_path):
    without = {
        "blk.1.attn_q.weight": "must have a tensor blk.1.attn_q.weight",
        "token_embd.weight": "token_embd.weight",
    }
    for name, wanted in without.items():
        drop = lambda found, name=name: {key: each for key, each in found.items() if key != name}  # noqa: E731
        assert wanted in refusal(written(tmp_path / "small.gguf", spoiled=drop))
    bias = lambda found: found | {"blk.0.attn_q.bias": np.zeros(16, np.float32)}  # noqa: E731
    assert "has a tensor blk.0.attn_q.bias" in refusal(written(tmp_path / "small.gguf", spoiled=bias))


def test_what_is_no_file_of_the_kind_is_one_line(tmp_path):
    for data in (b"", b"GGUF", b"GGML" + bytes(100), b"\0" * 1000, b"a text", b"\xff" * 1000):
        (tmp_path / "x.gguf").write_bytes(data)
        assert "must be a whole GGUF file" in refusal(tmp_path / "x.gguf")
    assert "must be smollm2, tiny, a .gguf file or a folder" in refusal(tmp_path / "nothing.gguf")
    assert "must have a file config.json" in refusal(tmp_path)
    refusal("x" * 5000)


def test_a_file_that_is_cut_or_changed_gives_one_line_or_the_same_shapes(tmp_path):
    path = written(tmp_path / "small.gguf")
    data, shapes = path.read_bytes(), jax.tree.map(np.shape, load(path).params)
    rng, refused = np.random.default_rng(0), 0
    cuts = [data[:at] for at in rng.integers(0, len(data), 15)]
    for at, value in zip(rng.integers(0, 1500, 45), rng.integers(0, 256, 45), strict=True):
        cuts.append(data[:at] + bytes([value]) + data[at + 1 :])
    for each in cuts:
        path.write_bytes(each)
        try:
            assert jax.tree.map(np.shape, load(path).params) == shapes
        except InputError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 30


def header(kind, length):
    """A file whose one field is a list of `length` items of a kind, and which is over then."""
    counts = np.array([0, 1], "<u8").tobytes()
    key = np.array([1], "<u8").tobytes() + b"a" + np.array([9, kind], "<u4").tobytes()
    return b"GGUF" + np.array([3], "<u4").tobytes() + counts + key + np.array([length], "<u8").tobytes()


@pytest.mark.parametrize("kind", [0, 8, 9, 10], ids=["bytes", "texts", "lists", "numbers"])
def test_a_length_that_says_more_than_there_is_takes_no_memory(tmp_path, kind):
    """The library alone would count to 2⁶⁰, an object each."""
    (tmp_path / "x.gguf").write_bytes(header(kind, 2**60))
    tracemalloc.start()
    try:
        assert "it ends early" in refusal(tmp_path / "x.gguf")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_header_of_very_many_items_is_refused_before_they_are_made(tmp_path, monkeypatch):
    monkeypatch.setattr(gguf_file, "PIECES", 100)
    (tmp_path / "x.gguf").write_bytes(header(0, 1000) + bytes(1000))
    assert "more than 100 items" in refusal(tmp_path / "x.gguf")
