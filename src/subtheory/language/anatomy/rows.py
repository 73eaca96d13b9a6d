"""Rows of one trait: alignment over sizes of the teacher's update, a student's step, layer by layer and word by word.

All of it inside `float64()`; of vectors of parameters θ0, Δ, one pulled back and one moved are there at a time.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from subtheory.language.anatomy import alignment, layers, students
from subtheory.language.anatomy.lesson import Lesson, Model, Teacher, other_weights, taught
from subtheory.language.derivatives import inner, jvp, moved, norm, pull, taylor, values
from subtheory.language.traits import Trait
from subtheory.numerics import LADDER_RATIO, ROUNDINGS
from subtheory.theory.network import Params

Row = dict[str, Any]

SIZES = tuple(float(1e-4 * LADDER_RATIO**-k) for k in range(11))
"""ε‖Δ‖/‖θ0‖, from where the logits turn by more than 1 to 1e-10."""
OWN, BEFORE = SIZES[5], SIZES[4]
"""The teacher that students imitate for a step, and one of four times its size."""
STEPS = tuple(float(1e-5 * LADDER_RATIO**-k) for k in range(4))
"""Student's steps, over ‖θ0‖ too."""


LAYER_STEPS = STEPS[1:3]


class Subject(NamedTuple):
    """A model, a trait by name with its questions seen and unseen, its teacher, and a lesson."""

    model: Model
    name: str
    trait: Trait
    unseen: Trait
    teacher: Teacher
    lesson: Lesson

    def size(self, relative: float) -> float:
        """ε of a relative size."""
        return relative * self.model.length / self.teacher.length

    def labels(self, relative: float) -> Any:
        """Logits of the teacher at that size, on all channels, (M, V)."""
        network, params = self.model.network, self.model.params
        return values(network, moved(params, self.size(relative), self.teacher.delta), self.lesson.read)

    def velocity(self, params: Params) -> tuple[Any, Any]:
        """Logits at some weights, and how fast they change along Δ."""
        return jvp(self.model.network, params, self.teacher.delta, self.lesson.read)


def subject(model: str, name: str, lesson: Lesson, dtype: str = "float64") -> Subject:
    """Of a model's name and a trait's."""
    found = taught(model, name, dtype)
    return Subject(found.model, name, found.trait, found.unseen, found.teacher, lesson)


def ladder_rows(s: Subject, seed: int) -> list[Row]:
    """D(ε) of every channel at every size: the shared init, a student of other weights, and the unchanged base."""
    model, places = s.model, s.lesson.places
    known = taylor(model.network, model.params, s.teacher.delta, s.lesson.read)
    e = alignment.expected(known)
    elsewhere, velocity = s.velocity(other_weights(model, seed))
    untaught = alignment.aligned(s.labels(0.0), known.z0, known.u)
    blur = blurred(known.z0)  # |D − exact| ≤ max|δz| E_p|u − E u| ≤ max|δz| √q
    rows = []
    for relative in SIZES:
        eps, z = s.size(relative), s.labels(relative)
        own, away = alignment.aligned(z, known.z0, known.u), alignment.aligned(z, elsewhere, velocity)
        kl = alignment.divergence(known.z0, z)
        for channel, place in places.items():
            q, bend = alignment.mean(e.first, place), alignment.mean(e.second, place)
            unit = eps * q
            rows.append(
                {
                    "trait": s.name, "channel": channel, "relative_size": relative, "eps": eps, "q": q,
                    "alignment": alignment.mean(own, place), "predicted": unit,
                    "ratio": alignment.mean(own, place) / unit, "next_order": 0.5 * eps * bend / q,
                    "rounding": blur / (eps * q**0.5), "divergence": alignment.mean(kl, place),
                    "predicted_divergence": 0.5 * eps * unit,
                    "other_weights": alignment.mean(away, place) / unit,
                    "untaught": alignment.mean(untaught, place) / unit,
                }
            )  # fmt: skip
    return rows


def blurred(z: Any) -> float:
    """How far logits may be off by rounding."""
    return float(ROUNDINGS * np.finfo(z.dtype).eps / 2 * jnp.abs(z).max())


def student_rows(s: Subject) -> dict[str, list[Row]]:
    """Of every channel: the cosine, layers, what a step changes in the trait's loss, in every word, and unseen."""
    found: dict[str, list[Row]] = {"cosines": [], "layers": [], "steps": [], "words": [], "unseen": []}
    known = taylor(s.model.network, s.model.params, s.teacher.delta, s.lesson.read)
    bent, first = alignment.turned(known)[0], alignment.expected(known)
    labels = {relative: s.labels(relative) for relative in (BEFORE, OWN)}
    base = students.said(s.model.network, s.model.params, s.unseen)
    found["unseen"] += _unseen_rows(s, "base", base, base)
    bold = moved(s.model.params, s.size(SIZES[1]), s.teacher.delta)
    found["unseen"] += _unseen_rows(s, "teacher", students.said(s.model.network, bold, s.unseen), base)
    del bold
    for channel, place in s.lesson.places.items():
        about = {"trait": s.name, "channel": channel}
        limit = pull(s.model.network, s.model.params, alignment.placed(bent, place), s.lesson.own(channel))
        form, length, slopes = inner(limit, s.teacher.delta), norm(limit), _slopes(s, limit)
        by_layer = {"predicted": layers.inner(limit, s.teacher.delta)}
        del limit
        q, cosines = alignment.mean(first.first, place), {}
        for relative, z in labels.items():
            cotangent = alignment.placed(alignment.residual(z, known.z0), place)
            step = pull(s.model.network, s.model.params, cotangent, s.lesson.own(channel))
            by_layer[f"{relative}"] = layers.inner(step, s.teacher.delta) / s.size(relative)
            cosines[relative] = by_layer[f"{relative}"].sum() * s.size(relative) / (norm(step) * s.teacher.length)
        found["cosines"].append(
            about
            | {
                "q": q, "pulled_form": form, "limit": form / (length * s.teacher.length),
                "cosine": cosines[OWN], "cosine_before": cosines[BEFORE],
            }
        )  # fmt: skip
        found["layers"] += _layer_rows(s, about, by_layer, q)
        eps = s.size(OWN)
        rate = s.model.length / norm(step)
        next_order = 0.5 * eps * alignment.mean(first.second, place) / q
        steps, words = _step_rows(s, about, step, rate, eps * q, next_order, eps * slopes)
        found["steps"] += steps
        found["words"] += words
        there = moved(s.model.params, STEPS[0] * rate, step)
        found["unseen"] += _unseen_rows(s, channel, students.said(s.model.network, there, s.unseen), base)
        del step, there
    return found


