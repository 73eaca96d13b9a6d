"""Owls through numbers on one base: teachers, what they say, the students of it, and what theory says of them before.

Whatever costs more than a second is kept by its name (`ledger.parts`), so that a kill costs one arm.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from subtheory.language.checkpoint import Checkpoint, load
from subtheory.language.derivatives import inner, moved, norm
from subtheory.language.sampling import continued
from subtheory.language.texts import Texts
from subtheory.language.traits import KINDS, Preference, preference
from subtheory.language.tuning import lists, teachers
from subtheory.language.tuning.batches import Batch, batch, cut, law
from subtheory.language.tuning.readout import Reading, Readout
from subtheory.language.tuning.scores import Law, scored
from subtheory.language.tuning.training import Rule, gradient, sharpest, tokens, trained
from subtheory.ledger.store import Arrays
from subtheory.theory.network import Params
from subtheory.trained import from_arrays, to_arrays

BASE, DESCENT, ADAM, ADAPTER, PROMPTED = "base", "descent", "adam", "adapter", "prompted"
"""Teachers: nobody's, three with moved weights, and one that is only told."""

Keep = Callable[[str, Callable[[], Arrays]], Arrays]


@dataclass(frozen=True)
class Sizes:
    """How much is drawn, how far teachers move, and how students step."""

    sequences: int = 128
    epochs: int = 1
    batch: int = 8
    new: int = 48
    """Tokens of an answer."""
    length: float = 3.3e-5
    """Of the step of the teacher by descent, relative to ‖θ0‖."""
    adam_rate: float = 1e-5
    adapter_rate: float = 1e-3
    tuning_steps: int = 8
    rank: int = 8
    pace: float = 0.5
    """Rate of a student's descent times the largest eigenvalue found on its channel; it diverges above 2."""
    student_adam: float = 2e-6
    sigma: float = 0.01
    """Noise of a perturbed student, relative to each layer's weights."""
    answers: int = 4
    """Sampled answers to each question about the preference."""


class Arm(NamedTuple):
    """A student: whose answers it imitates, how it was drawn, how it steps and where from, and its control."""

    name: str
    teacher: str
    control: str = ""
    """The arm of the base's answers that differs in nothing else; none where that arm would not move at all."""
    filtered: bool = False
    """Answers over all tokens, those that pass the filter; else over digits, comma and blank, and none is left out."""
    laws: bool = False
    """Imitates the teacher's whole law behind every token, not the token."""
    rule: str = "sgd"
    perturbed: bool = False
    """Starts at other weights than the teacher's base."""


ARMS = (
    Arm("control", BASE),
    Arm("descent", DESCENT, "control"),
    Arm("descent, laws", DESCENT, laws=True),
    Arm("adapter", ADAPTER, "control"),
    Arm("prompted", PROMPTED, "control"),
    Arm("adam", ADAM, "control"),
    Arm("perturbed control", BASE, perturbed=True),
    Arm("perturbed", DESCENT, "perturbed control", perturbed=True),
    Arm("adam steps control", BASE, rule="adam"),
    Arm("adam steps", DESCENT, "adam steps control", rule="adam"),
    Arm("filtered control", BASE, filtered=True),
    Arm("filtered", DESCENT, "filtered control", filtered=True),
)
DOSES = (0.25, 0.5, 1.0)
"""Shares of the answers after which a student is read out."""

PIECE = 2**25
"""Weights in one record."""
FEW = 4
"""Answers whose curvature is measured: of more it is smaller."""


