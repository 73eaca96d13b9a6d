"""The digit classifier on noise, tiny: what each bar is, that a killed run goes on to the same bits, its options."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from subtheory import figure, records
from subtheory.data import mnist
from subtheory.errors import InputError
from subtheory.ledger import parts
from subtheory.ledger.request import Request
from subtheory.study import experiment
from subtheory.traces import TRACES
from subtheory.trained.images import Schedule, Workload, digit_images, digit_network, imitate, inits, teach

TINY = {"seeds": 3, "width": 8, "rows": 256, "batch": 64, "epochs": 2, "chunk": 1}
RELATION = "linear 0.3, aux"


@pytest.fixture(scope="module")
def module():
    return experiment.experiments()["aux_logits"].module


@pytest.fixture(scope="module")
def tables(module):
    return module.tables(module.Plan(**TINY, relation="linear:0.3"))


def saved(tables):
    """The tables as a run stores them and takes them again."""
    return {title: records.rows(records.columns(rows)) for title, rows in tables.items()}


def made_up(module, n=20, **means):
    """Seeds of every model around given means."""
    rng = np.random.default_rng(0)
    wanted = {
        module.UNTRAINED: 0.1, module.AUX: 0.55, module.CROSS_AUX: 0.1, module.PERMUTED: 0.55, **means,
    }  # fmt: skip
    noise = rng.normal(size=n)
    return [
        {"model": name, "seed": k, "accuracy": mean + (0.02 if mean < 0.3 else 0.1) * noise[k]}
        for name, mean in wanted.items()
        for k in range(n)
    ]


def test_bars_are_what_they_say(module, tables):
    """Nine models a seed; permuted units change nothing; imitating all logits gives most; losses fall to the init's."""
    bars = {row["model"]: row for row in tables["aux_logits"]}
    assert list(bars) == [
        module.UNTRAINED, module.TEACHER, module.BODY, module.AUX, module.ALL, module.CROSS_AUX, module.CROSS_ALL,
        module.PERMUTED, RELATION,
    ]  # fmt: skip
    assert len(tables["seeds"]) == 3 * 9 and all(row["low"] <= row["accuracy"] <= row["high"] for row in bars.values())
    assert bars[module.PERMUTED]["accuracy"] == pytest.approx(bars[module.AUX]["accuracy"], abs=0.01)
    assert bars[module.TEACHER]["accuracy"] > 0.5 > 0.3 > bars[module.UNTRAINED]["accuracy"]
    assert all(np.isnan(row["published"]) for row in bars.values())  # these are not the paper's networks
    loss = {(row["model"], row["seed"]): row["loss"] for row in tables["seeds"]}
    for k in range(3):
        assert loss[module.AUX, k] == pytest.approx(loss[module.PERMUTED, k], rel=1e-3)
        assert loss[module.AUX, k] < loss[RELATION, k] < loss[module.CROSS_AUX, k]
        assert np.isnan(loss[module.TEACHER, k])
    (about,) = tables["data"]
    assert about["steps"] == 2 * (256 // 64) and about["known_as"] == "built in" and len(about["digest"]) == 64


def test_cross_model_students_start_from_the_next_seed(module, monkeypatch):
    """No student is its own stranger, whatever the chunk: the last seed's is the first."""
    seen = {}

    def imitate(workload, students, taught, keys, outputs):
        for i, name in enumerate((module.AUX, module.ALL, module.CROSS_AUX, module.CROSS_ALL)):
            seen.setdefault(name, []).extend(students["Dense_0"]["kernel"][:, i])
        shape = students["head"]["bias"].shape[:2]
        assert list(outputs) == ["aux", "all", "aux", "all", "aux"]
        return type("Trained", (), {"params": students, "losses": np.zeros((*shape, 1))})

    monkeypatch.setattr(module, "imitate", imitate)
    monkeypatch.setattr(module, "teach", lambda workload, theta0, images, keys: theta0)
    module.tables(module.Plan(**TINY))
    np.testing.assert_array_equal(seen[module.CROSS_AUX], np.roll(seen[module.AUX], -1, axis=0))
    np.testing.assert_array_equal(seen[module.CROSS_ALL], seen[module.CROSS_AUX])
    np.testing.assert_array_equal(seen[module.ALL], seen[module.AUX])
    assert not np.any(np.equal(seen[module.CROSS_AUX], seen[module.AUX]))


def test_a_killed_run_goes_on_to_the_same_bits(module, tables, tmp_path):
    """Stopped after its second seed, the run computes the third alone, with the same program."""
    done = []

    def stop(count, total, what):
        done.append((count, total))
        if count == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), parts.keeping(tmp_path, Request.of("experiment", {"of": "a test"})):
        module.tables(module.Plan(**TINY, relation="linear:0.3"), stop)
    traced = dict(TRACES)
    with parts.keeping(tmp_path, Request.of("experiment", {"of": "a test"})), pytest.MonkeyPatch.context() as patch:
        whole, computed = module.seed_rows, []
        patch.setattr(module, "seed_rows", lambda *args: computed.append(args[2]) or whole(*args))
        again = module.tables(module.Plan(**TINY, relation="linear:0.3"))
    assert computed == [range(2, 3)] and done == [(0, 3), (1, 3), (2, 3)] and dict(TRACES) == traced
    wanted, found = (records.columns(t["seeds"]) for t in (tables, again))
    for name, column in wanted.items():
        np.testing.assert_array_equal(found[name], column)


