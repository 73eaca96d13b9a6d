"""Training against a plain reference of its own, what it must leave alone, and the statistics of its results."""

from dataclasses import replace

import jax
import numpy as np
import optax
import pytest
from jax import export

from subtheory.data import DIGITS
from subtheory.errors import InputError
from subtheory.init import PATHS, Fork
from subtheory.numerics import float64, widen
from subtheory.theory.beyond.cross_kernel import control_subtracted_alignment
from subtheory.theory.distillation import Distillation
from subtheory.theory.losses import SquaredError
from subtheory.traces import TRACES
from subtheory.trained.images import (
    Images,
    Schedule,
    Workload,
    accuracy,
    along,
    auxiliary,
    class_trait,
    digit_images,
    digit_network,
    imitate,
    inits,
    one_step,
    seeds_of,
    single,
    starts,
    teach,
    teach_all,
    training,
)
from subtheory.trained.images.training import IMITATED, LABELLED

AUX = slice(10, 13)
WORKLOAD = Workload(
    digit_network(width=12),
    teacher=Schedule(rate=1e-2, batch=32, epochs=2),
    student=Schedule(rate=5e-3, batch=16, epochs=2),
    rows=100,
)
"""Six steps an epoch; four of the hundred rows are left over. Zero biases: in a narrow network some noise would leave a
whole layer off, and the next one on its kinks, where no first order exists (gap g1)."""
IMAGES = Images(*(part[:96] for part in digit_images()))
KEYS = jax.random.split(jax.random.key(7), 2)


@pytest.fixture(scope="module")
def begun():
    return starts(WORKLOAD, IMAGES, KEYS, examples=8)


@pytest.fixture(scope="module")
def theta0(begun):
    return single(begun.layout.unflatten(begun.theta0))


@pytest.fixture(scope="module")
def taught(theta0):
    return teach(WORKLOAD, theta0, IMAGES, KEYS)


@pytest.fixture(scope="module")
def students(begun):
    """The shared init, a permutation that moves every unit, and an independent draw."""
    arms = [along(PATHS[name], begun, (amount,), KEYS) for name, amount in ARMS]
    return jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=1), *arms)


ARMS = (("permutation", 0.0), ("permutation", 1.0), ("linear", 1.0))


@pytest.fixture(scope="module")
def trained(students, taught):
    return imitate(WORKLOAD, students, taught, KEYS)


def forward(theta, x):
    """The network's logits and hidden layers, in NumPy."""
    layers = [x.reshape(len(x), -1)]
    for name in ("Dense_0", "Dense_1"):
        layers.append(np.maximum(layers[-1] @ theta[name]["kernel"] + theta[name]["bias"], 0))
    return layers[-1] @ theta["head"]["kernel"] + theta["head"]["bias"], layers


def backward(theta, layers, pull):
    """Gradient of Σ pull · logits, in NumPy."""
    gradient = {}
    for name, below in zip(("head", "Dense_1", "Dense_0"), layers[::-1], strict=True):
        gradient[name] = {"kernel": below.T @ pull, "bias": pull.sum(axis=0)}
        pull = (pull @ theta[name]["kernel"].T) * (below > 0)
    return gradient


def adam(theta, gradients, rate):
    """Kingma and Ba's Algorithm 1 on a function θ, step ↦ ∇."""
    m = v = jax.tree.map(np.zeros_like, theta)
    for t, gradient_of in enumerate(gradients, 1):
        gradient = gradient_of(theta)
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradient)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g**2, v, gradient)
        theta = jax.tree.map(
            lambda p, m, v, t=t: p - rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8), theta, m, v
        )
    return theta


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def one(tree, *at):
    return jax.tree.map(lambda leaf: np.asarray(leaf[at], np.float64), tree)


def close(found, wanted, atol):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=atol), found, wanted)


def batches(schedule, key, fold, count):
    with float64():
        return np.asarray(schedule.batches(jax.random.fold_in(key, fold), count))


def test_teacher_is_adam_on_the_class_logits(theta0, taught):
    """Against backpropagation and Adam written out; float32 against float64, so to 1e-4 of updates of 1e-1."""

    def gradient(rows):
        def of(theta):
            z, layers = forward(theta, IMAGES.x[rows].astype(float))
            pull = np.zeros_like(z)
            pull[:, :10] = softmax(z[:, :10]) - np.eye(10)[IMAGES.labels[rows]]
            return backward(theta, layers, pull / len(rows))

        return of

    rows = batches(WORKLOAD.teacher, KEYS[1], LABELLED, 96)
    assert rows.shape == (6, 32) and sorted(rows[:3].ravel()) == list(range(96)) != rows[:3].ravel().tolist()
    close(one(taught, 1), adam(one(theta0, 1), map(gradient, rows), 1e-2), 1e-4)
    np.testing.assert_array_equal(taught["head"]["kernel"][..., AUX], theta0["head"]["kernel"][..., AUX])


