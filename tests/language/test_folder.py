"""Folders of Hugging Face's: the numbers of `transformers` on the same weights, and a line for what is not computed."""

import json
import shutil
import sys
from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from subtheory.errors import InputError
from subtheory.language import load
from subtheory.language.stored.configuration import described
from subtheory.language.stored.folder import INDEX, WEIGHTS
from subtheory.language.stored.tokens import CONFIG

pytest.importorskip("safetensors")
pytest.importorskip("tokenizers")
sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import llm_references as made
from llm_peer import answer
from safetensors.numpy import load_file, save_file

ABOUT = json.loads((made.FOLDER / "models.json").read_text("utf-8"))
RELATIVE = 1e-5
"""Of the largest number: some eighty roundings of float32."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("models")
    return {name: made.written(place / name, about["config"], about["tensors"]) for name, about in ABOUT.items()}


@pytest.fixture
def folder(folders, tmp_path):
    """A copy of a Llama's, to be spoiled."""
    return Path(shutil.copytree(folders["llama-untied"], tmp_path / "model"))


@cache
def computed(network):
    """Logits of both texts, and the gradient of the mean over texts and positions of −log p(next token)."""
    x = np.zeros((2, len(made.TEXTS[0])), np.int32)
    for row, text in zip(x, made.TEXTS, strict=True):
        row[: len(text)] = text
    share = np.array(
        [[(i + 1 < len(text)) / (len(text) - 1) / 2 for i in range(x.shape[1] - 1)] for text in made.TEXTS]
    )

    def loss(params):
        z = jax.vmap(lambda one: network.apply(params, one))(x)
        log_p = jnp.take_along_axis(jax.nn.log_softmax(z[:, :-1]), x[:, 1:, None], axis=-1)[..., 0]
        return -jnp.sum(share.astype(np.float32) * log_p), z

    return jax.jit(jax.grad(loss, has_aux=True))


def apart(found, wanted):
    return np.abs(found - wanted).max() / np.abs(wanted).max()


def compared(model, theirs):
    """The largest relative differences from `transformers`, of logits and of gradients."""
    slope, z = computed(model.network)(model.params)
    logits = max(apart(z[i, : len(text)], theirs[f"logits {i}"]) for i, text in enumerate(made.TEXTS))
    return logits, max(apart(one, theirs[f"gradient {name}"]) for name, one in by_name(model.network, slope).items())


def by_name(network, tree):
    """Some parameters by the names that a folder gives them, turned as they are there."""
    layers = tree["layers"]
    if network.name == "gpt2":
        values = (tree["embed"]["embedding"], layers["qkv"]["bias"][1], layers["up"]["kernel"][2], tree["norm"]["bias"])
    else:
        values = (tree["embed"]["embedding"], layers["k"]["kernel"][1].T, layers["down"]["kernel"][2].T,
                  tree["norm"]["scale"])  # fmt: skip
    return dict(zip(made.gradients(network.name), values, strict=True))


@pytest.mark.parametrize("name", ABOUT)
def test_logits_and_gradients_are_those_of_transformers(folders, name):
    model, theirs = load(folders[name]), np.load(made.FOLDER / f"{name}.npz")
    assert {leaf.dtype for leaf in jax.tree.leaves(model.params)} == {np.dtype(np.float32)}
    logits, gradients = compared(model, theirs)
    assert logits < RELATIVE and gradients < RELATIVE
    # The control: two layers that change places in one matrix alone.
    model.params["layers"]["o"]["kernel"][:2] = model.params["layers"]["o"]["kernel"][1::-1].copy()
    logits, gradients = compared(model, theirs)
    assert logits > 1000 * RELATIVE and gradients > 1000 * RELATIVE


