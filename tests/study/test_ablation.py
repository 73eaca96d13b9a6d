"""The ablation of the init: rows against dense computation."""

from dataclasses import replace
from functools import cache

import jax
import numpy as np
import pytest
from ablated import AMOUNTS, SEEDS, SETTING, ablated
from jax.flatten_util import ravel_pytree
from scipy.stats import t as student_t
from shapes import SMOOTH

import subtheory as st
from subtheory import init
from subtheory.errors import InputError
from subtheory.init import PATHS, Another, measures, symmetry
from subtheory.instruments.two_inits import TwoInits
from subtheory.networks import MLP, Transformer
from subtheory.numerics import ROUNDINGS, UNIT, float64
from subtheory.setting.preparation import stack
from subtheory.setting.student import Along, Elsewhere
from subtheory.study import ablation
from subtheory.study.ablation import CROSSED, LIKENESS, LIMITS, Ablation, ablate, matched
from subtheory.theory.losses import Quartic, SquaredError
from subtheory.traces import TRACES


@pytest.fixture(scope="module")
def spherical():
    return ablated("spherical")


@pytest.fixture(scope="module")
def permuted():
    return ablated("permutation")


@cache
def distilled(name, amount, seed):
    """What `Setting` itself makes of a path: one distillation as pytrees."""
    return SETTING.but(eps=(ablation.SIZE,), init=Along(PATHS[name], amount)).distillation(seed)


def row_of(result, amount, seed):
    (row,) = [row for row in result.rows if (row["amount"], row["seed"]) == (amount, seed)]
    return row


def test_rows_are_what_dense_algebra_says(spherical):
    """All but matching and CKA from a Jacobian matrix and plain gradients; M = 2w of squared error."""
    seed, eps = 1, ablation.SIZE
    row = row_of(spherical, 0.7, seed)
    d = distilled("spherical", 0.7, seed)
    with float64():
        start, unravel = ravel_pytree(d.theta0)
        student, delta = ravel_pytree(d.student)[0], ravel_pytree(d.delta)[0]
        f = jax.jit(lambda theta: jax.vmap(lambda x: SMOOTH.apply(unravel(theta), x))(d.x))
        jacobian = jax.jit(jax.jacrev(f))
        J_T, J_S = jacobian(start), jacobian(student)
        trait = jax.jit(jax.value_and_grad(lambda theta: d.trait.loss(SMOOTH.apply, unravel(theta))))
        on_trait = jax.vmap(lambda x, theta: SMOOTH.apply(unravel(theta), x), (0, None))
        w, size, n = d.outputs, float(d.eps[0]), len(d.x)

        def step(at, J, moved):
            return -np.einsum("nvp,v,nv->p", J, w, 2 * (f(at) - f(start + moved * delta))) / n

        u_T, u_S = J_T @ delta, J_S @ delta
        along = lambda t: jax.jvp(lambda s: f(start + s * delta), (t,), (1.0,))[1]  # noqa: E731
        v_T = jax.jvp(along, (0.0,), (1.0,))[1]
        length = lambda a: np.linalg.norm(a, axis=-1)  # noqa: E731
        update, control = step(student, J_S, size), step(student, J_S, 0.0)
        crossing = np.einsum("nvp,v,nv->p", J_S, 2 * w, u_T) / n
        GD = np.einsum("nvp,v,nv->p", J_T, 2 * w, u_T) / n
        alpha = GD @ delta / (GD @ GD)
        end = student + alpha * control
        rows = {name: np.asarray(J)[:, w > 0].reshape(-1, J.shape[-1]) for name, J in (("T", J_T), ("S", J_S))}
        kernels = [rows[k] @ rows[k].T for k in "TS"]
        trait_T, trait_S = (
            np.asarray(on_trait(d.trait.x, theta))[:, d.trait.outputs > 0] for theta in (start, student)
        )
        first, second = (np.asarray(f(theta))[:, w > 0] for theta in (start, student))
        wanted = {
            "distance": np.linalg.norm(student - start) / np.linalg.norm(start),
            "channel_distance": np.linalg.norm(second - first) / np.linalg.norm(first),
            "trait_distance": np.linalg.norm(trait_S - trait_T) / np.linalg.norm(trait_T),
            "ntk_overlap": np.sum(kernels[0] * kernels[1]) / np.prod([np.linalg.norm(K) for K in kernels]),
            "cross_ntk_overlap": np.sum(rows["T"] * rows["S"]) / np.prod([np.linalg.norm(r) for r in rows.values()]),
            "alignment": update @ delta,
            "approach": update @ (start + size * delta - student),
            "added_alignment": (update - control) @ delta,
            "predicted_alignment": size * np.sum(w * 2 * u_S * u_T) / n,
            "trait_change": trait(student + alpha * update)[0] - trait(student)[0],
            "added_trait_change": trait(student + alpha * update)[0] - trait(end)[0],
            "predicted_trait_change": alpha * size * trait(end)[1] @ crossing,
            "unit": size * np.sum(length(u_S) * length(2 * w * u_T)) / n,
            "curvature": size**2 / 2 * np.sum(u_S * 2 * w * v_T) / n,
        }
        start_loss = float(trait(student)[0])
    for name, value in wanted.items():
        # Differences of O(1) numbers, over a teacher's update of 1e-3.
        assert row[name] == pytest.approx(float(value), rel=1e-9), name
    assert row["cka"] == pytest.approx(measures.cka(first, second), rel=1e-9)
    assert 0 < row["error"] < 10 * eps and row["eps"] == eps
    assert 0 < row["rounding"] < 1e-6 * row["unit"]
    # Two values of L_T and nothing else, where that is next to nothing.
    assert 1 < row["trait_rounding"] / (ROUNDINGS * UNIT * (1 + start_loss)) < 2
    assert 0 < row["matched_distance"] <= row["distance"]


