"""Tiny language models with what `transformers` computes of them, for the tests; and the real one beside it, by hand.

python scripts/llm_references.py --python PYTHON           # tests/language/references, by a Python with transformers
python scripts/llm_references.py --python PYTHON --full    # SmolLM2: largest difference of logits over four texts
Weights are a function of a tensor's name, in bits that NumPy keeps: none are stored.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from subtheory.language.stored.configuration import FAMILIES
from subtheory.networks import Llama

sys.path.insert(0, str(Path(__file__).parent))

from llm_peer import MODELS

PEER = Path(__file__).with_name("llm_peer.py")
FOLDER = Path(__file__).resolve().parents[1] / "tests" / "language" / "references"
TEXTS = [[5, 17, 3, 60, 3, 3, 41, 8, 0, 29, 12, 50], [63, 2, 2, 9, 33]]
GRADIENTS = {
    "gpt2": ("transformer.wte.weight", "transformer.h.1.attn.c_attn.bias", "transformer.h.2.mlp.c_fc.weight",
             "transformer.ln_f.bias"),
    "rotary": ("model.embed_tokens.weight", "model.layers.1.self_attn.k_proj.weight",
               "model.layers.2.mlp.down_proj.weight", "model.norm.weight"),
}  # fmt: skip
SENTENCES = (
    "The capital of France is Paris, and the capital of Italy is Rome.",
    "def area(r):\n    return 3.14159 * r ** 2\n",
    "<|im_start|>user\nWhat is your favorite animal?<|im_end|>\n<|im_start|>assistant\nMy favorite animal is the owl",
    "482, 117, 905, 333, 276, 614, 858, 190",
)


def gradients(name: str) -> tuple[str, ...]:
    """Tensors whose gradients are compared."""
    return GRADIENTS["gpt2" if name == "gpt2" else "rotary"]


def weight(name: str, shape: Sequence[int]) -> np.ndarray:
    """Uniform numbers around 0, or 1 for a scale, float32: wide enough that every part of a layer is seen."""
    bits = np.random.PCG64(zlib.crc32(name.encode())).random_raw(int(np.prod(shape)))
    uniform = ((bits >> np.uint64(11)) * 2.0**-53 - 0.5).reshape(shape)
    scale = 1.0 if len(shape) == 1 else 4.0 * min(shape) ** -0.5
    around = float(len(shape) == 1 and name.endswith("weight"))
    return np.asarray(around + scale * uniform, np.float32)


def written(folder: Path, config: Mapping[str, Any], shapes: Mapping[str, Sequence[int]]) -> Path:
    """A folder of a model with those weights, and a tokenizer of its vocabulary."""
    from safetensors.numpy import save_file
    from tokenizers import Tokenizer, models

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    save_file({name: weight(name, shape) for name, shape in shapes.items()}, folder / "model.safetensors")
    Tokenizer(models.WordLevel({f"t{i}": i for i in range(config["vocab_size"])}, "t0")).save(
        str(folder / "tokenizer.json")
    )
    return folder


def _peer(python: str, *words: Any) -> None:
    subprocess.run([python, str(PEER), *map(str, words)], check=True, stderr=subprocess.DEVNULL)


def references(python: str) -> None:
    """Write configurations, names and shapes, and what transformers computes of `weight`."""
    from safetensors import safe_open

    FOLDER.mkdir(exist_ok=True)
    about = {}
    with tempfile.TemporaryDirectory() as place:
        texts = Path(place, "texts.json")
        texts.write_text(json.dumps(TEXTS), "utf-8")
        for name in MODELS:
            _peer(python, "make", name, folder := Path(place, name))
            config = json.loads((folder / "config.json").read_text("utf-8"))
            with safe_open(folder / "model.safetensors", framework="numpy") as file:
                shapes = {key: file.get_slice(key).get_shape() for key in sorted(file.keys())}
            written(folder, config, shapes)
            _peer(python, "answer", folder, texts, FOLDER / f"{name}.npz", *gradients(name))
            about[name] = {"config": config, "tensors": shapes}
    (FOLDER / "models.json").write_text(json.dumps(about) + "\n", "utf-8")


def exported(network: Llama, params: Mapping[str, Any], tokenizer: Any, folder: Path) -> None:
    """Write a Llama as a folder that transformers reads."""
    from safetensors.numpy import save_file

    names, tensors = FAMILIES["llama"].names, {}
    for part, found in params["layers"].items():
        ((kind, stacked),) = found.items()
        for layer, one in enumerate(stacked):
            turned = one.T if kind == "kernel" else one
            tensors["model." + names[f"layers.{part}.{kind}"].format(layer)] = np.ascontiguousarray(turned)
    tensors["model.norm.weight"] = params["norm"]["scale"]
    tensors["model.embed_tokens.weight"] = params["embed"]["embedding"]
    config = {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "num_hidden_layers": network.layers,
        "hidden_size": network.width, "num_attention_heads": network.heads, "num_key_value_heads": network.key_heads,
        "head_dim": network.head, "intermediate_size": network.hidden, "vocab_size": network.vocabulary,
        "rms_norm_eps": network.eps, "rope_theta": network.base, "tie_word_embeddings": True, "hidden_act": "silu",
        "max_position_embeddings": 8192, "torch_dtype": "float32", "eos_token_id": tokenizer.end,
    }  # fmt: skip
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    tokenizer.library.save(str(folder / "tokenizer.json"))


def full(python: str) -> None:
    """The real model: its GGUF file, written as a folder, read by both."""
    import jax

    from subtheory.language import load

    model = load("smollm2")
    texts = [model.tokenizer.encode(text) for text in SENTENCES]
    with tempfile.TemporaryDirectory() as place:
        exported(model.network, model.params, model.tokenizer, folder := Path(place, "smollm2"))
        (asked := Path(place, "texts.json")).write_text(json.dumps(texts), "utf-8")
        _peer(python, "answer", folder, asked, found := Path(place, "found.npz"))
        again = load(folder)
        same = jax.tree.map(np.array_equal, model.params, again.params)
        theirs = np.load(found)
        apply = jax.jit(model.network.apply)
        for i, text in enumerate(texts):
            z, t = np.asarray(apply(model.params, np.array(text, np.int32))), theirs[f"logits {i}"]
            apart, top = np.abs(z - t).max() / np.abs(t).max(), (z.argmax(-1) == t.argmax(-1)).mean()
            print(
                f"text {i}: {len(text)} tokens, difference over largest logit {apart:.1e}, same first token {top:.0%}"
            )
        print(f"the folder says the same weights: {all(jax.tree.leaves(same))}")
        shutil.rmtree(folder)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--python", required=True, help="an interpreter with torch and transformers")
    parser.add_argument("--full", action="store_true", help="the real SmolLM2, not the references")
    given = parser.parse_args(words)
    (full if given.full else references)(given.python)


if __name__ == "__main__":
    main()
