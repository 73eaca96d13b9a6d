"""Parts of a setting: records combine with a meaning or raise one line that names both, and none swallows another."""

import json
from dataclasses import FrozenInstanceError, dataclass, fields, replace
from itertools import combinations, product

import numpy as np
import pytest
from shapes import KINKED

from subtheory.errors import InputError
from subtheory.init import PATHS
from subtheory.kernels.stack import labels, updates
from subtheory.networks import MLP
from subtheory.setting.preparation import stack
from subtheory.setting.setting import Setting
from subtheory.setting.student import Along, Elsewhere, Init, Redrawn, Shared, Student
from subtheory.setting.teachers import TEACHERS, GradientDescent, Invisible, LogitShift, Random, Teacher
from subtheory.theory.losses import CrossEntropy, SquaredError
from subtheory.theory.part import Part, restored, stated
from subtheory.theory.rule import Carried, Descent, DrawnMetric, HeavyBall, Orthogonal, Rule, Scaled, Signs
from subtheory.theory.trains import All, Entries, Half, Layers, Leaves, Trains
from subtheory.theory.views import Accepted, Full, Shifted, View

PLAIN = Setting(KINKED, CrossEntropy(), examples=5, trait_examples=12)
OUTPUTS = KINKED.task.outputs

INITS = (Redrawn(), Along(PATHS["linear"], 0.5), Along(PATHS["relu-rescaling"], 0.5), Along(PATHS["fork"], 0.5),
         Elsewhere(MLP(width=3, depth=1)))  # fmt: skip
TRAINED = (Half(), Layers(("head",)), Leaves(("head/bias",)), Entries(tuple(float(i % 3 > 0) for i in range(325))))
RULES = (Signs(), Carried(), DrawnMetric(1), Orthogonal())
VIEWS = (Accepted(), Shifted(tuple(0.1 * i for i in range(OUTPUTS))))
TEACHING = (Random(), GradientDescent(moves=Half()), Random(moves=Layers(("head",))))
PARTS = {"init": INITS, "trains": TRAINED, "rule": RULES, "view": VIEWS, "teacher": TEACHING}
EACH = [(name, part) for name, several in PARTS.items() for part in several]
PAIRS = [(a, b) for a, b in combinations(EACH, 2) if a[0] != b[0]]


def refused(*parts):
    """Whether a student of these parts has no meaning."""
    given = dict(parts)
    init = given.get("init", Shared())
    stretched = isinstance(init, Along) and init.path == PATHS["relu-rescaling"]
    carried = isinstance(given.get("rule"), Carried) and not stretched
    return carried or (isinstance(init, Elsewhere) and ("trains" in given or given.get("rule") == Orthogonal()))


def shown(pair):
    return f"{pair[0]}={pair[1].name if isinstance(pair[1], Entries) else pair[1].shown}"


def step(*parts):
    """θ0_S and Δθ_S(ε) of one run with these parts, (1 + K, P)."""
    s = stack(PLAIN.but(**dict(parts)), (1,))
    update = updates(s, PLAIN.loss, labels(s, s.eps), s.students.values(s.student, s.x))[0]
    return np.concatenate([s.student, update])


def same(a, b):
    return a.shape == b.shape and np.array_equal(a, b)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: " ".join(map(shown, pair)))
def test_two_parts_combine_or_are_refused_by_name(pair):
    """Where they combine, the student's start and step are those of neither alone: no part is silently dropped."""
    if refused(*pair):
        with pytest.raises(InputError) as caught:
            PLAIN.but(**dict(pair))
        text = str(caught.value)
        assert caught.value.field == "student" and "\n" not in text
        # What is refused, and beside what: a metric is carried along a path or along none.
        lone = [p for n, p in pair if isinstance(p, Carried)]
        given = [p.shown for n, p in pair if n == "init"]
        given += [p.shown for p in lone or [p for n, p in pair if n != "init"]]
        assert all(name in text for name in (given if len(given) == 2 else [*given, "shared"])), text
        return
    both = step(*pair)
    assert np.all(np.isfinite(both)) and np.all(np.any(both, axis=1))
    for one in pair:
        if not refused(one):
            assert not same(both, step(one)), f"{shown(one)} swallows the other"


@pytest.mark.parametrize("one", EACH, ids=shown)
def test_a_part_changes_the_step_or_needs_another(one):
    if refused(one):
        with pytest.raises(InputError, match=r"carried with shared"):
            PLAIN.but(**dict([one]))
    else:
        assert not same(step(one), step())