def test_tangent_kernels_are_those_of_the_measures(spherical):
    d = distilled("spherical", 0.7, 0)
    row = row_of(spherical, 0.7, 0)
    for name in "ntk_overlap", "cross_ntk_overlap":
        found = getattr(measures, name)(SMOOTH, d.theta0, d.student, d.x, d.outputs)
        assert row[name] == pytest.approx(found, rel=1e-10)


def test_relative_columns_are_one_at_the_shared_init(spherical):
    for row in spherical.rows:
        relative = [f"relative_{name}" for name in CROSSED]
        assert list(row) == ["amount", "seed", *LIKENESS, *CROSSED, *relative, "eps", *LIMITS]
        if row["amount"] == 0:
            assert all(row[f"relative_{name}"] == pytest.approx(1, abs=1e-9) for name in CROSSED)
            assert row["distance"] == row["matched_distance"] == row["channel_distance"] == 0
        else:
            ratio = row["added_alignment"] / row_of(spherical, 0.0, row["seed"])["added_alignment"]
            assert row["relative_added_alignment"] == ratio != pytest.approx(1, abs=0.05)


def test_permuted_units_are_matched_and_pass_the_trait_on(permuted, spherical):
    for seed in range(SEEDS):
        row = row_of(permuted, 0.7, seed)
        assert row["distance"] > 0.1 and row["matched_distance"] < 1e-15
        assert row["channel_distance"] < 1e-14 and row["ntk_overlap"] == pytest.approx(1, abs=1e-12)
        assert row["relative_added_trait_change"] == pytest.approx(1, abs=1e-10)
        assert abs(row["relative_added_alignment"] - 1) > 0.01
        # Another init is none of this.
        far = row_of(spherical, 0.7, seed)
        assert far["matched_distance"] > 0.1 and abs(far["relative_added_trait_change"] - 1) > 0.01


def test_heads_are_matched_and_gains_are_not():
    """Renaming the gains of a LayerNorm alone changes the function: it must not count as near."""
    network, rng = Transformer(width=4), np.random.default_rng(0)
    with float64():
        shapes = jax.eval_shape(network.init, jax.random.key(0))
    theta0 = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape), shapes)
    known = init.units(network, theta0)
    heads, gains = (next(u for u in known if u.kind == kind) for kind in ("heads", "gain"))
    for group, alike in (heads, True), (gains, False):
        turn = symmetry.Turn(np.roll(np.arange(group.size), 1), np.ones(group.size))
        turned = symmetry.act((group,), (turn,), theta0)
        assert measures.distance(theta0, turned) > 0.1
        assert measures.matched_distance(theta0, turned, [[*group.incoming, *group.outgoing]]) < 1e-15
        assert (matched(network, theta0, turned) < 1e-15) is alike


