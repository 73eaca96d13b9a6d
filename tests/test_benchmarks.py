"""Benchmarks run at their smallest sizes, and both of their sides agree; no time is judged."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from loaded import load

from subtheory.numerics import float64
from subtheory.theory.alignment import alignment, cosine, quadratic_form, trait_change
from subtheory.theory.distillation import Distillation, trait_loss
from subtheory.theory.losses import CrossEntropy
from subtheory.theory.trait import LabelledTrait


def test_benchmark_agrees_with_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the smallest sizes, without the part that compiles eleven programs; no time is judged."""
    module = load("benchmarks/alignment.py", monkeypatch)
    sizes = module.arguments(["--tiny"])
    with float64():
        rows = [module.whole_grid(sizes), module.product(sizes)]
    assert all(row["ours_s"] >= 0 and row["plain_s"] >= 0 for row in rows)


def test_grid_of_the_peer_is_the_theory(monkeypatch: pytest.MonkeyPatch) -> None:
    """q, D by a pull, D by a jvp and the fall of L_T, on inputs in their span, as `theory.alignment` has them."""
    module = load("benchmarks/grid.py", monkeypatch)
    rng = np.random.default_rng(0)

    def init() -> dict[str, np.ndarray]:
        return {
            "b0": np.zeros(3),
            "b1": np.zeros(5),
            "w0": rng.standard_normal((9, 3)),
            "w1": rng.standard_normal((3, 5)),
        }

    params, other = init(), init()
    images, noise = rng.standard_normal((2, 3, 9))
    labels, eps = np.array([0, 1, 1]), np.array([0.1, 1e-3])
    with float64():
        kind, problem = module.posed([(params, other, images, labels, noise)], 3)
        found, alone = module.measured(kind, problem, eps), module.dots(kind, problem, eps)
        assert problem.noise.shape == (1, 3, 3)  # of nine coordinates
        on = jnp.asarray(kind.taught) * 1.0
        trait = LabelledTrait(jnp.asarray(images), jnp.asarray(labels), on)
        theta0 = jax.tree.map(jnp.asarray, params)
        d = Distillation(
            theta0=theta0, student=theta0, delta=theta0, x=jnp.asarray(noise),
            weights=jnp.full(3, 1 / 3), outputs=1 - on, eps=jnp.asarray(eps), trait=trait, alpha=jnp.ones(()),
            trainable=optax.tree.ones_like(theta0),
            network=kind.network, loss=CrossEntropy(),
        )  # fmt: skip
        d = replace(d, delta=optax.tree.scale(-1.0, jax.grad(lambda theta: trait_loss(d, theta))(theta0)))
        np.testing.assert_allclose(found["quad"][0], quadratic_form(d), rtol=1e-10)
        for name, start in (("shared", theta0), ("cross", jax.tree.map(jnp.asarray, other))):
            own = replace(d, student=start)
            np.testing.assert_allclose(found[f"{name}_dot"][0], alignment(own), rtol=1e-9)
            np.testing.assert_allclose(alone[f"{name}_dot"][0], alignment(own), rtol=1e-9)
            np.testing.assert_allclose(found[f"{name}_cos"][0], cosine(own), rtol=1e-9)
            np.testing.assert_allclose(found[f"{name}_decrease"][0], -trait_change(own, module.ALPHA), atol=1e-13)


def test_products_with_the_curvature_agree(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The benchmark compares the product with the matrix itself, which alone is longer than a few vectors."""
    rows = load("benchmarks/ggn.py", monkeypatch).main(["--tiny"])
    assert [row["side"] for row in rows] == ["ours", "one jvp and one vjp", "G itself"]
    capsys.readouterr()


def test_layouts_train_the_same_students(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The benchmark itself compares them."""
    module = load("benchmarks/layouts.py", monkeypatch)
    module.main(["--steps", "2", "--batch", "4", "--width", "4", "--repeats", "1"])
    out = capsys.readouterr().out
    assert [line.split("  ")[0] for line in out.splitlines()[1:]] == [
        "students, vmap", "students, lax.map", "teachers, one by one", "teachers, at once"
    ]  # fmt: skip


def test_a_lineage_answers_as_a_scan(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The benchmark itself compares them."""
    assert load("benchmarks/lineage.py", monkeypatch).main(["--edges", "300", "--questions", "20"]) == 0
    assert capsys.readouterr().out.startswith("lines  open_s")