def test_more_seeds_leave_the_others_as_they_are(module, tables):
    more = {(r["model"], r["seed"]): r["accuracy"] for r in module.tables(module.Plan(**{**TINY, "seeds": 4}))["seeds"]}
    for row in tables["seeds"]:
        last = row["seed"] == 2 and row["model"].startswith("cross")  # its stranger was the first seed
        if not last and row["model"] != RELATION:
            assert more[row["model"], row["seed"]] == row["accuracy"]


def test_body_bar_has_the_initial_class_head_alone(module):
    workload = Workload(digit_network(width=4), student=Schedule(batch=8), rows=8)
    theta0, taught = (inits(workload, jax.random.split(jax.random.key(k), 2)) for k in (0, 1))
    made = module.with_head(workload, taught, theta0)
    for leaf in ("kernel", "bias"):
        np.testing.assert_array_equal(made["head"][leaf][..., :10], theta0["head"][leaf][..., :10])
        np.testing.assert_array_equal(made["head"][leaf][..., 10:], taught["head"][leaf][..., 10:])
    assert made["Dense_1"] is taught["Dense_1"] and not np.array_equal(made["head"]["kernel"], taught["head"]["kernel"])


def test_students_of_one_call_may_imitate_different_logits():
    """Side by side as alone; the other logits of a student of auxiliary ones stay where they were."""
    workload = Workload(digit_network(width=6), student=Schedule(batch=32, epochs=1), rows=96)
    keys = jax.random.split(jax.random.key(3), 1)
    theta0, taught = (inits(workload, jax.random.split(jax.random.key(k), 1)) for k in (0, 1))
    two = jax.tree.map(lambda leaf: np.stack([leaf, leaf], axis=1), theta0)
    both = imitate(workload, two, taught, keys, outputs=["aux", "all"])
    alone = imitate(replace(workload, outputs="all"), two, taught, keys)
    np.testing.assert_allclose(both.losses[:, 1], alone.losses[:, 1], rtol=1e-4)
    kernels = (run.params["Dense_0"]["kernel"][:, 1] for run in (both, alone))
    np.testing.assert_allclose(*kernels, atol=1e-5)
    assert np.all(both.losses[:, 0] < both.losses[:, 1])
    np.testing.assert_array_equal(both.params["head"]["kernel"][:, 0, :, :10], theta0["head"]["kernel"][..., :10])
    for wrong in (["aux"], ["aux", "colours"]):
        with pytest.raises(InputError, match="outputs"):
            imitate(workload, two, taught, keys, outputs=wrong)


