"""R22: a number that is not finite never holds, wherever it comes in: it is refused by name, or nothing is said."""

from collections.abc import Callable, Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np

import subtheory as st
from checks.row import Row
from subtheory.claim import Verdict
from subtheory.errors import InputError

BAD = {"nan": np.nan, "inf": np.inf, "-inf": -np.inf}

CLAIM = "alignment-is-ggn-form"

Case = tuple[str, str, Callable[[], Any]]
"""What is wrong, what has to be named, and the call."""


def apply(params: Any, x: Any) -> Any:
    return jnp.tanh(x @ params["W"]) @ params["V"]


def arguments() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {"params": {"W": rng.normal(size=(3, 4)), "V": rng.normal(size=(4, 2))}, "channel": rng.normal(size=(6, 3)),
            "trait": (rng.normal(size=(5, 3)), rng.integers(0, 2, 5))}  # fmt: skip


def rooted(params: Any, x: Any) -> Any:
    """Finite, with a derivative that is 0/0."""
    return apply(params, x) + jnp.sqrt(jnp.sum(0 * params["V"]))


def spoilt(array: np.ndarray, value: float, at: int) -> np.ndarray:
    found = np.array(array)
    found.flat[at % found.size] = value
    return found


def verified(model: Any = apply, loss: Any = "kl", **changed: Any) -> Any:
    given = arguments() | changed
    return st.verify(model, given["params"], trait=given["trait"], channel=given["channel"], loss=loss, claims=CLAIM,
                     seeds=1, progress=lambda *_: None)  # fmt: skip


def cases() -> Iterator[Case]:
    good = arguments()
    for word, value in BAD.items():
        for name, leaf in good["params"].items():
            for at in (0, leaf.size - 1):
                params = good["params"] | {name: spoilt(leaf, value, at)}
                yield f"{word} in {name}", name, lambda params=params: verified(params=params)
        channel = spoilt(good["channel"], value, 4)
        yield f"{word} in the channel", "channel", lambda channel=channel: verified(channel=channel)
        inputs = spoilt(good["trait"][0], value, 7), good["trait"][1]
        yield f"{word} in the trait's inputs", "trait", lambda inputs=inputs: verified(trait=inputs)
        yield f"{word} by the model", "apply", lambda value=value: verified(lambda p, x: apply(p, x) * value)
        yield (f"{word} by the model on one row", "apply",
               lambda value=value: verified(lambda p, x: apply(p, x) + jnp.where(x[0] > 1, value, 0.0)))  # fmt: skip
        yield (f"{word} by the loss", "loss",
               lambda value=value: verified(loss=lambda z, y: jnp.sum((z - y) ** 2) * value))  # fmt: skip
        yield (f"{word} by the trait", "trait",
               lambda value=value: verified(trait=lambda p: jnp.sum(p["V"]) * value))  # fmt: skip
        teacher = {name: leaf + 0.1 for name, leaf in good["params"].items()}
        rows = {"x": good["channel"], "y": np.zeros(6, int)}
        for name in teacher:
            wrong = teacher | {name: spoilt(teacher[name], value, 2)}
            yield f"{word} in the teacher's {name}", name, lambda wrong=wrong, rows=rows: forecast(wrong, rows)
        spoilt_rows = rows | {"x": spoilt(rows["x"], value, 5)}
        yield f"{word} in rows", "data.x", lambda rows=spoilt_rows, teacher=teacher: forecast(teacher, rows)
    yield "0/0 in the derivative", "derivative", lambda: verified(rooted)


def forecast(teacher: Any, rows: Any) -> Any:
    given = arguments()
    return st.forecast(apply, given["params"], teacher=teacher, data=rows, trait=given["trait"], draws=2)


def judged(name: str, call: Callable[[], Any]) -> str:
    """What is wrong with what comes back; empty for a refusal by name, or for a claim that does not hold."""
    try:
        found = call()
    except InputError as error:
        return "" if name in str(error) and "\n" not in str(error) else f"names something else: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if not isinstance(found, st.Verification):
        return "a forecast was made"
    return "it holds" if any(one.verdict is Verdict.HOLDS for one in found.claims) else ""


def r22(quick: bool = False) -> Row:
    row = Row("numbers that are not finite", "never holds; the first bad array is named")
    st.configure(progress=False)
    for what, name, call in list(cases())[:: 9 if quick else 1]:
        found = judged(name, call)
        row.tried(f"{what}: {found}" if found else "")
    row.found = "parameters, inputs, model, loss, trait, teacher, rows"
    return row
