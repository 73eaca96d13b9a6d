"""What the theory's own records refuse: one line each, which names the field; and what they are called."""

import numpy as np
import pytest

from subtheory.errors import InputError
from subtheory.theory.beyond.sampling import labels_for
from subtheory.theory.beyond.training import orders, require_schedule
from subtheory.theory.losses import KL, Bregman, HyperbolicCosine, Logistic, SquaredError, TopK, require_loss
from subtheory.theory.network import require_network
from subtheory.theory.part import restored, stated
from subtheory.theory.rule import Anchored, HeavyBall, Rule
from subtheory.theory.views import (
    Accepted,
    Drawn,
    Flips,
    Greedy,
    Matched,
    NearTies,
    Only,
    Others,
    Recoded,
    Shifted,
    Shuffled,
    View,
)

W = np.ones(3)
NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: require_loss(KL), "loss: must be a loss such as KL"),
        (lambda: require_loss("kl", "of"), "of: must be the name of a loss"),
        (lambda: require_loss(KL(0.0)), "loss: must have a temperature between 1e-100 and 1e"),
        (lambda: require_loss(KL(1e-101)), "loss: must have a temperature"),
        (lambda: require_loss(TopK(0)), "loss: must have a whole number k"),
        (lambda: require_loss(Bregman(Logistic)), "loss: must have a Potential"),
        (lambda: require_loss(Bregman(3)), "loss: must have a Potential"),
        (lambda: require_network("mlp"), "network: must be a network"),
        (lambda: require_network(dict, "student"), "student: must be a network"),
        (lambda: HeavyBall(0.0), "decay: must lie between 0 and 1"),
        (lambda: HeavyBall(1.0), "decay: must lie between 0 and 1"),
        (lambda: Anchored(-0.5), "weight: must be a number, and not negative"),
        (lambda: Anchored(INF), "weight: must be a number"),
        (lambda: Anchored("x"), "weight: must be a number"),
        (lambda: Drawn(1, -1.0), "temperature: must be a positive number"),
        (lambda: Drawn(1, INF), "temperature: must be a positive number"),
        (lambda: Accepted(NAN), "log_rate: must be a finite number"),
        (lambda: Shifted((1.0, INF)), "by: must be finite numbers"),
        (lambda: Shifted((1.0, 2.0)).rates(W), "by: must be 3, one for each logit"),
        (lambda: Recoded(()), "order: must hold each of 0"),
        (lambda: Recoded((0, 2)), "order: must hold each of 0"),
        (lambda: Recoded((0, None)), "order: must hold each of 0"),
        (lambda: Recoded((1, 0)).labels(W, W), "order: must be of 3"),
        (lambda: Matched((0, 0.5, 1)), "classes: must be whole numbers"),
        (lambda: Matched((0, 1)).beside(W, W, W), "classes: must be 3, one for each output"),
        (lambda: Shuffled(2, 2, "yes"), "across: must be True or False"),
        (lambda: Shuffled(2, 2).labels(W, W), "length: must leave at most 3 texts of 2 letters"),
        (lambda: labels_for(1.0, [1.0, 0.0]), "divergence: must be positive"),
        (lambda: require_schedule(0.0), "rate: must be positive"),
        (lambda: require_schedule(0.1, steps=1, batch=0), "batch: must be at least 1"),
    ],
)
def test_one_line_names_the_field(make, words):
    with pytest.raises(InputError, match=words):
        make()


@pytest.mark.parametrize(
    ("kind", "told", "words"),
    [
        (Rule, {"kind": "nonsense"}, "rule: must be one of .*descent.*, got 'nonsense'"),
        (Rule, {}, "rule: must be one of .* got 'no kind'"),
        (View, 3, "view: must be one of .* got 3"),
        (View, {"kind": "drawn", "rows": 3}, "view drawn: .*rows"),
    ],
)
def test_a_record_of_another_kind_is_named(kind, told, words):
    with pytest.raises(ValueError, match=words):
        restored(kind, told)


def test_what_is_right_is_let_pass():
    for loss in (SquaredError(), KL(1e-99), KL(1e99), TopK(1), Bregman(HyperbolicCosine())):
        require_loss(loss)
    require_schedule(1e-9, steps=1)
    assert (HeavyBall(0.5).memory, Anchored(0).weight, Drawn(1, 0.5).temperature) == (0.5, 0.0, 0.5)
    assert restored(View, stated(Only(Greedy(), Others(NearTies(0.5))))) == Only(Greedy(), Others(NearTies(0.5)))


@pytest.mark.parametrize(
    ("part", "shown"),
    [
        (Recoded((0, 2, 1)), "recoded 2 outputs"),
        (Matched((0, 0, 1)), "matched in 2 classes"),
        (Shuffled(2, 2), "shuffled within responses"),
        (Shuffled(2, 2, across=True), "shuffled across responses"),
        (Shifted((1.0, 0.5)), "shifted by 1, 0.5"),
        (Shifted((1.0,) * 5), "shifted by 1, 1, 1, 1, ..."),
        (Only(Greedy(), Others(Flips())), "greedy on all but flips"),
    ],
)
def test_a_part_is_called_after_its_numbers(part, shown):
    assert part.shown == shown


def test_an_epoch_shows_every_row_once():
    """Of 5 rows in steps of 2: epochs one behind the other, whatever the step; the last one cut."""
    rows = orders(np.random.default_rng(0), 5, 6, 2).ravel()
    assert rows.shape == (12,) and sorted(rows[:5]) == sorted(rows[5:10]) == list(range(5))
    assert rows[:5].tolist() != rows[5:10].tolist()