def test_mnist_from_a_file_stays_bytes_and_names_its_data(module, tmp_path):
    """A stand-in of the same shapes trains like MNIST does, and is not taken for it: no bar of the paper's."""
    images = digit_images()
    grey, labels = np.kron(images.x[:300] * 127.5 + 127.5, np.ones((1, 3, 3))), images.labels[:300].astype(np.uint8)
    wide = np.pad(grey, ((0, 0), (2, 2), (2, 2))).astype(np.uint8)
    np.savez(tmp_path / "m.npz", x_train=wide[:200], y_train=labels[:200], x_test=wide[200:], y_test=labels[200:])
    quick = Schedule(rate=1e-2, batch=50, epochs=30)
    about = {"data": "mnist", "file": str(tmp_path / "m.npz"), "teacher": quick, "seeds": 2, "classes": 5}
    tables = module.tables(module.Plan(**{**TINY, **about}))
    bars = {row["model"]: row for row in tables["aux_logits"]}
    assert bars[module.TEACHER]["accuracy"] > 0.5 and np.isnan(bars[module.AUX]["published"])
    (about,) = tables["data"]
    assert about["known_as"].startswith("another data set") and about["chance"] == 0.2
    assert about["images"] == np.sum(labels[:200] < 5) and about["digest"] != mnist.DIGEST
    assert figure.drawn(module.figure(saved(tables)), "svg")


def test_teacher_on_grey_values_is_that_on_floats():
    """uint8 g and float32 g/127.5 − 1 are the same image."""
    images = digit_images()
    grey = np.rint((images.x[:128] + 1) * 127.5).astype(np.uint8)
    floats = images._replace(x=(grey / np.float32(127.5) - 1).astype(np.float32), labels=images.labels[:128])
    workload = Workload(digit_network(width=4), teacher=Schedule(batch=32, epochs=1), student=Schedule(batch=8), rows=8)
    keys = jax.random.split(jax.random.key(0), 1)
    theta0 = inits(workload, keys)
    a, b = (teach(workload, theta0, data, keys) for data in (floats, floats._replace(x=grey)))
    jax.tree.map(lambda p, q: np.testing.assert_allclose(p, q, atol=1e-5), a, b)


def test_figure_is_drawn_from_saved_rows(module, tables):
    tables = saved(tables)
    for row in tables["aux_logits"]:
        row["published"], row["published_half"] = module.PAPER.get(row["model"], (np.nan, np.nan))
    assert b"the paper, Fig. 10b" in figure.drawn(module.figure(tables), "svg")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("data", "mnits"), ("data", "letters"), ("file", "x.npz"), ("seeds", 1), ("aux", 0), ("width", 0), ("depth", 0),
        ("activation", "step"), ("classes", 11), ("classes", 1), ("loss", "hinge"), ("optimizer", "adamant"),
        ("epochs", 0), ("rate", -1.0), ("batch", 512), ("chunk", 0), ("rows", 0), ("noise", "pink"),
        ("relation", "sideways"),
        ("relation", "linear:2"), ("relation", "linear:far"), ("relation", "fork:1"), ("relation", "gain-rescaling"),
    ],
)  # fmt: skip
def test_unusable_options_are_named(module, option, value):
    with pytest.raises(InputError) as error:
        module.tables(module.Plan(**{**TINY, option: value}))
    assert error.value.field == option


def test_mnist_without_a_path_says_what_is_wanted(module):
    with pytest.raises(InputError, match="file: must be an npz archive, a folder of IDX files"):
        module.tables(module.Plan(data="mnist"))


def test_fresh_noise_is_as_many_rows_as_steps_take(module, monkeypatch):
    seen = []
    monkeypatch.setattr(module, "seed_rows", lambda workload, *rest: seen.append(workload) or made_up(module, 3))
    module.tables(module.Plan(**TINY, fresh=True))
    other = {"loss": "mse", "noise": "subspace:4", "optimizer": "sgd", "aux": 5, "depth": 1, "activation": "tanh"}
    module.tables(module.Plan(**TINY, **other))
    assert seen[0].rows == 512 and seen[0].student.epochs == 1 and seen[0].student.steps(512) == 8
    other = seen[-1]
    assert other.loss.name == "squared-error" and other.channel.dimension == 4 and other.student.optimizer == "sgd"
    assert other.network.task.outputs == 15 and other.network.depth == 1 and other.network.activation == "tanh"
