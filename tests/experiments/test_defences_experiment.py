"""The experiment on defences, tiny; and findings that refuse defences that do not do what theory says."""

import numpy as np
import pytest

from subtheory import figure, records
from subtheory.study import experiment

MEANS = {
    "undefended": (0.75, 0.01), "another init": (0.1, 0.2), "anchor 1": (0.6, 0.25), "anchor 3": (0.25, 0.6),
    "anchor 3, lifted": (0.7, 0.02), "anchor 1, all logits": (0.2, 0.15), "half mixed": (0.4, 0.3),
    "0.9 mixed": (0.13, 0.8), "least of 3": (0.55, 0.4), "less −∇L_T": (0.2, 0.01),
}  # fmt: skip


@pytest.fixture(scope="module")
def module():
    return experiment.experiments()["defences"].module


def made_up(module, **changed):
    """Students around given means of accuracy and loss."""
    rng = np.random.default_rng(0)
    students = [
        {"defence": name, "seed": seed, "accuracy": mean + each, "left": left}
        for name in module.ARMS
        for mean, left in [changed.get(name, MEANS.get(name, (0.4, 0.4)))]
        for seed, each in enumerate(rng.normal(0, 0.02, 20))
    ]
    return {"defences": module.summary(students), "students": students}


def test_tiny_tables_draw_the_figure(module):
    tables = module.tables(module.Plan(2, 256, 3))
    assert len(tables["students"]) == 2 * len(module.ARMS) and all(row["left"] > 0 for row in tables["students"])
    assert sum(one.claimed for one in module.findings(tables)) == 1
    saved = {title: records.rows(records.columns(rows)) for title, rows in tables.items()}
    assert figure.drawn(module.figure(saved), "svg")


def test_what_theory_says_is_as_predicted(module):
    found = module.findings(made_up(module))
    assert all(one.ok for one in found) and sum(one.claimed for one in found) == 10


@pytest.mark.parametrize(
    ("defence", "values", "says"),
    [
        ("another init", (0.3, 0.2), "control"),
        ("anchor 1", (0.75, 0.2), "anchor takes"),
        ("anchor 3, lifted", (0.25, 0.1), "gives back"),
        ("less −∇L_T", (0.6, 0.01), "more than half"),
        ("less −∇L_T", (0.2, 0.1), "less than 0.05"),
        ("half mixed", (0.75, 0.2), "of the rows"),
        ("least of 3", (0.1, 0.2), "three sources"),
    ],
)
def test_another_outcome_is_not(module, defence, values, says):
    assert any(says in one.says for one in module.findings(made_up(module, **{defence: values})) if not one.ok)
