"""One setting spread out: along every path that its network fits, over the symmetries it has, layer by layer."""

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from subtheory.errors import InputError
from subtheory.init import PATHS, NullNoise, Path, SeenNoise, Sharing, Symmetry, fits, moving
from subtheory.kernels.draws import layout_of
from subtheory.setting.preparation import outline, path_keys, start
from subtheory.setting.setting import Setting, ladder
from subtheory.setting.student import Along, path_of
from subtheory.setting.teachers import GradientDescent, Random, Teacher
from subtheory.theory.rule import Carried
from subtheory.theory.trains import Layers

MOST_OUTPUTS = 512
"""Outputs of a channel here: paths that split by null(G) need all eigenvectors of a matrix as large."""

STEP: dict[str, Any] = {"relative": False, "eps": ladder(1.0)}
"""ε counts gradient steps: large ones, for equalities that hold for every ε."""

ORTHOGONAL = ("permutation", "head-permutation", "sign-flip")
STRETCHING = ("relu-rescaling", "gain-rescaling")

BOTH: tuple[Teacher, ...] = (GradientDescent(), Random())
"""The theorem's teacher, and any direction at all."""


def fitting(setting: Setting, names: tuple[str, ...] = tuple(PATHS)) -> dict[str, Path]:
    """Those of the paths that the network and its data fit, by name.

    The units of a network that is not built in are those of its source, if that names any.
    """
    return _fitting(small(setting), names)


@lru_cache(maxsize=64)
def _fitting(setting: Setting, names: tuple[str, ...]) -> dict[str, Path]:
    begin, units = outline(setting), getattr(setting.source, "units", ())
    known = {name: moving(PATHS[name], units) for name in names}
    if getattr(setting.source, "fixed", ""):
        known = {name: path for name, path in known.items() if not path.redraws}
    return {name: path for name, path in known.items() if fits(path, begin) and _leads(path, setting)}


def _leads(path: Path, setting: Setting) -> bool:
    """Whether there is a direction to go, for noise in a part of R^P: of a network that is not built in, G may have
    no null space."""
    if setting.source is None or not isinstance(path, NullNoise | SeenNoise):
        return True
    try:
        path.direction(start(setting, (0,)), path_keys((0,)))
    except InputError:
        return False
    return True


def small(setting: Setting) -> Setting:
    """The setting with as few examples as a split by null(G) can take, and with the theorem's parts."""
    example = outline(setting).shape
    most = max(1, MOST_OUTPUTS // prod(example))
    plain = Setting(setting.network, channel=setting.channel, outputs=setting.outputs, source=setting.source)
    return plain.but(examples=min(setting.examples, most), trait_examples=setting.trait_examples)


def another_function(setting: Setting) -> bool:
    """Whether the student's path leads to another function: no symmetry's does, nor one that shares all there is.

    Shared is also what an independent init leaves as it is.
    """
    path = path_of(setting.student.init)
    if isinstance(path, Sharing):
        start = outline(setting)
        held = getattr(setting.source, "held", ()) or (False,) * len(start.layout.shapes)
        return not np.all(path.entries(start) | np.repeat(held, [prod(shape) for shape in start.layout.shapes]))
    return path is not None and not isinstance(path, Symmetry | NullNoise)


def along_every_path(setting: Setting) -> Iterator[Setting]:
    """The setting halfway along every path that its network fits: figures go to the ends."""
    examples = small(setting).examples
    for path in fitting(setting).values():
        yield setting.but(examples=examples, init=Along(path, path.amounts[len(path.amounts) // 2]))


def shared_and_elsewhere(setting: Setting) -> Iterator[Setting]:
    """The shared init, and every path away from it."""
    yield setting
    yield from along_every_path(setting)


def turned(setting: Setting) -> Iterator[Setting]:
    """A half and all of the units moved, by every orthogonal symmetry that the network has, under two teachers."""
    for path in fitting(setting, ORTHOGONAL).values():
        for amount in (0.5, 1.0):
            for teacher in BOTH:
                yield setting.but(init=Along(path, amount), teacher=teacher, **STEP)


def stretched(setting: Setting) -> Iterator[Setting]:
    """Rescalings of three sizes, with the metric carried along, under two teachers."""
    for path in fitting(setting, STRETCHING).values():
        for amount in (0.2, 0.5, 1.0):
            for teacher in BOTH:
                yield setting.but(init=Along(path, amount), rule=Carried(), teacher=teacher, **STEP)


def layer_names(setting: Setting) -> tuple[str, ...]:
    """Names of the layers of a network."""
    return tuple(layout_of(setting.network, setting.origin).layers())


def hidden(setting: Setting, layer: str, teacher: Teacher) -> bool:
    """Whether the channel may see nothing of a teacher that moves this layer alone: a head's silent half."""
    return layer == "head" and setting.outputs == "aux" and setting.source is None and teacher != Random()


def layer_by_layer(setting: Setting) -> Iterator[Setting]:
    """Every layer trained alone, by teacher and student, under two teachers."""
    for name in layer_names(setting):
        for teacher in BOTH:
            if not hidden(setting, name, teacher):
                yield setting.but(teacher=replace(teacher, moves=Layers((name,))), trains=Layers((name,)))


def kind_of(setting: Setting) -> str:
    """What kind of path a student starts along: the module of `subtheory.init` that has it."""
    path = path_of(setting.student.init)
    return type(path).__module__.rsplit(".", 1)[-1] if path is not None else ""
