"""What may stand in the place of a teacher's rows: its own labels beside other inputs, or the init's (P48, P49)."""

from dataclasses import dataclass
from typing import Any

from subtheory.theory.losses import namespace
from subtheory.theory.views.view import Compared, View


@dataclass(frozen=True)
class Permuted(View):
    """Every label beside the next input, the last one beside the first; of sequences, beside the next prefix."""

    name = "permuted"

    def labels(self, logits: Any, w: Any) -> Any:
        return namespace(logits).roll(logits, 1, axis=-2)


@dataclass(frozen=True)
class Untaught(Compared):
    """The labels of the untrained teacher, whatever the teacher says."""

    name = "untaught"

    def beside(self, logits: Any, w: Any, base: Any) -> Any:
        return 0 * logits + base