def test_the_defaults_are_the_theorems_own():
    assert PLAIN.theorem and Student() == Student(Shared(), All(), Descent()) and PLAIN.view == Full()
    assert all(not PLAIN.but(**dict([one])).theorem for one in EACH if not refused(one) and one[0] != "teacher")
    assert PLAIN.but(teacher=Random(), loss=SquaredError(), subtracted=False).theorem, "those are assumptions of claims"
    usual = {"init": Shared(), "trains": All(), "rule": Descent(), "view": Full()}
    assert PLAIN.but(**usual) == PLAIN and same(step(*usual.items()), step())


def test_half_of_the_parameters_are_those_of_the_teacher_too():
    """One draw of a seed: a matched restriction is matched."""
    s = stack(PLAIN.but(trains=Half(), teacher=GradientDescent(moves=Half())), (1, 2))
    assert np.array_equal(s.trains != 0, s.delta != 0) or np.all((s.delta != 0) <= (s.trains != 0))
    assert not np.array_equal(s.trains[0], s.trains[1]) and 0.3 < s.trains.mean() < 0.7


def test_layers_are_named_parts_of_the_network():
    s = stack(PLAIN.but(trains=Layers(("head",))), (0,))
    place = s.functions.layout.layers()["head"]
    assert s.trains[0, place].all() and s.trains.sum() == place.stop - place.start
    both = stack(PLAIN.but(trains=Layers(("head", "Dense_0"))), (0,))
    assert both.trains.all()


def test_leaves_are_arrays_and_all_below_a_path():
    s = stack(PLAIN.but(trains=Leaves(("head/bias", "Dense_0"))), (0,))
    known = s.functions.layout.leaves()
    assert {name for name, (place, _) in known.items() if s.trains[0, place].all()} == set(known) - {"head/kernel"}
    assert not s.trains[0, known["head/kernel"][0]].any()
    with pytest.raises(InputError, match=r"^leaves: must be one of .*head/bias"):
        stack(PLAIN.but(trains=Leaves(("head/bia",))), (0,))


@pytest.mark.parametrize("of", ["student", "teacher"])
def test_layers_that_the_network_does_not_have_are_refused(of):
    """Or nothing at all would be trained, without a word."""
    lost = Layers(("nonsense",))
    setting = PLAIN.but(trains=lost) if of == "student" else PLAIN.but(teacher=GradientDescent(moves=lost))
    with pytest.raises(InputError, match="nonsense") as caught:
        stack(setting, (0,))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"trains": Entries((1.0, 0.0))},
        {"teacher": Random(moves=Entries((1.0,) * 9))},
        {"view": Shifted((1.0, 2.0))},
        {"rule": Scaled((1.0, 2.0))},
    ],
    ids=str,
)
def test_numbers_of_another_network_are_refused(changes):
    """As many as there are parameters, or logits; anything else says what it got."""
    with pytest.raises((InputError, ValueError)):
        s = stack(PLAIN.but(**changes), (0,))
        updates(s, PLAIN.loss, labels(s, s.eps), s.functions.values(s.student, s.x))


# `but` --------------------------------------------------------------------------------------------


def test_but_changes_what_is_named_and_nothing_else():
    changed = PLAIN.but(rule=Signs(), loss=SquaredError(), init=Redrawn())
    assert changed.student == Student(init=Redrawn(), rule=Signs()) and changed.loss == SquaredError()
    for field in fields(Setting):
        if field.name not in ("student", "loss"):
            assert getattr(changed, field.name) == getattr(PLAIN, field.name)
    assert PLAIN.student == Student(), "the setting itself stays"
    assert changed.but(init=Shared(), rule=Descent(), loss=CrossEntropy()) == PLAIN
    assert PLAIN.but() == PLAIN and hash(PLAIN.but()) == hash(PLAIN)
    assert PLAIN.but(student=Student(trains=Half())).student.trains == Half()
    with pytest.raises(FrozenInstanceError):
        PLAIN.view = Accepted()
    for unknown in ("independent", "path", "frozen"):
        with pytest.raises(InputError, match=f"part: .*{unknown}"):
            PLAIN.but(**{unknown: True})


def test_a_part_and_the_whole_student_at_once_are_both_there():
    changed = PLAIN.but(student=Student(trains=Half()), rule=Signs())
    assert changed.student == Student(trains=Half(), rule=Signs())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"eps": (0.1, 0.0)}, "eps: must be a positive number, got 0.0"),
        ({"eps": (np.nan,)}, "eps: must be a positive number, got nan"),
        ({"eps": ()}, "eps: needs at least one size"),
        ({"teacher": "gradient-decent"}, "teacher: unknown, did you mean 'gradient-descent'"),
        ({"teacher": "given"}, "teacher: must be one of gradient-descent"),
        ({"examples": 0}, "examples: must be at least 1, got 0"),
        ({"trait_examples": 0}, "trait_examples: must be at least 1, got 0"),
    ],
    ids=str,
)
def test_values_without_a_meaning_are_refused(changes, words):
    with pytest.raises(InputError, match=words) as caught:
        PLAIN.but(**changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "part", [Entries((0.0, 1.0) * 500), Shifted((0.25,) * 500), Scaled((0.1,) * 500)], ids=lambda part: part.name
)
def test_a_part_of_many_numbers_is_shown_in_few_words(part):
    """Reports, errors and files of results say which part it is, not every number of it."""
    assert part.shown.startswith(part.name) and len(part.shown) < 80


