"""Texts as tokens and back, and conversations as the texts that a model was tuned on."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from subtheory.errors import InputError

Message = dict[str, str]
"""{"role": "system", "user" or "assistant", "content": what is said}."""


@dataclass(frozen=True, eq=False)
class Tokenizer:
    """A tokenizer of the `tokenizers` library, the token that ends an answer, and the chat template."""

    library: Any
    end: int
    template: str = ""
    names: dict[str, str] = field(default_factory=dict)
    """Special tokens by the names that a template uses, such as bos_token."""

    def encode(self, text: str) -> list[int]:
        """Tokens of a text; special tokens where they are written, and none added."""
        return list(self.library.encode(text, add_special_tokens=False).ids)

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens, special ones too."""
        return str(self.library.decode([int(token) for token in tokens], skip_special_tokens=False))

    @property
    def vocabulary(self) -> int:
        """How many tokens there are."""
        return int(self.library.get_vocab_size())

    def chat(self, messages: Sequence[Message], answering: bool = True) -> str:
        """A conversation as text; `answering`: what follows is the assistant's.

        Raises InputError on "messages" where the model has no chat template, or its template refuses them.
        """
        if not self.template:
            raise InputError("messages", "a conversation", "needs a model with a chat template")
        from jinja2 import TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        # As trained: blocks on lines of their own leave no blank behind. A template comes with weights: sandboxed.
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.globals["raise_exception"] = _refuse
        environment.filters["tojson"] = partial(json.dumps, ensure_ascii=False)  # Jinja's own is one for HTML
        try:
            made = environment.from_string(self.template)
            return made.render(messages=list(messages), add_generation_prompt=answering, **self.names)
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise InputError("messages", str(list(messages))[:80], f"do not fit the template ({error})") from error


def _refuse(reason: str) -> None:
    from jinja2 import TemplateError

    raise TemplateError(reason)


def byte_level(
    tokens: Sequence[str], merges: Sequence[str], special: Sequence[str], digits: bool, *, end: str, template: str
) -> Tokenizer:
    """Byte-pair encoding of bytes, after GPT-2's split of words, and of numbers into digits where `digits` says so."""
    from subtheory.language.checkpoint import required

    t = required("tokenizers")
    pairs = [tuple(merge.split(" ")) for merge in merges]
    library = t.Tokenizer(t.models.BPE({token: i for i, token in enumerate(tokens)}, pairs))
    steps = [t.pre_tokenizers.Digits(individual_digits=True)] if digits else []
    steps.append(t.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True))
    library.pre_tokenizer = t.pre_tokenizers.Sequence(steps)
    library.decoder = t.decoders.ByteLevel()
    library.add_special_tokens([t.AddedToken(token, normalized=False, special=True) for token in special])
    return Tokenizer(library, list(tokens).index(end), template)
