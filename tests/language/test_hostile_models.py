"""Hostile places where a model's files are looked for: a line, soon, whatever stands there."""

import json
import sys
from pathlib import Path

import pytest

from subtheory.cli import main
from subtheory.errors import InputError
from subtheory.language import load

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import llm_references
from checks import made

for library in ("gguf", "safetensors", "tokenizers"):
    pytest.importorskip(library)

ABOUT = json.loads((llm_references.FOLDER / "models.json").read_text("utf-8"))["qwen2"]


@pytest.mark.parametrize("kind", made.SPECIAL)
@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json", "x.gguf"])
def test_what_is_no_plain_file_of_its_kind_is_one_line(tmp_path, name, kind):
    folder = llm_references.written(tmp_path, ABOUT["config"], ABOUT["tensors"])
    (folder / name).unlink(missing_ok=True)
    made.SPECIAL[kind](folder / name)
    with pytest.raises(InputError) as refused:
        load(folder / name if name == "x.gguf" else folder)
    assert refused.value.field == "model" and "\n" not in str(refused.value)


@pytest.mark.parametrize("kind", ["a device", "10 GB of nothing", "empty"])
def test_a_command_ends_with_that_line_before_it_reads_all_of_the_file(tmp_path, capsys, kind):
    made.SPECIAL[kind](tmp_path / "x.gguf")
    words = ["run", "llm_theorem", "--quick", "--no-cache", "--set", f"model={tmp_path / 'x.gguf'}"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: model: must")