@pytest.mark.parametrize("name", ["partial-reinit", "fork"])
def test_inits_are_those_of_a_setting(name):
    """Also where the teacher moves: the shared init of a fork is the teacher's at its end."""
    result = ablate(PATHS[name], SETTING, AMOUNTS, SEEDS)
    for seed in range(SEEDS):
        d, row = distilled(name, AMOUNTS[1], seed), row_of(result, AMOUNTS[1], seed)
        assert row["distance"] == pytest.approx(measures.distance(d.theta0, d.student), rel=1e-12)
        assert row["alignment"] == pytest.approx(st.alignment(d)[0], rel=1e-9)
        own = st.alignment(replace(d, student=d.theta0))[0]
        assert row["alignment"] / row["relative_alignment"] == pytest.approx(own, rel=1e-9)


def test_another_architecture_compares_functions_only():
    """Of the same shape, it is a student at that init; nothing of its parameters is said."""
    result = ablate(Another(SMOOTH), SETTING, seeds=SEEDS)
    s = stack(SETTING.but(eps=(ablation.SIZE,), init=Elsewhere(SMOOTH)), tuple(range(SEEDS)))
    found = TwoInits().record(replace(s, other=None), (SquaredError(),), s.x)
    crossings = TwoInits().read(found, (SquaredError(),))["squared-error"]
    for row, c in zip(result.rows, crossings, strict=True):
        wanted = ablation.crossed(c)
        for name in "trait_change", "added_trait_change", "predicted_trait_change":
            assert row[name] == pytest.approx(wanted[name], rel=1e-6)
        assert all(np.isnan(row[name]) for name in ("distance", "matched_distance", "alignment", "approach", "error"))
        assert row["channel_distance"] > 0.1 and 0 < row["ntk_overlap"] < 1 and np.isnan(row["cross_ntk_overlap"])


def test_another_architecture_of_other_shapes():
    """Its outputs, tangent kernel and trait are its own; only rows of the shared init divide."""
    other = MLP(width=3)
    (row, _) = ablate(Another(other), SETTING, seeds=SEEDS).rows
    s = stack(SETTING.but(eps=(ablation.SIZE,), init=Elsewhere(other)), (0,))
    student, theta0 = s.students.layout.unflatten(s.student[0]), s.functions.layout.unflatten(s.theta0[0])
    for name in "functional_distance", "ntk_overlap":
        found = getattr(measures, name)(SMOOTH, theta0, student, s.x[0], s.outputs, other)
        assert row["channel_distance" if name == "functional_distance" else name] == pytest.approx(found, rel=1e-10)
    assert np.isfinite(row["relative_added_trait_change"])
    assert row["added_trait_change"] == pytest.approx(row["predicted_trait_change"], rel=0.1)
    with pytest.raises(InputError) as caught:
        ablate(Another(Transformer(width=4)), SETTING, seeds=SEEDS)
    assert caught.value.field == "network"


def test_paths_and_amounts_compile_nothing_more(spherical, permuted):
    before = dict(TRACES)
    ablate(PATHS["linear"], SETTING, (0.0, 0.3, 1.0), 1)
    assert dict(TRACES) == before


def test_means_have_the_interval_of_student():
    rows = [
        {"amount": 0.5, "seed": s, "error": v, **dict.fromkeys([*LIKENESS, *CROSSED], v)}
        | {f"relative_{name}": v for name in CROSSED}
        for s, v in enumerate((1.0, 2.0, 6.0))
    ]
    (mean,) = Ablation(PATHS["noise"], SETTING, rows).means()
    low, high = student_t.interval(0.95, 2, 3.0, np.std([1, 2, 6], ddof=1) / np.sqrt(3))
    assert mean["distance"] == 3 and mean["error"] == 6
    assert mean["distance_half"] == pytest.approx((high - low) / 2)
    assert np.isnan(Ablation(PATHS["noise"], SETTING, rows[:1]).means()[0]["distance_half"])


@pytest.mark.parametrize(
    ("field", "call"),
    [
        ("seeds", lambda: ablate(PATHS["noise"], SETTING, seeds=0)),
        ("amounts", lambda: ablate(PATHS["noise"], SETTING, ())),
        ("amount", lambda: ablate(PATHS["linear"], SETTING, (1.5,))),
        ("eps", lambda: ablate(PATHS["linear"], SETTING, size=0.0)),
        ("loss", lambda: ablate(PATHS["noise"], SETTING.but(loss=Quartic()))),
        ("teacher", lambda: ablate(PATHS["noise"], SETTING.but(teacher="invisible"))),
    ],
)
def test_bad_input_is_named(field, call):
    with pytest.raises(InputError) as caught:
        call()
    assert caught.value.field == field