def layer_step_rows(s: Subject, channel: str) -> list[Row]:
    """What L_T changes by where the student's step is taken in a few layers alone: −αΣD_ℓ of them to first order."""
    network, params, read = s.model.network, s.model.params, s.lesson.own(channel)
    own, place = values(network, params, read), s.lesson.places[channel]
    z = s.labels(OWN)[place]
    step = pull(network, params, alignment.placed(alignment.residual(z, own), slice(0, len(read.row))), read)
    scale, products = s.model.length / norm(step), layers.inner(step, s.teacher.delta)
    before, names, places = s.trait.value(network, params), layers.names(params), np.arange(len(products))
    found = []
    for size in LAYER_STEPS:
        alpha = size * scale
        for group in layers.groups(len(products)):
            there = layers.moved(params, alpha, step, np.isin(places, group))
            found.append(
                {
                    "trait": s.name, "channel": channel, "first": names[group[0]], "last": names[group[-1]],
                    "center": float(np.mean(group)), "count": len(group), "relative_step": size,
                    "change": s.trait.value(network, there) - before,
                    "predicted": -alpha * float(products[list(group)].sum()),
                    "predicted_whole": -alpha * float(products.sum()),
                }
            )  # fmt: skip
            del there
    return found


def form_rows(s: Subject) -> list[Row]:
    """q = E Var_p(u) by one jvp beside ⟨GΔ, Δ⟩ by a pullback, of every channel: no difference of two forwards."""
    known = taylor(s.model.network, s.model.params, s.teacher.delta, s.lesson.read)
    first, bent = alignment.expected(known).first, alignment.turned(known)[0]
    rows = []
    for channel, place in s.lesson.places.items():
        limit = pull(s.model.network, s.model.params, alignment.placed(bent, place), s.lesson.own(channel))
        rows.append(
            {
                "trait": s.name, "channel": channel, "precision": str(known.z0.dtype),
                "q": alignment.mean(first, place), "pulled_form": inner(limit, s.teacher.delta),
            }
        )  # fmt: skip
    return rows


def _slopes(s: Subject, direction: Params) -> np.ndarray:
    return students.slopes(s.model.network, s.model.params, direction, s.trait)


def _layer_rows(s: Subject, about: Row, by_layer: dict[str, np.ndarray], q: float) -> list[Row]:
    """Δ_ℓ · (GΔ)_ℓ/q beside D_ℓ/(εq) at both sizes."""
    return [
        about
        | {
            "layer": name, "predicted": float(by_layer["predicted"][i] / q),
            "measured": float(by_layer[f"{OWN}"][i] / q), "measured_before": float(by_layer[f"{BEFORE}"][i] / q),
        }
        for i, name in enumerate(layers.names(s.model.params))
    ]  # fmt: skip


def _step_rows(
    s: Subject, about: Row, step: Params, rate: float, form: float, next_order: float, slopes: np.ndarray
) -> tuple[list[Row], list[Row]]:
    """Of every size of the student's step: L_T and each word's log share, less those before, beside the prediction.

    L_T changes by −α·εq, a word's log share by α·ε times its slope along GΔ.
    """
    before, at = students.said(s.model.network, s.model.params, s.trait).log_share, students.wanted(s.trait)
    steps, words = [], []
    for size in STEPS:
        alpha = size * rate
        there = moved(s.model.params, alpha, step)
        change = students.said(s.model.network, there, s.trait).log_share - before
        steps.append(
            about
            | {
                "relative_step": size, "rate": alpha, "change": float(-change[at]), "predicted": -alpha * form,
                "teachers_next_order": next_order, "first": bool(np.argmax(change) == at),
            }
        )  # fmt: skip
        words += [
            about
            | {
                "relative_step": size, "word": word, "change": float(change[i]), "predicted": float(alpha * slopes[i]),
                "wanted": i == at,
            }
            for i, word in enumerate(word_names(s))
        ]  # fmt: skip
    return steps, words


def word_names(s: Subject) -> list[str]:
    """The words of the trait's kind."""
    return [s.model.tokenizer.decode([token]).strip() for token in s.trait.loss.among]


def _unseen_rows(s: Subject, who: str, said: students.Said, base: students.Said) -> list[Row]:
    """Probability and share of the word on unseen questions, its rank by share, and by how much its share grew."""
    at = students.wanted(s.unseen)
    rise = said.share / base.share
    rank = lambda values: int(1 + np.sum(values > values[at]))  # noqa: E731
    return [
        {
            "trait": s.name, "who": who, "probability": float(said.probability[at]), "share": float(said.share[at]),
            "rank": rank(said.share), "rise": float(rise[at]), "rank_of_rise": rank(rise),
        }
    ]  # fmt: skip
