"""Arguments as people type them: read as they are meant, or refused in one line that names field and value."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import subtheory as st
from subtheory import arguments
from subtheory.errors import InputError
from subtheory.init import PATHS
from subtheory.suggest import choose

MASKS = ((True, False, True), [True, False, True], np.array([1, 0, 1], bool), jnp.array([True, False, True]))


@pytest.mark.parametrize("value", [*MASKS, (0, 2), [0, 2], np.array([0, 2]), jnp.array([0, 2]), {2, 0}, range(0, 3, 2)])
def test_outputs_by_indices_and_by_masks(value):
    assert arguments.outputs(value, 3) == (0, 2)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ((True, False), "one truth value for each of 3 outputs"),
        ((True, 2), "mask of truth values"),
        ((1, 0, 1), "every output once .a mask must be of truth values"),
        ([1.0, 0.0, 1.0], "indices below 3"),
        (np.eye(3, dtype=bool), "indices below 3"),
        ((), "indices below 3"),
        ([False] * 3, "indices below 3"),
        ([3], r"indices below 3.*got \[3\]"),
        (-1, "indices below 3"),
        (None, "indices below 3"),
        (True, "indices below 3"),
    ],
)
def test_outputs_that_are_none(value, words):
    with pytest.raises(InputError, match=f"^outputs: .*{words}"):
        arguments.outputs(value, 3)


@pytest.mark.parametrize("value", [2, np.int64(2), np.array(2), [0, 1], (0, 1), range(2), np.arange(2), jnp.arange(2)])
def test_seeds_as_a_count_and_as_a_list(value):
    assert arguments.seeds(value) == (0, 1)


@pytest.mark.parametrize("value", [0, -1, 2.0, True, "2", None, [], [0, 0], [0.5], [-1], [2**32], 10**9, [[0, 1]]])
def test_seeds_that_are_none(value):
    with pytest.raises(InputError, match=r"^seeds: "):
        arguments.seeds(value)


@pytest.mark.parametrize("value", [np.float32(0.5), jnp.bfloat16(0.5), np.array(0.5), jnp.asarray(0.5), 0.5])
def test_a_number_of_any_library(value):
    assert arguments.positive("eps", value) == 0.5 and type(arguments.positive("eps", value)) is float


@pytest.mark.parametrize("value", [0, -1, True, "0.5", None, [0.5], np.array([0.5]), np.nan, np.inf, 1j])
def test_numbers_that_are_none(value):
    with pytest.raises(InputError, match=r"^eps: must be a positive number, got "):
        arguments.positive("eps", value)


def test_names_that_are_none():
    for name in (3, None, ["kl"], st.KL):
        with pytest.raises(InputError, match="loss: must be a name, one of squared-error"):
            choose("loss", name, st.LOSSES)


NETWORK = st.MLP(width=3, depth=1)
SETTING = st.Setting(NETWORK, loss="squared-error", outputs="aux", examples=4, trait_examples=4)


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (st.KL(temperature=0.0), r"loss: must have a temperature between .*, got KL\(temperature=0.0"),
        (st.KL(temperature=-2), "loss: must have a temperature"),
        (st.KL(temperature=np.nan), "loss: must have a temperature"),
        (st.KL(temperature="hot"), "loss: must have a temperature"),
        (st.KL(temperature=1e-320), "loss: must have a temperature"),
        (st.TopK(k=0), "loss: must have a whole number k, at least 1"),
        (st.TopK(k=1.5), "loss: must have a whole number k"),
        (st.Bregman(3), "loss: must (have a Potential|be one of)"),
    ],
)
def test_losses_whose_own_numbers_are_impossible_are_refused_where_they_are_used(loss, words):
    d, own = SETTING.distillation(0), {"trait": lambda p: p @ p, "channel": np.ones((2, 3))}
    uses = (
        lambda: SETTING.but(loss=loss),
        lambda: st.alignment(replace(d, loss=loss)),
        lambda: st.ggn(d, loss),
        lambda: st.verify(lambda p, x: p * x, np.ones(3), loss=loss, **own),
    )
    for use in uses:
        with pytest.raises(InputError, match=words):
            use()


def test_a_setting_reads_names_lists_and_masks():
    aux = [i >= 10 for i in range(13)]
    typed = SETTING.but(loss="kl", channel="uniform", teacher="adam", outputs=aux, eps=[np.float32(0.5), 0.25])
    plain = SETTING.but(loss=st.KL(), channel=st.CHANNELS["uniform"], teacher=st.TEACHERS["adam"],
                        outputs=(10, 11, 12), eps=(0.5, 0.25))  # fmt: skip
    assert typed == plain and hash(typed) == hash(plain)
    assert SETTING.but(eps=0.5).eps == (0.5,)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: SETTING.but(outputs=(True, False)), "outputs: must have one truth value for each of 13"),
        (lambda: SETTING.but(outputs=[]), "outputs: must be 'all' or indices below 13"),
        (lambda: SETTING.but(loss="k"), "loss: unknown, did you mean 'kl'"),
        (lambda: SETTING.but(loss=st.KL), "loss: must be one of .*, or a Loss"),
        (lambda: SETTING.but(channel="unifrm"), "channel: unknown, did you mean 'uniform'"),
        (lambda: SETTING.but(teacher=3), "teacher: must be one of .*, or a Teacher"),
        (lambda: SETTING.but(view="full"), "view: must be a View"),
        (lambda: SETTING.but(rule=st.Signs), "rule: must be of a kind that is known: descent"),
        (lambda: SETTING.but(init="noise"), "init: must be of a kind that is known: shared"),
        (lambda: SETTING.but(los="kl"), "part: unknown, did you mean 'loss'"),
        (lambda: SETTING.but(alpha=np.nan), "alpha: must be a finite number"),
        (lambda: SETTING.but(examples=2.5), "examples: must be a whole number"),
        (lambda: st.Setting("mlp"), "network: must be a network"),
        (lambda: st.Setting(st.MLP), "network: must be a network"),
        (lambda: SETTING.distillation(0.5), "seeds: must be a whole number"),
        (lambda: st.ladder(0), "largest: must be a positive number"),
        (lambda: st.ladder(0.1, 2.5), "rungs: must be a whole number"),
        (lambda: st.Along("noise"), "path: must be a path"),
        (lambda: st.Along(PATHS["noise"], None), "amount: must be a number"),
        (lambda: st.Elsewhere("mlp"), "network: must be a network"),
        (lambda: st.Layers(()), "layers: must be names of layers"),
        (lambda: st.Leaves(()), "leaves: must be names of leaves"),
        (lambda: st.Entries((0, 3)), "entries: must be 0 or 1"),
        (lambda: SETTING.but(trains=st.Entries((0, 1))).distillation(), "entries: must be .*, one for each parameter"),
        (lambda: st.Shifted(1.0), "by: must be finite numbers"),
        (lambda: st.Accepted("x"), "log_rate: must be a finite number"),
        (lambda: st.MLP(width=2.5), "width: must be a whole number"),
        (lambda: st.MLP(bias_std="x"), "bias_std: must not be negative"),
        (lambda: st.MLP(task="digits"), "task: must be a Task"),
        (lambda: st.ConvNet((4.5,)), "channels: must be positive"),
        (lambda: st.adapt((lambda key: 1 / 0, NETWORK.apply)), "init: must draw the parameters of a key .*|init: "),
        (lambda: st.configure(cache="no"), "cache: must be True or False"),
        (lambda: st.check("cosine-limt", SETTING), "claim: unknown, did you mean 'cosine-limit'"),
        (lambda: st.check("cosine-limit", SETTING, seeds=1.0), "seeds: must be a whole number"),
        (lambda: st.CLAIMS["cosine-limit"].check(SETTING), "case: must be a distillation, setting.distillation"),
    ],
)
def test_parts_that_are_none(make, words):
    with pytest.raises(InputError, match=words) as refused:
        make()
    assert "\n" not in str(refused.value)


@pytest.fixture(scope="module")
def d():
    return SETTING.distillation(0)


WRONG = {
    "indices as weights of the channel": ({"weights": np.arange(4)}, "weights: must be 4 numbers that sum to 1"),
    "weights that sum to 4": ({"weights": np.ones(4)}, "weights: must be 4 numbers that sum to 1"),
    "indices as outputs": ({"outputs": np.array([10, 11, 12])}, "outputs: must be 13 weights"),
    "as many indices as outputs": ({"outputs": np.arange(13)}, "outputs: must be 13 weights, floats"),
    "one eps": ({"eps": 0.1}, "eps: must be finite numbers"),
    "a direction of another network": ({"delta": {"a": np.ones(3)}}, "delta: must be like theta0"),
    "nan": ({"x": np.full((4, 8, 8), np.nan)}, "x: must be finite"),
    "a loss by name": ({"loss": "kl"}, "loss: must be the name of a loss, or a loss"),
    "targets": (
        {"trait": st.TargetTrait(np.ones((4, 8, 8)), np.ones(4), np.ones(13))},
        "trait.targets: must be finite numbers of shape",
    ),
    "no eps": ({"eps": np.ones(0)}, "eps: must be finite numbers"),
    "a loss without a hash": ({"loss": st.KL(name=[])}, "loss: must be"),
    "no trait": ({"trait": None}, "trait: must be a trait"),
}


@pytest.mark.parametrize(("changes", "words"), WRONG.values(), ids=WRONG)
def test_a_distillation_is_looked_at_before_it_is_used(d, changes, words):
    for function in (st.alignment, st.quadratic_form, st.ggn, st.alignment_lower_bound, st.certify, st.teacher_update):
        with pytest.raises(InputError, match=words):
            function(replace(d, **changes))


def test_indices_of_the_trait_are_no_weights(d):
    with pytest.raises(InputError, match=r"trait.outputs: must be 13 weights"):
        st.trait_change(replace(d, trait=replace(d.trait, outputs=np.arange(10))), 0.1)
    with pytest.raises(InputError, match=r"trait.labels: must lie in 0 ... 12, got 99"):
        st.trait_change(replace(d, trait=replace(d.trait, labels=np.full(4, 99))), 0.1)


def test_a_distillation_of_structured_inputs(d):
    class Halves:
        """The network of an image that comes in two halves."""

        name = "halves"
        init = staticmethod(NETWORK.init)

        def apply(self, params, x):
            return NETWORK.apply(params, jnp.concatenate([x["top"], x["bottom"]]))

    parts = lambda x: {"top": x[:, :4], "bottom": x[:, 4:]}  # noqa: E731
    split = replace(d, network=Halves(), x=parts(d.x), trait=replace(d.trait, x=parts(d.trait.x)))
    for function in (st.alignment, st.quadratic_form, lambda d: st.trait_change(d, 0.1)):
        np.testing.assert_allclose(function(split), function(d), rtol=1e-12)
    v = st.ggn(split)(d.delta)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-15), v, st.ggn(d)(d.delta))
    with pytest.raises(InputError, match="x: must be one array: certificates take no structured inputs"):
        st.certify(split)


FAULTS = {
    "order": (lambda d: st.predicted_alignment(d, 3), "order: must be at most 2"),
    "eps": (lambda d: st.student_update(d, d.eps), "eps: must be one finite number"),
    "alpha": (lambda d: st.distance_change(d, "x"), "alpha: must be a finite number"),
    "a setting": (lambda d: st.alignment(SETTING), "d: must be a distillation"),
    "steps": (lambda d: st.teacher_update(d, optax.sgd(0.1), steps=0), "steps: must be at least 1"),
    "teacher": (lambda d: st.teacher_update(d, "adm"), "teacher: unknown, did you mean 'adam'"),
    "a vector": (lambda d: st.ggn(d)({"a": 1}), "v: must be like the parameters"),
    "a loss": (lambda d: st.ggn(d, "klo"), "loss: unknown, did you mean 'kl'"),
    "no function": (lambda d: st.hessian(3, d.theta0), "function: must be a function"),
    "one input": (lambda d: st.ntk(NETWORK, d.theta0, d.x[0], d.x), "x2: must have inputs of the form of the x1"),
    "a class": (lambda d: st.ntk(st.MLP, d.theta0, d.x, d.x), "network: must be a network"),
    "optimizer": (lambda d: st.train(lambda p, b: p @ p, np.ones(2), "sgd", np.arange(2)), "optimizer: must be"),
    "points far off": (lambda d: st.trait_step(d, 10**12), "points: must be at most"),
    "key": (lambda d: st.teacher_update(d, "random", key=1.0), "key: must be one key"),
    "cotangent": (lambda d: st.ntk_product(NETWORK, d.theta0, d.x, d.x)(np.ones(3)), "r: must be like the outputs"),
    "no number": (lambda d: st.hessian(lambda p: p["head"], d.theta0), "function: must give one real number"),
    "no steps": (lambda d: st.train(lambda p, b: p @ p, np.ones(2), optax.sgd(0.1), []), "batches: must be an array"),
    "a record": (lambda d: st.CLAIMS["cosine-limit"].check(3), "case: must be a distillation"),
    "a kind": (lambda d: st.certify(d, kinds=3), "kinds: must be some of"),
    "upto": (lambda d: st.alignment_roots(d, "1"), "upto: must be a positive number"),
    "degree": (lambda d: st.alignment_roots(d, 1.0, 1.5), "degree: must be a whole number"),
    "points": (lambda d: st.alignment_lower_bound(d, 2.5), "points: must be a whole number"),
    "kind": (lambda d: st.certify(d, kinds="alignmnt"), "kind: unknown, did you mean 'alignment'"),
    "seconds": (lambda d: st.certify(d, seconds=-1), "seconds: must be a positive number"),
}


@pytest.mark.parametrize(("call", "words"), FAULTS.values(), ids=FAULTS)
def test_arguments_of_the_functions(d, call, words):
    with pytest.raises(InputError, match=words) as refused:
        call(d)
    assert "\n" not in str(refused.value)


def test_a_trait_is_not_read_inside_jit(d):
    with pytest.raises(InputError, match="d: must be numbers: call this outside of jit"):
        jax.jit(lambda delta: st.alignment(replace(d, delta=delta)))(d.delta)
    with pytest.raises(InputError, match="check: must be called outside of jit"):
        jax.jit(lambda: st.check("cosine-limit", SETTING, 1))()