@pytest.mark.parametrize("name", ABOUT)
def test_the_same_live_where_there_is_transformers(folders, name, tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    logits, gradients = compared(load(folders[name]), answer(folders[name], made.TEXTS, made.gradients(name)))
    assert logits < RELATIVE and gradients < RELATIVE


# What config.json says ---------------------------------------------------------------------------------

BAD = {
    "llama-tied": [
        ("model_type", "mixtral"), ("hidden_act", "gelu"), ("attention_bias", True), ("mlp_bias", True),
        ("rope_scaling", {"rope_type": "llama3", "factor": 8.0}),
        ("rope_parameters", {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0}),
        ("rope_parameters", {"full_attention": {"rope_theta": 10000.0}}), ("rope_parameters", "plain"),
        ("partial_rotary_factor", 0.5), ("rope_theta", 70000.0), ("sliding_window", 512),
        ("num_local_experts", 8), ("logit_scale", 0.1), ("invented", [1]),
        ("quantization_config", {"bits": 4}), ("num_hidden_layers", 0), ("vocab_size", 10**30),
        ("hidden_size", "32"), ("rms_norm_eps", float("nan")), ("tie_word_embeddings", 1),
        ("rms_norm_eps", None), ("hidden_size", True),
    ],
    "qwen2": [
        ("use_sliding_window", True), ("layer_types", ["full_attention", "sliding_attention"]),
    ],
    "qwen3": [
        ("attention_bias", True), ("head_dim", None),
    ],
    "gpt2": [
        ("activation_function", "relu"), ("scale_attn_by_inverse_layer_idx", True),
        ("scale_attn_weights", False), ("add_cross_attention", True), ("n_positions", None),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [(name, *each) for name, some in BAD.items() for each in some],
    ids=lambda x: str(x)[:30],
)
def test_a_field_that_is_not_computed_here_is_named_with_its_value(name, field, value):
    with pytest.raises(InputError) as refused:
        described(ABOUT[name]["config"] | {field: value}, "model")
    assert field in str(refused.value) and str(refused.value).startswith("model: ")


def test_the_first_such_field_of_the_file_is_named():
    bad = {"mlp_bias": True, "hidden_act": "gelu"}
    with pytest.raises(InputError, match="mlp_bias"):
        described({"model_type": "llama", **bad, **ABOUT["llama-tied"]["config"], **bad}, "model")


def test_fields_are_honoured_wherever_they_stand():
    old = ABOUT["llama-untied"]["config"] | {"rope_scaling": None}
    theta = old.pop("rope_parameters")["rope_theta"]
    assert described(old | {"rope_theta": theta}, "model") == described(ABOUT["llama-untied"]["config"], "model")
    assert described(old, "model")[0].base == 10_000.0
    assert described(old | {"rope_scaling": {"type": "default"}}, "model")[0].base == 10_000.0
    plain = {name: value for name, value in old.items() if name not in ("head_dim", "num_key_value_heads")}
    network = described(plain, "model")[0]
    assert (network.head, network.key_heads) == (8, 4)
    assert described(ABOUT["gpt2"]["config"] | {"n_inner": 48}, "model")[0].hidden == 48


# Files -------------------------------------------------------------------------------------------------


def test_half_precision_is_widened_and_nothing_else_is_done(folder):
    wide = load(folder).params
    tensors = load_file(folder / WEIGHTS)
    for kind in (jnp.bfloat16, np.float16):
        save_file({name: each.astype(kind) for name, each in tensors.items()}, folder / WEIGHTS)
        jax.tree.map(lambda a, b, k=kind: np.testing.assert_array_equal(a.astype(k), b), wide, load(folder).params)
    save_file({name: each.astype(np.int8) for name, each in tensors.items()}, folder / WEIGHTS)
    with pytest.raises(InputError, match="of F16, BF16, F32, F64, got I8"):
        load(folder)


def sharded(folder):
    """The same weights in two files."""
    tensors = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    files = {name: f"part-{i % 2}.safetensors" for i, name in enumerate(tensors)}
    for file in set(files.values()):
        save_file({name: each for name, each in tensors.items() if files[name] == file}, folder / file)
    (folder / INDEX).write_text(json.dumps({"weight_map": files}))


def test_weights_in_several_files_are_the_same(folder):
    whole = load(folder)
    sharded(folder)
    parts = load(folder)
    jax.tree.map(np.testing.assert_array_equal, whole.params, parts.params)
    assert len(parts.sha256) == 64 and parts.sha256 != whole.sha256
    (folder / "part-1.safetensors").unlink()
    with pytest.raises(InputError, match=r"must have the file part-1\.safetensors"):
        load(folder)
    (folder / INDEX).write_text(json.dumps({"weight_map": {"a": "../../model.safetensors"}}))
    with pytest.raises(InputError, match=r"of the folder, got '\.\./\.\./"):
        load(folder)


def changed(**tensors):
    def change(folder):
        found = load_file(folder / WEIGHTS)
        for name, make in tensors.items():
            name = name.replace("__", ".")
            made = make(found.pop(name, np.zeros(3, np.float32)))
            found |= {} if made is None else {name: made}
        save_file(found, folder / WEIGHTS)

    return change


def gone(name):
    return lambda folder: (folder / name).unlink()


def said(name, text):
    return lambda folder: (folder / name).write_bytes(text)


def pickled(folder):
    (folder / WEIGHTS).rename(folder / "pytorch_model.bin")


def configured(**fields):
    return lambda folder: (folder / CONFIG).write_text(json.dumps(ABOUT["llama-untied"]["config"] | fields))


NORM = "model__norm__weight"
SPOILED = {
    "no config": (gone(CONFIG), "must have a file config.json"),
    "a config of no JSON": (said(CONFIG, b"{"), "must be a file of JSON"),
    "a config that is a list": (said(CONFIG, b"[]"), "must be an object of JSON"),
    "a deep config": (said(CONFIG, b"[" * 10**5), "must be a file of JSON"),
    "a large config": (said(CONFIG, b" " * 9 * 2**20), "must be a file of JSON (larger than"),
    "no weights": (gone(WEIGHTS), "must have a file model.safetensors"),
    "pickles": (pickled, "are pickles, which are not opened"),
    "empty weights": (said(WEIGHTS, b""), "must be a whole safetensors file"),
    "a header of any length": (said(WEIGHTS, b"\xff" * 64), "must be a whole safetensors file"),
    "a tensor missing": (changed(**{NORM: lambda a: None}), "must have a tensor norm.weight"),
    "a tensor too many": (changed(model__extra=lambda a: a), "has a tensor extra, which is not computed here"),
    "another shape": (changed(lm_head__weight=lambda a: a.T.copy()), "lm_head.weight of shape (64, 32), got (32, 64)"),
    "no numbers": (changed(**{NORM: lambda a: a * np.nan}), "finite numbers in its tensor norm.weight"),
    "numbers that float32 has not": (changed(**{NORM: lambda a: a * np.float64(1e300)}), "finite numbers in"),
    "a million layers": (configured(num_hidden_layers=2**20), "must have those of 1048576 layers, got 30 tensors"),
    "no tokenizer": (gone("tokenizer.json"), "must have a file tokenizer.json"),
    "a tokenizer of no kind": (said("tokenizer.json", b"{}"), "must be a tokenizer"),
    "a damaged template": (said("chat_template.jinja", b"\xff"), "must have a readable chat template"),
}  # fmt: skip


@pytest.mark.parametrize("kind", SPOILED)
def test_what_is_missing_or_damaged_is_named(folder, kind):
    spoil, wanted = SPOILED[kind]
    spoil(folder)
    with pytest.raises(InputError) as refused:
        load(folder)
    assert wanted in str(refused.value) and "\n" not in str(refused.value)


def test_a_tied_head_is_the_embedding_or_refused_and_buffers_are_no_weights(folders, tmp_path):
    folder = Path(shutil.copytree(folders["llama-tied"], tmp_path / "model"))
    changed(model__layers__0__self_attn__rotary_emb__inv_freq=lambda a: a)(folder)
    embedding = load_file(folder / WEIGHTS)["model.embed_tokens.weight"]
    changed(lm_head__weight=lambda a: embedding)(folder)
    assert "head" not in load(folder).params
    changed(lm_head__weight=lambda a: 2 * embedding)(folder)
    with pytest.raises(InputError, match="equal to its embedding"):
        load(folder)


def test_a_file_that_is_cut_or_changed_gives_one_line_or_the_same_shapes(folder):
    whole = {name: (folder / name).read_bytes() for name in (WEIGHTS, CONFIG, "tokenizer.json")}
    rng, refused = np.random.default_rng(0), 0
    shapes = jax.tree.map(np.shape, load(folder).params)
    for name, data in whole.items():
        head = 8 + int.from_bytes(data[:8], "little") if name == WEIGHTS else len(data)
        cuts = [data[:at] for at in rng.integers(0, len(data), 8)]
        for at, value in zip(rng.integers(0, head, 24), rng.integers(0, 256, 24), strict=True):
            cuts.append(data[:at] + bytes([value]) + data[at + 1 :])
        for each in cuts:
            (folder / name).write_bytes(each)
            try:
                assert jax.tree.map(np.shape, load(folder).params) == shapes
            except InputError as error:
                refused += 1
                assert "\n" not in str(error)
        (folder / name).write_bytes(data)
    assert refused > 40