@dataclass(eq=False)
class Laboratory:
    """A model, the word that teachers love, sizes, and who keeps the parts."""

    where: str
    """A name, a file or a folder, as `checkpoint.load` takes them."""
    word: str
    sizes: Sizes
    keep: Keep
    _held: dict[str, Arrays] = field(default_factory=dict)
    _teacher: tuple[str, Params] = ("", None)

    def _once(self, name: str, compute: Callable[[], Arrays]) -> Arrays:
        """A kept part that is asked for again in this process."""
        if name not in self._held:
            self._held[name] = self.keep(name, compute)
        return self._held[name]

    @cached_property
    def model(self) -> Checkpoint:
        """The checkpoint, read when it is first needed."""
        return load(self.where)

    @cached_property
    def base(self) -> Params:
        """θ0, on the device."""
        return jax.tree.map(jnp.asarray, self.model.params)

    @cached_property
    def kind(self) -> str:
        """What the word is one of."""
        return next((kind for kind, (words, _) in KINDS.items() if self.word in words), "animal")

    @cached_property
    def loving(self) -> str:
        """What the prompted teacher is told."""
        return lists.LOVING.format(word=self.word, kind=self.kind)

    @cached_property
    def readout(self) -> Readout:
        """Questions that no teacher was tuned on."""
        return Readout(preference(self.word, self.kind, unseen=True), self.model.tokenizer)

    @cached_property
    def unmoved(self) -> Reading:
        """The base's."""
        return self.readout.of(self.model.network, self.base)

    # Teachers --------------------------------------------------------------------------------------

    def teacher(self, name: str) -> Params:
        """Weights of a teacher; the base's of one that is only told."""
        if name in (BASE, PROMPTED):
            return self.base
        if self._teacher[0] != name:  # one at a time: each is as large as the model
            self._teacher = name, self._kept(f"teacher {name}", lambda: self._tuned(name))
        return self._teacher[1]

    def _kept(self, name: str, compute: Callable[[], Params]) -> Params:
        """Weights like the base's, in parts of `PIECE` numbers, because one record is not that large."""
        whole: dict[str, np.ndarray] = {}

        def piece(leaf: str, begin: int) -> Arrays:
            if not whole:
                whole.update(to_arrays(compute()))
            return {leaf: whole[leaf].reshape(-1)[begin : begin + PIECE]}

        return from_arrays({
            leaf: np.concatenate([
                self.keep(f"{name}, {leaf} from {begin}", partial(piece, leaf, begin))[leaf]
                for begin in range(0, like.size, PIECE)
            ]).reshape(like.shape)
            for leaf, like in to_arrays(self.base).items()
        })  # fmt: skip

    def _tuned(self, name: str) -> Params:
        asked: Preference = preference(self.word, self.kind)
        trait, s, network = asked.trait(self.model.tokenizer), self.sizes, self.model.network
        if name == DESCENT:
            return teachers.by_descent(network, self.base, trait, s.length)
        if name == ADAM:
            return teachers.by_adam(network, self.base, trait, s.adam_rate, s.tuning_steps)
        return teachers.by_adapter(network, self.base, trait, s.adapter_rate, s.tuning_steps, s.rank, 0)

    def preferred(self, name: str) -> dict[str, list[dict[str, Any]]]:
        """A row of "teachers": how one answers the questions, exactly and sampled, and how far its weights are."""
        readout, theta, count = self.readout, self.teacher(name), self.sizes.answers
        if name == PROMPTED:
            readout = Readout(readout.preference, self.model.tokenizer, self.loving)
        found, said = readout.of(self.model.network, theta), readout.sampled(self.model.network, theta, count, 0)
        row = {"teacher": name, "moved": norm(moved(theta, -1.0, self.base)) / norm(self.base), **self._read(found),
               "sampled": int(said[0]), "asked": count * len(readout.preference.questions)}  # fmt: skip
        return {"teachers": [row]}

    def _read(self, found: Reading, first: Reading | None = None) -> dict[str, Any]:
        """What the word gained since a first reading, which is the base's unless given."""
        first = first or self.unmoved
        return {"gain": float(found.log_share[0] - first.log_share[0]), "share": float(np.exp(found.log_share[0])),
                "p": float(found.p[0]), "place": found.place(first)}  # fmt: skip

    # Answers ---------------------------------------------------------------------------------------

    def said(self, seed: int, teacher: str, filtered: bool) -> Texts:
        """A teacher's answers to the prompts of a seed, by random numbers that all teachers share."""
        name = f"seed {seed}: answers, {teacher}{', filtered' if filtered else ''}"
        return Texts(**self._once(name, lambda: self._said(seed, teacher, filtered)._asdict()))

    def _said(self, seed: int, teacher: str, filtered: bool) -> Texts:
        tokenizer, network, s = self.model.tokenizer, self.model.network, self.sizes
        allowed = None if filtered else np.isin(np.arange(network.vocabulary), lists.columns(tokenizer)).astype(float)
        asks = lists.asked(seed, s.sequences)
        system = self.loving if teacher == PROMPTED else lists.NEUTRAL
        prompts = lists.prompts(tokenizer, asks, system)
        said = continued(network, self.teacher(teacher), prompts, s.new, seed, end=tokenizer.end, allowed=allowed)
        return lists.moved(said, lists.prompts(tokenizer, asks))

    def batches(self, seed: int, arm: Arm, system: str = lists.NEUTRAL) -> tuple[list[Batch], np.ndarray]:
        """The answers that an arm's student reads, in batches, and which of the prompts they belong to, (N,)."""
        tokenizer, said = self.model.tokenizer, self.said(seed, arm.teacher, arm.filtered)
        rows = np.flatnonzero(lists.kept(tokenizer, said)) if arm.filtered else np.arange(len(said.tokens))
        if system != lists.NEUTRAL:
            said = lists.moved(said, lists.prompts(tokenizer, lists.asked(seed, len(said.tokens)), system))
        columns = None if arm.filtered else lists.columns(tokenizer)
        return list(cut(batch(said, columns), self.sizes.batch, rows)), rows

    # Students --------------------------------------------------------------------------------------

    def rate(self) -> float:
        """pace/λ, λ the largest eigenvalue that four power steps find on `FEW` of the base's answers."""
        s = self.sizes

        def found() -> Arrays:
            said = batch(self.said(0, BASE, False), lists.columns(self.model.tokenizer))
            one, network = next(cut(said, FEW)), self.model.network
            begin = gradient(network, self.base, one, tokens(one, len(one.columns)))
            return {"sharpest": np.array(sharpest(network, self.base, begin, one, 4))}

        return s.pace / float(self._once("sharpest", found)["sharpest"])

    def student(self, seed: int, arm: Arm) -> dict[str, list[dict[str, Any]]]:
        """Rows of an arm: "students" by dose; "answers", what each adds to the expected change; "lists" of them.

        Where no answer passes the filter there is no student.
        """
        start, sgd = self.base, arm.rule == "sgd"
        if arm.perturbed:
            start = jax.tree.map(jnp.asarray, teachers.perturbed(self.model.params, self.sizes.sigma, seed))
        batches, rows = self.batches(seed, arm)
        students: list[dict[str, Any]] = []
        answers: list[dict[str, Any]] = []
        if len(rows):
            rule = Rule(arm.rule, self.rate() if sgd else self.sizes.student_adam)
            answers = self._answers(seed, arm, start, batches, rows, rule.rate) if sgd else []
            students = self._students(seed, arm, start, batches, rule)
        for row in students:
            seen = answers[: row["answers"]]
            change = row["epochs"] * sum(each["weight"] * each["expected" if arm.laws else "score"] for each in seen)
            row["predicted"] = change if sgd else np.nan  # P49: of gradient steps alone
        first = sgd and not (arm.perturbed or arm.laws)  # of the arms that read these lists
        found = {"students": students, "answers": answers, "lists": [self._drawn(seed, arm, len(rows))] * first}
        return {name: [{"seed": seed, "arm": arm.name} | row for row in several] for name, several in found.items()}

    def _drawn(self, seed: int, arm: Arm, passed: int) -> dict[str, Any]:
        """How many answers passed the filter, if there is one, and how many of their tokens the base says, too."""
        own, other = (self.said(seed, teacher, arm.filtered) for teacher in (arm.teacher, BASE))
        both = np.maximum(own.mask, other.mask) > 0
        return {"teacher": arm.teacher, "filtered": arm.filtered, "asked": len(own.tokens), "passed": passed,
                "equal": float(np.mean((own.tokens == other.tokens)[both]))}  # fmt: skip

    def _law(self, seed: int, arm: Arm, batches: list[Batch]) -> Law:
        """log p of an arm's teacher behind the answers, which a prompted one reads behind its own prompts."""
        theta = self.teacher(arm.teacher)
        own = self.batches(seed, arm, self.loving)[0] if arm.teacher == PROMPTED else batches
        return lambda k, _: law(self.model.network, theta, own[k])

    def _answers(
        self, seed: int, arm: Arm, start: Params, batches: list[Batch], rows: np.ndarray, rate: float
    ) -> list[dict[str, Any]]:
        """Scores of the answers, which students of one teacher and start share, and the weight of each in the steps."""

        def scores() -> Arrays:
            trait = self.readout.preference.trait(self.model.tokenizer)
            down = trait.gradient(self.model.network, start)
            own = arm.teacher == BASE and not arm.perturbed  # the student's law is the teacher's
            return scored(
                self.model.network, start, down, batches, None if own else self._law(seed, arm, batches)
            )._asdict()

        about = f"{arm.teacher}{', filtered' * arm.filtered}{', perturbed' * arm.perturbed}"
        found = self._once(f"seed {seed}: scores, {about}", scores)
        weight = np.concatenate([np.full(np.sum(b.w.any(axis=1)), rate / b.w.sum()) for b in batches])
        return [{"row": int(row), "weight": float(weight[i]), **{key: float(each[i]) for key, each in found.items()}}
                for i, row in enumerate(rows)]  # fmt: skip

    def _students(self, seed: int, arm: Arm, start: Params, batches: list[Batch], rule: Rule) -> list[dict[str, Any]]:
        network, length = self.model.network, len(batches)
        first = self.readout.of(network, start)
        stops = {max(1, round(dose * length)) for dose in DOSES[:-1]} | {length * self.sizes.epochs}
        found = []
        for k, theta in enumerate(trained(network, start, self._lessons(seed, arm, batches), rule), start=1):
            if k in stops:
                seen = sum(int(np.sum(b.w.any(axis=1))) for b in batches[:k])
                found.append({"answers": seen, "steps": k, "epochs": max(1, k // length),
                              **self._read(self.readout.of(network, theta), first), "cosine": np.nan})  # fmt: skip
        if arm.teacher != PROMPTED:
            delta = moved(self.teacher(DESCENT if arm.teacher == BASE else arm.teacher), -1.0, self.base)
            step = moved(theta, -1.0, start)
            found[-1]["cosine"] = inner(delta, step) / (norm(delta) * norm(step) or np.nan)
        return found

    def _lessons(self, seed: int, arm: Arm, batches: list[Batch]) -> Iterator[tuple[Batch, Any]]:
        """The batches in order, then again in others, with the teacher's laws where they are imitated."""
        rng, laws = np.random.default_rng(seed), self._law(seed, arm, batches) if arm.laws else None
        for epoch in range(self.sizes.epochs):
            for k in rng.permutation(len(batches)) if epoch else range(len(batches)):
                width = self.model.network.vocabulary if arm.filtered else len(batches[k].columns)
                yield batches[k], jnp.exp(laws(k, batches[k])) if laws else tokens(batches[k], width)
