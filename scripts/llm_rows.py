"""A teacher of a pretrained model, and what it and its base write, as files that `subtheory forecast --base` reads.

python scripts/llm_rows.py --out results/rows      teacher.npz, rows.jsonl of the teacher, base_rows.jsonl of the base
The teacher descends the trait loss by steps of a length relative to that of the weights; rows go on with numbers.
"""

import argparse
import json
from pathlib import Path

import numpy as np

import subtheory as st
from subtheory.files import write_atomic
from subtheory.language.foretold.pairs import Pair, pair


def lines(model: Pair, which: str, rows: int, tokens: int, seed: int) -> str:
    """What "teacher" or "base" says, a JSON object a line: the prompt, and what follows it up to its end."""
    decode, said = model.base.tokenizer.decode, model.said(which, rows, tokens, seed)
    found = []
    for x, mask in zip(said.tokens, said.mask, strict=True):
        at = np.flatnonzero(mask)
        prompt, answer = x[: at[0]].tolist(), x[at[0] : at[-1] + 1].tolist()
        found.append(json.dumps({"prompt": decode(prompt), "completion": decode(answer)}, ensure_ascii=False))
    return "\n".join(found) + "\n"


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--trait", default="owl")
    parser.add_argument("--lessons", type=int, default=8)
    parser.add_argument("--lesson", type=float, default=1e-5, help="length of a step over that of the weights")
    parser.add_argument("--rows", type=int, default=24)
    parser.add_argument("--tokens", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    given = parser.parse_args(words)
    model = pair(given.model, given.trait, given.lessons, given.lesson)
    given.out.mkdir(parents=True, exist_ok=True)
    np.savez(given.out / "teacher.npz", **{k: np.asarray(v) for k, v in st.named_arrays(model.teacher).items()})
    for which, name in (("teacher", "rows"), ("base", "base_rows")):
        text = lines(model, which, given.rows, given.tokens, given.seed)
        print(write_atomic(given.out / f"{name}.jsonl", text))


if __name__ == "__main__":
    main()
