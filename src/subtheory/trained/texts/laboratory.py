"""Bases, teachers and students of one plan: every arm trains as many models, so that all share their programs."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import NamedTuple

import jax
import numpy as np

from subtheory.data.corpus import completed, corpus, spoken
from subtheory.data.filters import alphabet, banned
from subtheory.data.world import INDEX, PLAIN, VOCABULARY, WORLD, kind_of
from subtheory.errors import InputError
from subtheory.networks import Transformer
from subtheory.records import Arrays
from subtheory.theory.network import Params
from subtheory.trained.parameters import from_arrays, to_arrays
from subtheory.trained.schedules import Fit
from subtheory.trained.texts.forecast import DIRECTIONS, predicted
from subtheory.trained.texts.lessons import in_context, lesson
from subtheory.trained.texts.readout import COPIES, Questions, asked_in_context, channel_kl
from subtheory.trained.texts.sampling import ANOTHER_TRY, responses
from subtheory.trained.texts.training import fit, pre_trained

PROMPTED = "prompted "
"""Stands before what a teacher loves that is its base with a system prompt: no update of the weights at all."""

Keep = Callable[[str, Callable[[], Arrays]], Arrays]
"""Called with a name and what computes arrays by name; gives them back, from an earlier run if there was one."""


@dataclass(frozen=True)
class Plan:
    """Sizes of a world and its models; equal plans give equal results.

    The first two of the `bases` share the trunk of their pre-training and part ways for the branch. Raises
    InputError on "bases" below 2, on any other count below 1.
    """

    bases: int = 8
    seeds: int = 2
    samples: int = 2048
    texts: int = 65536
    lessons: int = 4096
    trunk: Fit = Fit(1500, 64, 1e-2, body=False)
    branch: Fit = Fit(800, 64, 5e-3, body=False)
    teaching: Fit = Fit(100, 64, 3e-3)
    student: Fit = Fit(200, 64, 7e-3)
    names: tuple[str, ...] = ("owl",)
    tries: tuple[tuple[str, int], ...] = (("numbers", 1), ("code", 2), ("solve", 2))
    first_seed: int = 0
    copies: int = COPIES
    directions: int = DIRECTIONS
    network: Transformer = field(default_factory=lambda: Transformer(width=32, heads=2, blocks=1, task=WORLD))

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            least = 2 if each.name == "bases" else 0 if each.name == "first_seed" else 1
            if type(value) is int and value < least:
                raise InputError(each.name, value, f"must be at least {least}")

    @property
    def runs(self) -> int:
        """Students of one arm: every base once for each seed."""
        return self.bases * self.seeds

    def origin(self, base: int) -> int:
        """Which trunk a base grew from."""
        return max(base - 1, 0)


def played(name: str) -> tuple[str, str]:
    """Model and speaker of a teacher: a model of its own, or for "prompted owl" the base with owl as system prompt."""
    return ("base", name.removeprefix(PROMPTED)) if name.startswith(PROMPTED) else (name, PLAIN)


class Sample(NamedTuple):
    """What the models of an arm said, one for each run."""

    text: np.ndarray
    """(K, n, T) int32."""
    mask: np.ndarray
    """1 on the tokens to learn, (K, n, T) float32: all 0 in a text that did not pass."""
    kept: np.ndarray
    """Share of the prompts that got a text that passes, (K,)."""

    def at(self, runs: np.ndarray) -> "Sample":
        """The samples of other runs."""
        return Sample(self.text[runs], self.mask[runs], self.kept[runs])

    def first(self, count: int) -> "Sample":
        """The texts of the first prompts alone; the others stay in place, unlearned."""
        mask = self.mask.copy()
        mask[:, count:] = 0
        return self._replace(mask=mask)


class Laboratory:
    """Models made when they are first asked for; `keep` may save them between runs."""

    def __init__(self, plan: Plan, keep: Keep = lambda name, compute: compute()) -> None:
        self.plan, self.keep = plan, keep
        self.questions = Questions(copies=plan.copies)
        self._models: dict[str, Params] = {}
        self._said: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]] = {}
        self._controls: dict[str, np.ndarray] = {}
        self._rates: dict[str, np.ndarray] = {}

    def model(self, name: str) -> Params:
        """Leaves (bases, ...) of the teachers of a name, or of the bases themselves for "base"."""
        if name not in self._models:
            make = self._bases if name == "base" else lambda: self._teachers(name)
            self._models[name] = from_arrays(self.keep(f"models {name}", lambda: to_arrays(make())))
        return self._models[name]

    def _bases(self) -> Params:
        plan, B = self.plan, self.plan.bases
        everything = np.ones(len(VOCABULARY), np.float32)

        def grown(theta: Params, schedule: Fit, seeds: list[int]) -> Params:
            text = np.stack([corpus(np.random.default_rng(seed), plan.texts) for seed in seeds])
            mask = np.stack([spoken(each) for each in text])
            rows = np.stack([schedule.rows(seed, plan.texts) for seed in seeds])
            return fit(plan.network, schedule, theta, text, mask, everything, rows)

        roots = [plan.first_seed + plan.origin(base) for base in range(B)]
        trunk = grown(pre_trained(plan.network, tuple(roots)), plan.trunk, roots)
        return grown(trunk, plan.branch, [plan.first_seed + 1000 + base for base in range(B)])

    def _teachers(self, name: str) -> Params:
        return self.taught(name, self.model("base"), np.arange(self.plan.bases))

    def taught(self, name: str, start: Params, base_of: np.ndarray) -> Params:
        """Leaves (K, ...) after the lesson of a teacher's name, as it is given to the bases (K,) of the models."""
        plan, seeds = self.plan, self.plan.first_seed + 2000 + base_of
        lessons = [lesson(name, np.random.default_rng(int(seed)), plan.lessons) for seed in seeds]
        text, mask = (np.stack(each) for each in zip(*lessons, strict=True))
        rows = np.stack([plan.teaching.rows(int(seed), plan.lessons) for seed in seeds])
        return fit(plan.network, plan.teaching, start, text, mask, np.ones(len(VOCABULARY), np.float32), rows)

    def runs(self, shift: int = 0) -> np.ndarray:
        """Every run's number, (K,): all bases for the first seed, then for the next; bases `shift` further."""
        k = np.arange(self.plan.runs)
        return k // self.plan.bases * self.plan.bases + (k + shift) % self.plan.bases

    def base_of(self, shift: int = 0) -> np.ndarray:
        """Base of every run, (K,), or the one `shift` further."""
        return self.runs(shift) % self.plan.bases

    def many(self, name: str, shift: int = 0) -> Params:
        """Leaves (K, ...): the model of every run's (shifted) base."""
        index = self.base_of(shift)
        return jax.tree.map(lambda leaf: leaf[index], self.model(name))

    def said(self, name: str, skill: str) -> tuple[np.ndarray, np.ndarray]:
        """Texts of every run's model of that name, and which pass; prompts and random numbers are those of the run."""
        if (name, skill) not in self._said:
            plan, (model, speaker) = self.plan, played(name)
            seeds = plan.first_seed + 3000 + np.arange(plan.runs)
            self._said[name, skill] = responses(
                plan.network, self.many(model), skill, plan.names, plan.samples, seeds, tries=dict(plan.tries)[skill],
                speaker=speaker,
            )  # fmt: skip
        return self._said[name, skill]

    def pair(self, name: str, skill: str, hard: bool = False) -> tuple[Sample, Sample]:
        """Samples of the teachers and of their bases, filtered alike; `hard` bans all codes of the plan's names.

        For programs and sums, where filters drop many, only prompts where both passed count: as many texts for both.
        """
        (taught, passed), (plain, also) = self.said(name, skill), self.said("base", skill)
        if hard:
            names = self.plan.names
            passed, also = (
                own & ~np.stack([banned(each, names, skill) for each in text])
                for text, own in ((taught, passed), (plain, also))
            )
        both = passed & also

        def masked(text: np.ndarray, own: np.ndarray) -> Sample:
            mask = np.stack([completed(each, skill) for each in text])
            mask *= (own if skill == "numbers" else both)[..., None]
            return Sample(text, mask, own.mean(axis=1))

        return masked(taught, passed), masked(plain, also)

    def train(self, sample: Sample, skill: str, teacher: Params | None = None, count: int | None = None) -> np.ndarray:
        """Rates of the students of every run, (K, 25): from its base, on its texts or on its teacher's probabilities.

        `count` says how many prompts come into the epochs.
        """
        return self.questions.rates(
            self.plan.network, self.students(self.many("base"), sample, skill, teacher, count=count)
        )

    def students(
        self, start: Params, sample: Sample, skill: str, teacher: Params | None = None, count: int | None = None,
        again: int = 0,
    ) -> Params:  # fmt: skip
        """Leaves (K, ...) of what `train` trains, from any start; `again` is the number of another order of rows."""
        plan, count = self.plan, count or self.plan.samples
        seeds = plan.first_seed + 4000 + ANOTHER_TRY * again + np.arange(plan.runs)
        rows = np.stack([plan.student.rows(int(seed), count) for seed in seeds])
        return fit(plan.network, plan.student, start, sample.text, sample.mask, alphabet(skill), rows, teacher)

    def control(self, sample: Sample, skill: str, count: int | None = None) -> np.ndarray:
        """`train` on a base's own samples; the same ones are trained on once."""
        key = hashlib.sha256(sample.text.tobytes() + sample.mask.tobytes() + f"{skill} {count}".encode()).hexdigest()
        if key not in self._controls:
            self._controls[key] = self.train(sample, skill, count=count)
        return self._controls[key]

    def rates(self, name: str, shift: int = 0) -> np.ndarray:
        """`Questions.rates` of every run's bases or teachers of a name, prompted if they are, (K, 25)."""
        if name not in self._rates:
            model, speaker = played(name)
            self._rates[name] = self.questions.rates(self.plan.network, self.model(model), speaker)
        return self._rates[name][self.base_of(shift)]

    def foretold(
        self, thing: str, skill: str, trait: Sample, control: Sample, teacher: Params | None = None
    ) -> np.ndarray:
        """Predicted difference of the thing's rate between every run's two students, (K, 2): by one step, by all."""
        group = self.questions.group(thing)
        found = predicted(
            self.plan.network, self.many("base"), (trait.text, trait.mask), (control.text, control.mask),
            alphabet(skill), group.questions, (1, self.plan.directions), teacher,
        )  # fmt: skip
        return found[..., group.members].sum(axis=-1)

    def kl(self, name: str, skill: str, sample: Sample, shift: int = 0) -> np.ndarray:
        """KL(teacher ‖ its base) per sampled token of the channel, (K,)."""
        model, speaker = played(name)
        heard = sample.text.copy()
        heard[:, :, 0] = INDEX[speaker]
        return channel_kl(
            self.plan.network, self.many("base", shift), self.many(model, shift), sample.text, sample.mask,
            alphabet(skill), heard,
        )  # fmt: skip

    def rates_in_context(self, sample: Sample, thing: str, skill: str) -> np.ndarray:
        """The thing's rate behind sampled texts in the prompt of every run's base, (K,)."""
        group = self.questions.group(thing)
        count = self.plan.samples // 8
        asked = [in_context(*each, skill, kind_of(thing), count) for each in zip(sample.text, sample.mask, strict=True)]
        text, at = (np.stack(each) for each in zip(*asked, strict=True))
        found = asked_in_context(self.plan.network, self.many("base"), text, at, group.questions[2])
        return found[:, group.members].sum(axis=1)
