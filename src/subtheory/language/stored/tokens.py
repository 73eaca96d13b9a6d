"""The tokenizer of a folder: tokenizer.json as it stands, the token that ends an answer, and the chat template.

Texts are made of parts, a prompt and an answer, each encoded by itself. Some tokenizers put a blank before whatever
they encode; theirs is left out, so that parts make the text that they say.
"""

import json
from pathlib import Path
from typing import Any

from subtheory import files
from subtheory.errors import InputError
from subtheory.language.tokenizer import Tokenizer

CONFIG, TOKENS = "config.json", "tokenizer.json"
MOST = 64 * 2**20
"""Bytes of a tokenizer.json: those of large vocabularies have 40 MB."""


def said_in(path: Path, needed: bool = True, most: int = files.TEXT) -> dict[str, Any]:
    """The object that a file of JSON is; an empty one where it is not needed and not there.

    Raises InputError on "model" for one that is needed and not there, or is damaged.
    """
    if not path.is_file():
        if not needed:
            return {}
        raise InputError("model", str(path.parent), f"must have a file {path.name}")
    try:
        said = files.read_json(path, most)
    except files.BROKEN as error:
        raise InputError("model", str(path), f"must be a file of JSON ({files.reason(error)})") from error
    if not isinstance(said, dict):
        raise InputError("model", str(path), "must be an object of JSON")
    return said


def read(path: Path, vocabulary: int) -> Tokenizer:
    """The tokenizer of the folder `path`, whose model has so many tokens.

    Raises InputError on "model" where it is missing, damaged, has more tokens, or where none of them ends a text.
    """
    from subtheory.language.checkpoint import required

    library = required("tokenizers")
    whole = said_in(path / TOKENS, most=MOST)
    try:
        parts = {part: without_blank(whole.get(part)) for part in ("normalizer", "pre_tokenizer", "decoder")}
        found = library.Tokenizer.from_str(json.dumps(whole | parts))
        known = found.get_vocab(with_added_tokens=True)
    except Exception as error:
        raise InputError("model", str(path / TOKENS), f"must be a tokenizer ({files.reason(error)})") from error
    if max(known.values(), default=-1) >= vocabulary:
        raise InputError("model", max(known.values()), f"must have tokens below the vocab_size {vocabulary}")
    found.no_truncation()
    found.no_padding()
    said = said_in(path / "tokenizer_config.json", needed=False)
    names = {name: _content(value) for name, value in said.items() if name.endswith("_token")}
    names = {name: value for name, value in names.items() if value}
    end = _end(path, names.get("eos_token", ""), known)
    return Tokenizer(found, end, _template(path, said.get("chat_template")), names)


FRONT = {"prepend_scheme": "never", "add_prefix_space": False}


def without_blank(part: Any) -> Any:
    """A step of a tokenizer, with no blank added in front of a text or taken away; None for one that does no more."""
    if not isinstance(part, dict):
        return part
    if part.get("type") in ("Prepend", "Strip"):
        return None
    steps = {
        name: [step for step in map(without_blank, value) if step is not None]
        for name, value in part.items()
        if name in ("normalizers", "pretokenizers", "decoders") and isinstance(value, list)
    }
    return part | steps | {name: value for name, value in FRONT.items() if name in part}


def _content(value: Any) -> str:
    """Of a special token, which is a text or an object with one."""
    text = value.get("content") if isinstance(value, dict) else value
    return text if isinstance(text, str) else ""


def _end(path: Path, named: str, known: dict[str, int]) -> int:
    """The token that ends an answer: the tokenizer's, else the first of generation_config.json, else config.json's."""
    if named in known:
        return known[named]
    for name in ("generation_config.json", CONFIG):
        value = said_in(path / name, needed=False).get("eos_token_id")
        value = value[0] if isinstance(value, list) and value else value
        if isinstance(value, int) and not isinstance(value, bool) and value in known.values():
            return value
    wanted = "must say which of its tokens ends a text (eos_token in tokenizer_config.json, or eos_token_id)"
    raise InputError("model", str(path), wanted)


def _template(path: Path, said: Any) -> str:
    """The chat template: a file of its own goes before the tokenizer's, of which the default one is taken."""
    if (path / "chat_template.jinja").is_file():
        try:
            return files.read(path / "chat_template.jinja", files.TEXT).decode()
        except files.BROKEN as error:
            raise InputError(
                "model", str(path), f"must have a readable chat template ({files.reason(error)})"
            ) from error
    if isinstance(said, list):
        named = {each.get("name"): each.get("template") for each in said if isinstance(each, dict)}
        said = named.get("default")
    return said if isinstance(said, str) else ""
