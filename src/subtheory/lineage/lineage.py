"""The record of models and data sets as one opens it, adds to it and asks it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from subtheory import arguments
from subtheory.arguments import shown
from subtheory.errors import InputError
from subtheory.lineage.answer import Answer, answer
from subtheory.lineage.graph import GENERATED, HASH, INITIALISED, TRAINED, Data, Graph, Model
from subtheory.lineage.laws import FULL
from subtheory.lineage.record import FORMAT, Lines, content


class Lineage:
    """Which model was initialised from which, trained on which data, which a model generated: an append-only file.

    A model is one state of weights, a data set one set of rows, each with the SHA-256 of its content; what was trained
    on is another model. Parents are recorded before children. Every line carries the SHA-256 of the line before, so
    that a line that was altered, dropped, added or moved is named when the file is opened. Every call first reads what
    other processes have appended. Formats and hashes: `subtheory.lineage.record`.
    """

    def __init__(self, path: Path | str) -> None:
        if not isinstance(path, str | Path) or not str(path) or "\0" in str(path):
            raise InputError("file", shown(path), "must be the name of a file")
        self._lines, self._graph = Lines(Path(path).expanduser()), Graph()

    @classmethod
    def open(cls, path: Path | str, *, head: str | None = None, mend: bool = False) -> "Lineage":
        """The record of a file, every line checked; a new one if there is no file yet, which the first `add` writes.

        `head` is a SHA-256 that `Lineage.head` gave before: lines up to that one have to be as they were then, which
        tells a file that was cut or written anew. `mend` puts the beginning of a line, which a writer left that was
        stopped, into a file of this name and ".unfinished"; without it such a line is an error.
        Raises InputError, one line that names the line of the file and the field.
        """
        self = cls(path)
        if head not in (None, FORMAT) and not (isinstance(head, str) and HASH.fullmatch(head)):
            raise InputError("head", shown(head), "must be a SHA-256, 64 digits of 0-9 and a-f")
        if not isinstance(mend, bool):
            raise InputError("mend", shown(mend), "must be True or False")
        if mend and self._lines.path.exists():
            with self._lines.writing() as file:
                self._lines.mend(file)
        if not self._read(head):
            raise InputError("head", head, f"must be the SHA-256 of a line of {self._lines.path}: lines are missing")
        return self

    @property
    def head(self) -> str:
        """The SHA-256 of the last line, which stands for all lines up to it; to be kept elsewhere."""
        return self._lines.head

    def __len__(self) -> int:
        """How many models and data sets are recorded."""
        return self._lines.count

    def add_model(
        self,
        name: str,
        hash: str | Path,
        initialised_from: str | None = None,
        trained_on: str | Iterable[str] = (),
    ) -> str:
        """Record weights, with the model from which their training started and all data of it; the new `head`.

        `hash` is the SHA-256 of the weights in hexadecimal, or the Path of their file. Without `initialised_from` it is
        an init of its own. A copy has the hash of what it was initialised from, and was trained on nothing. Raises
        InputError for a name or a content that is recorded already, an edge to what is not recorded, and a file that
        cannot be appended to.
        """
        listed = [trained_on] if isinstance(trained_on, str) else arguments.entries(trained_on)
        data = trained_on if listed is None else listed or None
        return self._add({"model": name, "hash": _hash(hash), INITIALISED: initialised_from, TRAINED: data})

    def add_data(
        self,
        name: str,
        hash: str | Path,
        generated_by: str | None = None,
        view: str = FULL,
        channel: str | None = None,
    ) -> str:
        """Record a data set, with the model whose outputs it shows; the new `head`.

        `view` is the name of a view, by default all outputs; "processed" is whatever has no name. `channel` names the
        inputs: data sets of one name have the same ones. Raises InputError as `add_model` does.
        """
        told = view if generated_by is not None or not isinstance(view, str) or view != FULL else None
        return self._add({"data": name, "hash": _hash(hash), GENERATED: generated_by, "view": told, "channel": channel})

    def shares_init(self, data: str, student: str) -> Answer:
        """Whether the generator of the data shares an init with the student, by which edges, and what is forecast.

        A student that was trained on this data is asked about at its init, any other model as it is. Raises InputError
        for names that are not recorded.
        """
        self._read()
        known = self._graph.known
        return answer(self._graph, known("data", data, Data), known("student", student, Model))

    def _add(self, entry: dict[str, Any]) -> str:
        said = {field: value for field, value in entry.items() if value is not None}
        self._read()
        self._graph.node(said)  # before a file is made
        with self._lines.writing() as file:
            self._take(file)
            node = self._graph.node(said)
            self._lines.append(file, said)
            self._graph.add(node)
        return self.head

    def _read(self, head: str | None = None) -> bool:
        """Read what is new, and say whether a line of this SHA-256 is in it; where none is given, it is."""
        with self._lines.reading() as file:
            return self._take(file, head)

    def _take(self, file: int | None, head: str | None = None) -> bool:
        found = head in (None, FORMAT)
        for entry, sha256 in self._lines.fresh(file):
            try:
                self._graph.add(self._graph.node(entry))
            except InputError as error:
                raise self._lines.fault(error.wanted, error.value, error.field) from error
            found = found or sha256 == head
        return found


def _hash(given: Any) -> Any:
    return content(given.expanduser()) if isinstance(given, Path) else given