def test_a_teacher_by_name_is_the_record():
    for name, teacher in TEACHERS.items():
        assert PLAIN.but(teacher=name) == PLAIN.but(teacher=teacher)
        assert PLAIN.but(teacher=name).zero_branch == (teacher in (Invisible(), LogitShift()))


def test_settings_are_told_apart_in_words():
    """What a report prints: every part that is not the theorem's own, and none that is."""
    told = {PLAIN.but(**dict([one])).shown: one for one in EACH if not refused(one)}
    assert len(told) == len([one for one in EACH if not refused(one)]) and PLAIN.shown not in told
    assert all(one[1].shown in text for text, one in told.items())
    assert PLAIN.shown == "mlp-relu / cross-entropy / given / all / gradient-descent"
    both = PLAIN.but(init=Redrawn(), rule=Signs(), view=Accepted(log_rate=-1.0))
    assert both.shown.endswith(" / redrawn, signs / accepted(log_rate=-1.0)")


# Kinds --------------------------------------------------------------------------------------------

KINDS = (View, Rule, Trains, Teacher, Init)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__.lower())
def test_kinds_have_names_of_their_own(kind):
    known = kind.kinds()
    assert len(known) > 1
    for name, one in known.items():
        assert one.name == name == name.lower() and " " not in name and issubclass(one, kind) and one.__doc__
    assert not set(known) & set().union(*(other.kinds() for other in KINDS if other is not kind))


def test_a_kind_of_ones_own_is_known_at_once():
    @dataclass(frozen=True)
    class Halved(View):
        """Half of every logit."""

        by: float = 0.5
        name = "halved"

        def labels(self, logits, w):
            return self.by * logits

    assert View.kinds()["halved"] is Halved and restored(View, {"kind": "halved", "by": 0.25}) == Halved(0.25)
    assert not same(step(("view", Halved())), step())
    assert "halved(by=0.25)" in PLAIN.but(view=Halved(0.25)).shown


SAID = [
    (View, Full()), (View, Accepted(-3.5)), (View, Shifted((0.5, -1.0))), (Rule, Descent()), (Rule, Signs()),
    (Rule, Carried()), (Rule, Orthogonal()), (Rule, HeavyBall(0.5)), (Rule, DrawnMetric(3, 0.5)),
    (Rule, Scaled((0.5, 2.0))), (Trains, All()), (Trains, Half()), (Trains, Layers(("head", "Dense_0"))),
    (Trains, Entries((0.0, 1.0))),
    (Trains, Leaves(("head/bias", "Dense_0/kernel"))), (Init, Shared()), (Init, Redrawn()),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "part"), SAID, ids=lambda value: getattr(value, "shown", ""))
def test_what_is_stated_is_restored(kind, part):
    told = json.loads(json.dumps(stated(part), allow_nan=False))
    assert told["kind"] == part.name and restored(kind, told) == part
    assert isinstance(part, Part) and hash(part) == hash(replace(part))


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (View, {"kind": "signs"}),
        (Rule, {"kind": "nonsense"}),
        (View, {"kind": "accepted", "rate": 2.0}),
        (View, {"kind": "shifted"}),
        (Trains, {"layers": ["head"]}),
    ],
    ids=str,
)
def test_what_fits_no_kind_is_refused(kind, told):
    """By one error, in one line."""
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        restored(kind, told)


def test_every_combination_of_a_student_is_built_or_refused():
    """Nothing but InputError, with one line; no combination is a surprise later."""
    built = 0
    for init, trains, rule in product((Shared(), *INITS), (All(), *TRAINED), (Descent(), *RULES)):
        parts = [(n, p) for n, p, usual in zip(("init", "trains", "rule"), (init, trains, rule),
                                               (Shared(), All(), Descent()), strict=True) if p != usual]  # fmt: skip
        if refused(*parts):
            with pytest.raises(InputError, match=r"^student: [^\n]+$"):
                Student(init, trains, rule)
        else:
            built += Student(init, trains, rule).shown == ", ".join(part.shown for _, part in parts)
    # Of 6 · 5 · 5 the carried metric without its path, 5 · 5, a part of another network, 4 · 4, and a direction there.
    assert built == 150 - 25 - 16 - 1