def test_student_is_adam_on_the_divergence_of_the_auxiliary_logits(students, taught, trained):
    """The same reference for KL(teacher‖student) over three logits, on rows of noise drawn one by one."""
    with float64():
        noise = np.asarray(WORKLOAD.noise(KEYS[0], np.arange(100)))

    def gradient(rows):
        def of(theta):
            z, layers = forward(theta, noise[rows])
            y, _ = forward(one(taught, 0), noise[rows])
            pull = np.zeros_like(z)
            pull[:, AUX] = softmax(z[:, AUX]) - softmax(y[:, AUX])
            return backward(theta, layers, pull / len(rows))

        return of

    rows = batches(WORKLOAD.student, KEYS[0], IMITATED, 100)
    assert rows.shape == (12, 16) and len(set(rows[:6].ravel())) == 96
    # The independent student: at the shared init a small gradient would hide an error.
    close(one(trained.params, 0, 2), adam(one(students, 0, 2), map(gradient, rows), 5e-3), 1e-4)
    assert trained.losses.shape == (2, 3, 12) and trained.params["head"]["bias"].dtype == np.float32
    for leaf in ("kernel", "bias"):
        silent = trained.params["head"][leaf][..., :10]
        np.testing.assert_array_equal(silent, students["head"][leaf][..., :10])


def test_noise_is_regenerated_row_by_row():
    """A row is the same in any batch; another seed's are others; none is stored, so a huge number has a row too."""
    with float64():
        all_rows = np.asarray(WORKLOAD.noise(KEYS[0], np.arange(100)))
        some = np.asarray(WORKLOAD.noise(KEYS[0], np.array([70, 3, 70])))
        far, other = (np.asarray(WORKLOAD.noise(key, np.array([n]))) for key, n in ((KEYS[0], 10**9), (KEYS[1], 3)))
    np.testing.assert_array_equal(some, all_rows[[70, 3, 70]])
    assert -1 <= all_rows.min() < -0.99 and 0.99 < all_rows.max() <= 1 and far.shape == (1, 8, 8)
    assert not np.any(other == some[1]) and len(np.unique(all_rows)) == all_rows.size


def test_one_program_for_any_number_of_seeds_of_equal_workloads(students, taught, trained):
    """Built anew, an equal workload is the same static argument; a second run gives the same bits."""
    before = TRACES["imitate"]
    again = imitate(replace(WORKLOAD, network=digit_network(width=12)), students, taught, KEYS)
    assert TRACES["imitate"] == before
    close(again.params, trained.params, 0)


def test_an_accelerator_trains_all_keys_side_by_side_to_the_same_end(students, taught, trained, monkeypatch, request):
    """Its program, run here, agrees to float32 rounding; it lowers for CUDA and TPU with the keys as one axis."""
    monkeypatch.setattr(training.jax, "default_backend", lambda: "gpu")
    request.addfinalizer(training._imitate.clear_cache)
    training._imitate.clear_cache()
    before = TRACES["imitate"]
    found = imitate(WORKLOAD, students, taught, KEYS)
    assert TRACES["imitate"] == before + 1
    close(found.params, trained.params, 1e-5)

    def program():
        training._imitate.clear_cache()
        with float64():
            lower = export.export(training._imitate, platforms=("cuda", "tpu"))
            return lower(WORKLOAD, WORKLOAD.network, students, taught, KEYS, WORKLOAD.weights("aux")).mlir_module()

    # Activations of two keys, three students, a batch of 16 and 12 units.
    assert "tensor<2x3x16x12xf32>" in program()
    monkeypatch.undo()
    assert "tensor<2x3x16x12xf32>" not in program() and "tensor<3x16x12xf32>" in program()


def test_permuted_student_trains_to_the_permuted_end(begun, students, taught):
    """In float64, with the permutation undone: the same to 1e-9, relative to updates of 1e-2; a re-drawn one is not."""
    wide = jax.tree.map(lambda leaf: leaf.astype(np.float64), (students, taught))
    ends = imitate(WORKLOAD, *wide, KEYS)
    assert ends.params["head"]["bias"].dtype == np.float64
    permuted = begun.layout.flatten(one(ends.params, slice(None), 1))
    back = begun.layout.unflatten(PATHS["permutation"].undo(begun, 1.0, seeds_of(KEYS), permuted))
    for k in range(2):
        close(one(back, k), one(ends.params, k, 0), 1e-9)
        moved = one(ends.params, k, 1)["Dense_1"]["kernel"] - one(ends.params, k, 0)["Dense_1"]["kernel"]
        assert np.abs(moved).max() > 0.1
    scores = accuracy(WORKLOAD, ends.params, IMAGES)
    np.testing.assert_array_equal(scores[:, 0], scores[:, 1])
    assert np.abs(ends.losses[:, 2] - ends.losses[:, 0]).min() > 1e-4


