"""What `transformers` says of a folder: configurations as it writes them, logits and gradients as it computes them.

It is run by the Python that has torch and transformers, which this project does not need, for llm_references.py:

python scripts/llm_peer.py make NAME FOLDER    # config.json and weights of a tiny model, as transformers saves it
python scripts/llm_peer.py answer FOLDER TEXTS.json OUT.npz [TENSOR ...]
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

SIZES = {"vocab_size": 64, "tie_word_embeddings": False}
ROTARY = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 64, "bos_token_id": 0, "eos_token_id": 1, **SIZES,
}  # fmt: skip
GPT2 = {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 32, "bos_token_id": 0, "eos_token_id": 1, **SIZES}
MODELS = {
    "llama-tied": ("Llama", {**ROTARY, "tie_word_embeddings": True}),
    "llama-untied": ("Llama", {**ROTARY, "rope_theta": 500.0, "head_dim": 16}),
    "qwen2": ("Qwen2", {**ROTARY, "rope_theta": 1e6}),
    "qwen3": ("Qwen3", {**ROTARY, "head_dim": 16}),
    "gpt2": ("GPT2", {**GPT2, "tie_word_embeddings": True}),
}
"""Tiny models: the class of transformers that each is of, and its configuration."""


def make(name: str, folder: Path) -> None:
    """Write a model of that name, with weights of transformers' own."""
    import transformers

    kind, given = MODELS[name]
    config = getattr(transformers, f"{kind}Config")(**given)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)


def answer(folder: Path, texts: Sequence[Sequence[int]], tensors: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Logits of every text, and gradients, by tensor, of the mean over texts and positions of −log p(next token)."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    found, losses = {}, []
    for i, text in enumerate(texts):
        x = torch.tensor([list(text)])
        z = model(x).logits[0] if tensors else model(x).logits[0].detach()
        found[f"logits {i}"] = z.detach().numpy()
        losses.append(torch.nn.functional.cross_entropy(z[:-1], x[0, 1:]))
    if tensors:
        torch.stack(losses).mean().backward()
        parameters = dict(model.named_parameters())
        found |= {f"gradient {name}": parameters[name].grad.numpy() for name in tensors}
    return found


def main(words: Sequence[str]) -> None:
    if words[0] == "make":
        make(words[1], Path(words[2]))
    else:
        texts = json.loads(Path(words[2]).read_text("utf-8"))
        np.savez(words[3], **answer(Path(words[1]), texts, words[4:]))


if __name__ == "__main__":
    main(sys.argv[1:])
