"""Each known answer can come out wrong, and then nothing is verified."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import subtheory as st
from subtheory import known_answers
from subtheory.cli import main
from subtheory.provenance import provenance


def test_every_answer_is_right_here_and_part_of_the_provenance():
    assert set(provenance()["known answers"].values()) == {"right"}
    assert list(provenance()["known answers"]) == list(known_answers.answers())


@pytest.fixture
def computing(monkeypatch):
    """Replace one computed result by a wrong one."""

    def wrong(index, change):
        right = known_answers._computed

        def computed(*given):
            found = list(right(*given))
            found[index] = change(jnp.asarray(found[index]))
            return found

        monkeypatch.setattr(known_answers, "_computed", computed)
        known_answers.answers.cache_clear()

    yield wrong
    monkeypatch.undo()
    known_answers.answers.cache_clear()


ERRORS = [
    ("batched form", 0, lambda a: a.at[16_384].set(a[0])),
    ("norm of a jvp", 1, lambda a: a * (1 + 1e-15)),
    ("eigh", 2, lambda a: a * (1 + 1e-12)),
    ("matmul", 3, lambda a: a.at[-1, -1].add(1)),
    # TF32 keeps ten binary digits of an entry.
    ("matmul", 4, lambda a: jnp.asarray(np.round(np.asarray(a) / 1024) * 1024)),
]


@pytest.mark.parametrize(("name", "index", "change"), ERRORS)
def test_a_wrong_answer_refuses_every_verdict_in_one_line(computing, capsys, name, index, change):
    computing(index, change)
    line = rf"^jax: computes wrong numbers .+ \({name}\), .+pip install .+, got {jax.__version__}$"
    setting = st.Setting(st.Linear())
    with pytest.raises(known_answers.WrongNumbers, match=line):
        st.check(st.CLAIMS["alignment-is-positive"], setting)
    with pytest.raises(known_answers.WrongNumbers, match=line):
        st.verify(lambda p, x: p @ x, np.eye(2), trait=lambda p: p.sum(), channel=np.eye(2))
    for verb in (["doctor"], ["verify", "alignment-is-positive", "--network", "linear"]):
        assert main(verb) == 4
        said = capsys.readouterr().err.splitlines()
        assert len(said) == 1 and said[0].startswith("error: jax: computes wrong numbers")