def test_starts_are_the_draws_of_their_own_keys(begun):
    """θ0 as `inits` draws it from half of a key, the first rows of the noise, and the same start in other company."""
    first = jax.vmap(lambda key: jax.random.split(key)[0])(KEYS)
    close(single(begun.layout.unflatten(begun.theta0)), inits(WORKLOAD, first), 1e-6)
    with float64():
        x = [np.asarray(WORKLOAD.noise(key, np.arange(8))) for key in KEYS]
    np.testing.assert_array_equal(begun.x, x)
    assert not np.any(begun.theta0[0, -64:] == begun.other[0, -64:]) and begun.theta0.dtype == np.float64
    alone = starts(WORKLOAD, IMAGES, KEYS[1:], examples=8)
    for a, b in ((alone.theta0, begun.theta0[1:]), (alone.pretraining.targets, begun.pretraining.targets[1:])):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(begun.trait.labels, [IMAGES.labels] * 2)
    np.testing.assert_array_equal(begun.outputs > 0, np.arange(13) >= 10)


@pytest.mark.parametrize("path", [PATHS["null-noise"], Fork(3, batch=4), PATHS["linear"]], ids=lambda path: path.name)
def test_along_is_a_student_for_every_seed_and_amount(begun, path):
    """Students (K, A) of one call are those of calls of their own, with the draw of their own seed."""
    grid = (0.0, 0.5, 1.0)
    found = along(path, begun, grid, KEYS)
    for k in range(2):
        for i, amount in enumerate(grid):
            student = path(begun.take([k]), amount, seeds_of(KEYS)[k : k + 1])
            close(one(found, k, i), begun.layout.unflatten(student[0]), 1e-6)
    with pytest.raises(InputError, match="amount"):
        along(path, begun, (-0.1,), KEYS)


def test_accuracy_is_the_share_of_class_logits_that_name_the_label(taught, trained):
    for k in range(2):
        z, _ = forward(one(taught, k), IMAGES.test_x.astype(float))
        assert accuracy(WORKLOAD, taught, IMAGES)[k] == np.mean(z[:, :10].argmax(axis=1) == IMAGES.test_labels)
    assert accuracy(WORKLOAD, trained.params, IMAGES).shape == (2, 3)
    lifted = jax.tree.map(np.copy, taught)
    lifted["head"]["bias"][..., AUX] += 100
    np.testing.assert_array_equal(accuracy(WORKLOAD, lifted, IMAGES), accuracy(WORKLOAD, taught, IMAGES))


def test_plain_descent_in_another_architecture(taught):
    """One step of SGD on the squared error of all logits, for students of another width."""
    schedule = Schedule("sgd", rate=0.1, batch=100, epochs=1)
    own = replace(WORKLOAD, network=digit_network(width=4), student=schedule, loss=SquaredError(), outputs="all")
    begin = jax.tree.map(lambda leaf: leaf[:, None], inits(own, KEYS))
    found = imitate(own, begin, taught, KEYS, teacher_network=WORKLOAD.network)
    with float64():
        x = np.asarray(own.noise(KEYS[1], np.arange(100)))
    theta = one(begin, 1, 0)
    z, layers = forward(theta, x)
    pull = 2 * (z - forward(one(taught, 1), x)[0]) / 100
    wanted = jax.tree.map(lambda p, g: p - 0.1 * g, theta, backward(theta, layers, pull))
    close(one(found.params, 1, 0), wanted, 1e-5)


