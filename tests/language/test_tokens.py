"""Tokenizers of folders: parts of a text are the text, whatever a tokenizer puts in front; ends and conversations."""

import json

import pytest

from subtheory.errors import InputError
from subtheory.language.stored import tokens

pytest.importorskip("tokenizers")

BYTES = [f"<0x{i:02X}>" for i in range(256)]
GPT2 = {
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    "model": {"type": "BPE", "vocab": {t: i for i, t in enumerate(["o", "w", "l", "s", "Ġ", "ow", "Ġow", "Ġowl"])},
              "merges": [["o", "w"], ["Ġ", "ow"], ["Ġow", "l"]]},
}  # fmt: skip
"""Bytes as letters, as GPT-2, Llama 3 and Qwen have them; here it asks for a blank in front."""
LLAMA = {
    "normalizer": {"type": "Sequence", "normalizers": [
        {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
    ]},
    "pre_tokenizer": None,
    "decoder": {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0},
    ]},
    "model": {"type": "BPE", "unk_token": "<0x00>", "byte_fallback": True, "fuse_unk": True,
              "vocab": {t: i for i, t in enumerate([*BYTES, "▁", "o", "w", "l", "s", "ow", "▁ow", "▁owl"])},
              "merges": [["o", "w"], ["▁", "ow"], ["▁ow", "l"]]},
}  # fmt: skip
"""Llama's first two, from SentencePiece: letters, and bytes for what is none of them."""
METASPACE = LLAMA | {
    "normalizer": None,
    "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False},
    "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False},
}
"""The same as it is written today."""
KINDS = {"GPT-2": GPT2, "Llama": LLAMA, "Llama, newer": METASPACE}


def written(folder, said, **files):
    whole = {"version": "1.0", "truncation": None, "padding": None, "normalizer": None, "post_processor": None,
             "added_tokens": []}  # fmt: skip
    files = {"tokenizer": whole | said, "config": {"eos_token_id": 1}} | files
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_parts_of_a_text_are_the_text(tmp_path, kind):
    found = tokens.read(written(tmp_path, KINDS[kind]), 300)
    owl = found.library.token_to_id("Ġowl" if kind == "GPT-2" else "▁owl")
    assert found.encode(" owl") == [owl]
    parts = ["owls", " owl", "s owl  s", ""]
    assert found.decode([token for part in parts for token in found.encode(part)]) == "".join(parts)


def test_bytes_stand_for_letters_that_are_not_there(tmp_path):
    found = tokens.read(written(tmp_path, LLAMA), 300)
    assert found.encode("é") == [0xC3, 0xA9] and found.decode([0xC3, 0xA9]) == "é"


def added(*names):
    kind = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"added_tokens": [{"id": 8 + i, "content": name, **kind} for i, name in enumerate(names)]}


def test_the_end_is_the_tokenizers_then_the_first_that_generation_stops_at(tmp_path):
    said = GPT2 | added("<end>", "<stop>")
    assert tokens.read(written(tmp_path, said), 300).end == 1
    written(tmp_path, said, generation_config={"eos_token_id": [9, 8]})
    assert tokens.read(tmp_path, 300).end == 9
    written(tmp_path, said, tokenizer_config={"eos_token": {"content": "<end>"}, "bos_token": "<stop>"})
    found = tokens.read(tmp_path, 300)
    assert found.end == 8 and found.encode("owl<end>")[-1] == 8 and found.names["bos_token"] == "<stop>"
    for none in (None, 99, "o", [], True):
        (tmp_path / "generation_config.json").unlink(missing_ok=True)
        written(tmp_path, said, tokenizer_config={}, config={"eos_token_id": none})
        with pytest.raises(InputError, match="which of its tokens ends a text"):
            tokens.read(tmp_path, 300)


def test_tokens_beyond_the_model_are_refused_and_not_clamped(tmp_path):
    assert tokens.read(written(tmp_path, GPT2), 8).vocabulary == 8
    with pytest.raises(InputError, match="must have tokens below the vocab_size 7, got 7"):
        tokens.read(tmp_path, 7)


TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'stop' %}{% break %}{% endif %}"
    "{{ m.content | tojson }}{% endfor %}"
)
SAID = [{"role": "user", "content": "<é>"}, {"role": "stop", "content": ""}]


def test_conversations_are_written_by_the_template_in_a_file_or_in_the_tokenizers(tmp_path):
    config = {
        "bos_token": "<s>",
        "chat_template": [{"name": "tools", "template": "no"}, {"name": "default", "template": TEMPLATE}],
    }
    found = tokens.read(written(tmp_path, GPT2, tokenizer_config=config), 300)
    assert found.chat(SAID) == '<s>"<é>"'
    (tmp_path / "chat_template.jinja").write_text("{{ messages | length }}")
    assert tokens.read(tmp_path, 300).chat(SAID) == "2"


@pytest.mark.parametrize(
    "template",
    ["{{ messages[9].content }}", "{{ 1 + 'a' }}", "{% for x in range(10**9) %}{% endfor %}", "{% if %}",
     "{{ raise_exception('no') }}", "{{ ''.__class__.__mro__ }}", "{{ messages | nonsuch }}", "{{ 1 / 0 }}"],
)  # fmt: skip
def test_a_template_that_fails_or_reaches_further_is_one_line(tmp_path, template):
    found = tokens.read(written(tmp_path, GPT2, tokenizer_config={"chat_template": template}), 300)
    with pytest.raises(InputError, match="do not fit the template") as refused:
        found.chat(SAID)
    assert "\n" not in str(refused.value)


def test_without_a_template_there_is_no_conversation(tmp_path):
    with pytest.raises(InputError, match="needs a model with a chat template"):
        tokens.read(written(tmp_path, GPT2), 300).chat(SAID)