def test_one_step_is_the_theory_of_the_trained_displacement(theta0, taught, students):
    """kernel: the slope of the measured control-subtracted alignment; the cosine: differences in NumPy."""
    learned = teach_all(WORKLOAD, students, IMAGES, KEYS)
    close(one(learned, 1, 0), one(taught, 1), 1e-6)
    found = one_step(WORKLOAD, theta0, taught, students, learned, KEYS, examples=30)
    with float64():
        x = np.asarray(WORKLOAD.noise(KEYS[0], np.arange(30)))
        start, end = one(theta0, 0), one(taught, 0)
        d = Distillation(
            theta0=widen(start), student=one(students, 0, 2), delta=optax.tree.sub(end, start), x=x,
            weights=np.full(30, 1 / 30), outputs=np.asarray(WORKLOAD.weights("aux"), float), eps=np.array([1e-5]),
            trait=class_trait(WORKLOAD, IMAGES, 20), alpha=np.ones(()),
            trainable=optax.tree.ones_like(start), network=WORKLOAD.network, loss=WORKLOAD.loss,
        )  # fmt: skip
        slope = float(control_subtracted_alignment(d)[0]) / 1e-5
    assert found.kernel[0, 2] == pytest.approx(slope, rel=1e-3)
    assert np.all(found.kernel[:, 0] > 0)

    def velocity(begin, end):
        ahead, behind = (jax.tree.map(lambda a, b, h=h: a + h * (b - a), begin, end) for h in (1e-6, -1e-6))
        return (forward(ahead, x)[0] - forward(behind, x)[0])[:, AUX] / 2e-6

    p = softmax(forward(start, x)[0][:, AUX])
    u_T, u_S = velocity(start, end), velocity(one(students, 0, 2), one(learned, 0, 2))
    dot = lambda u, v: np.sum(p * u * v) - np.sum(np.sum(p * u, axis=1) * np.sum(p * v, axis=1))  # noqa: E731
    assert found.functional_cosine[0, 2] == pytest.approx(
        dot(u_S, u_T) / np.sqrt(dot(u_S, u_S) * dot(u_T, u_T)), abs=1e-6
    )
    # A permutation leaves the cosine alone, up to the float32 of training, not the kernel; another draw has neither.
    np.testing.assert_allclose(found.functional_cosine[:, :2], 1, atol=1e-4)
    assert np.all(np.abs(found.kernel[:, 1]) < 0.5 * found.kernel[:, 0]) and np.all(
        np.abs(found.functional_cosine[:, 2]) < 0.5
    )
    apart = one_step(WORKLOAD, theta0, taught, students, learned, KEYS, teacher_network=WORKLOAD.network, examples=30)
    np.testing.assert_allclose(apart.functional_cosine, found.functional_cosine, rtol=1e-9)
    assert np.all(np.isnan(apart.kernel))


def test_images_are_split_once():
    images = digit_images()
    assert len(images.x) == 1397 and len(images.test_x) == len(images.test_labels) == 400
    pixels = np.concatenate([images.x, images.test_x])
    assert pixels.dtype == np.float32 and (pixels.min(), pixels.max()) == (-1, 1)
    kept = {image.tobytes() for image in images.x}
    assert not any(image.tobytes() in kept for image in images.test_x)
    assert np.bincount(images.test_labels).min() > 25


def test_auxiliary_logits_follow_the_classes():
    task = auxiliary(DIGITS, 5)
    assert task.outputs == 15 and task.group("aux") == (10, 11, 12, 13, 14) and task.group("class") == tuple(range(10))
    assert auxiliary(DIGITS, 3).groups == DIGITS.groups


@pytest.mark.parametrize(
    ("field", "call"),
    [
        ("optimizer", lambda: Schedule("adamant")),
        ("optimizer", lambda: Schedule("apply_updates")),
        ("rate", lambda: Schedule(rate=0.0)),
        ("batch", lambda: Schedule(batch=0)),
        ("epochs", lambda: Schedule(epochs=0)),
        ("rows", lambda: Workload(rows=0)),
        ("batch", lambda: Workload(rows=100)),
        ("outputs", lambda: Workload(outputs="colours")),
        ("m", lambda: digit_network(m=0)),
        ("held_out", lambda: digit_images(0)),
    ],
)
def test_what_cannot_be_used_is_named(field, call):
    with pytest.raises(InputError) as error:
        call()
    assert error.value.field == field


def test_shapes_that_do_not_fit_are_named(theta0, taught, students):
    bare = {name: leaf for name, leaf in taught.items() if name != "head"}
    uneven = {**taught, "head": jax.tree.map(lambda leaf: leaf[:1], taught["head"])}
    small = Workload(digit_network(width=12, m=4))
    for field, call in (
        ("theta0", lambda: teach(WORKLOAD, bare, IMAGES, KEYS)),
        ("theta0", lambda: teach(WORKLOAD, students, IMAGES, KEYS)),
        ("theta0", lambda: teach(WORKLOAD, uneven, IMAGES, KEYS)),
        ("keys", lambda: teach(WORKLOAD, theta0, IMAGES, KEYS[:1])),
        ("images", lambda: teach(WORKLOAD, theta0, IMAGES._replace(labels=IMAGES.labels[:9]), KEYS)),
        ("batch", lambda: teach(WORKLOAD, theta0, Images(*(part[:9] for part in IMAGES)), KEYS)),
        ("students", lambda: imitate(WORKLOAD, taught, taught, KEYS)),
        ("teachers", lambda: imitate(WORKLOAD, students, students, KEYS)),
        ("teacher_network", lambda: imitate(WORKLOAD, students, inits(small, KEYS), KEYS, small.network)),
        ("params", lambda: accuracy(WORKLOAD, bare, IMAGES)),
        ("images", lambda: accuracy(WORKLOAD, taught, IMAGES._replace(test_x=IMAGES.test_x[:, :4]))),
    ):
        with pytest.raises(InputError) as error:
            call()
        assert error.value.field == field
