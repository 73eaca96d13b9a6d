"""Call everything public with arguments that do not fit: what comes back is a result, or one line of our own.

    python scripts/fuzz.py --calls 3000 --seed 0        # or: make fuzz ARGS="--seed 1"

What is called is found: every callable in `subtheory.__all__`, the functions that those return (such as v ↦ Gv), and
the methods of results. A parameter starts from a value that fits one of its name (`Samples.fitting`), else from its
default, else from anything. Then one or two arguments are replaced by junk or spoilt (another rank, length or dtype, a
number that is not finite, a part left out, another field), and now and then one too few or too many is passed.

Allowed are a result, an InputError (or DataError) of one line, and a TypeError of one line that Python or the package
raises about the call. Everything else is listed with its call, and the exit code is 1. "passed on" counts InputErrors
that only repeat the first line of what JAX, NumPy or a function of the user's raised, without a field of ours.
"""

import argparse
import dataclasses
import inspect
import os
import random
import signal
import sys
import tempfile
import traceback
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import subtheory as st
from subtheory.api import UNFIT
from subtheory.arguments import shown
from subtheory.certificate.cases import CASES
from subtheory.errors import SubtheoryError
from subtheory.init import PATHS

PACKAGE = str(Path(st.__file__).parent)

TRACED = ("theory", "networks", "data", "init", "kernels", "instruments", "setting.teachers", "setting.student")
"""Classes whose methods JAX traces, such as a loss: they are handed to functions, and their methods are not called."""

LONGEST = 2000
"""Letters of a line."""

SECONDS = 120
"""A call that takes longer has gone astray."""

ANSWERS = ("result", "InputError", "passed on", "TypeError", "other")


# Arguments ------------------------------------------------------------------------------------------


class Odd:
    """Nothing that anybody knows."""

    def __repr__(self) -> str:
        return "odd\nobject"


class Samples:
    """Arguments of one seed: values that fit, values that do not, and spoilt ones."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.random, self.numbers = random.Random(seed), np.random.default_rng(seed)
        pick, rng = self.random.choice, self.numbers
        setting = st.Setting(
            st.MLP(width=3, depth=1), st.KL(), outputs="aux", eps=st.ladder(1e-2, 3), examples=4, trait_examples=4
        )
        d = setting.distillation(0)
        exact = CASES["tanh-2-4-2"].distillation(1, st.SquaredError())
        certificate = st.certify(exact, 1.0)
        file = certificate.save(folder / "certificate.json")
        claim = st.CLAIMS["cosine-limit"]
        params = {"W": rng.normal(size=(5, 4)), "V": rng.normal(size=(4, 3))}
        x, labels = rng.normal(size=(8, 5)), rng.integers(0, 3, 8)
        network, _ = st.adapt(net, params, example=x[0])
        moved, rows = {name: 1.1 * leaf for name, leaf in params.items()}, {"x": x, "y": labels}
        self.fitting: dict[str, list[Any]] = {
            "model": [net, network], "params": [params], "trait": [(x, labels), square], "channel": [x, "uniform"],
            "loss": ["kl", st.KL(), st.SquaredError()], "claims": ["cosine-limit"], "claim": [claim],
            "outputs": ["all", (0, 1)], "eps": [0.01], "seeds": [1], "seed": [0], "examples": [4], "without": [None],
            "units": [()], "progress": [None, True], "cache": [False], "d": [d, exact], "setting": [setting],
            "source": [certificate.document, file], "file": [file], "folder": [folder / "out"], "upto": [1.0],
            "alpha": [1.0], "kinds": [("alignment",)], "kind": ["alignment"], "seconds": [1.0], "network": [network],
            "x1": [x], "x2": [x[:2]], "function": [square], "optimizer": [optax.sgd(0.1)], "batches": [np.arange(2)],
            "teacher": [None, "random", moved], "steps": [1], "key": [None], "order": [1], "points": [16],
            "degree": [None, 2],
            "path": ["noise", PATHS["noise"], folder / "out"], "paths": [["noise"]], "amounts": [(0.0, 0.5)],
            "init": [PATHS["noise"]], "largest": [0.01], "rungs": [3], "v": [params, d.delta], "example": [x[0]],
            "data": [rows], "control": [None, rows], "student": [None, moved], "name": ["a", "b"], "hash": ["0" * 64],
            "initialised_from": [None, "base"], "trained_on": [(), "rows"], "generated_by": [None, "base"],
        }  # fmt: skip
        forecast = st.forecast(net, params, teacher=moved, data=rows, trait=square, draws=2)
        lineage = st.Lineage.open(folder / "lineage.jsonl")
        lineage.add_model("base", "1" * 64)
        lineage.add_data("rows", "2" * 64, "base")
        self.objects = [setting, certificate, claim, forecast, lineage]
        shapes = [(), (3,), (4,), (4, 5), (8, 5), (13,), (0,), (2, 2, 2)]
        self.plain: list[Callable[[], Any]] = [
            lambda: None, lambda: pick([0, 1, -1, 2, 10**12, -3]),
            lambda: pick([0.5, -1.0, np.nan, np.inf, 1e300, -0.0]),
            lambda: pick(["", "x", "kl", "aux", "all", "mlp", "noise", "ε", "a\nb"]), lambda: pick([True, False]),
            lambda: pick([[], (), {}, {1, 2}, b"x", ..., 1j, object(), Odd(), Odd, float, range(3), Exception("x")]),
            lambda: [self.junk() for _ in range(pick([1, 2, 3]))], lambda: (self.junk(), self.junk()),
            lambda: {"a": self.junk()}, lambda: rng.normal(size=pick(shapes)), lambda: np.full(4, np.nan),
            lambda: rng.integers(-2, 5, size=pick(shapes)), lambda: np.array(["a"]), lambda: rng.normal(size=3) > 0,
            lambda: jnp.ones(3), lambda: np.float32(0.1), lambda: np.int8(3), lambda: np.datetime64("2020-01-01"),
            lambda: np.void(b"ab"), lambda: np.ma.masked_array([1.0, 2.0], [0, 1]), lambda: iter([1]),
            lambda: jax.random.key(0), lambda: pick([lambda *a: None, lambda p: p, lambda p, x: x, square, net]),
            lambda: pick([getattr(st, name) for name in st.__all__]),
        ]  # fmt: skip

    def junk(self) -> Any:
        """Anything: numbers, texts, containers, arrays, functions, classes, and what fits another parameter."""
        if self.random.random() < 0.2:
            return self.fit(self.random.choice(list(self.fitting)))
        return self.random.choice(self.plain)()

    def fit(self, name: str) -> Any:
        return self.random.choice(self.fitting[name])

    def spoilt(self, value: Any) -> Any:
        """A value that is wrong in one place; junk if it has no places."""
        pick = self.random.choice
        if isinstance(value, Mapping) and value:
            name = pick(list(value))
            return pick([{k: v for k, v in value.items() if k != name}, {**value, name: self.spoilt(value[name])}])
        if isinstance(value, list | tuple) and value and not hasattr(value, "_fields"):
            i = pick(range(len(value)))
            return pick([value[:i], value[:i] + type(value)([self.spoilt(value[i])]) + value[i + 1 :]])
        if isinstance(value, np.ndarray | jax.Array) and not jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
            return self.spoilt_array(np.asarray(value))
        if dataclasses.is_dataclass(value) and not isinstance(value, type) and dataclasses.fields(value):
            name = pick([field.name for field in dataclasses.fields(value)])
            try:
                return dataclasses.replace(value, **{name: self.spoilt(getattr(value, name))})
            except Exception:  # what a class refuses is seen where it is called
                return self.junk()
        return self.junk()

    def spoilt_array(self, x: np.ndarray) -> Any:
        if x.dtype.kind not in "fiub":
            return self.junk()
        holes = np.array(x, dtype=float)
        if holes.size:
            holes.flat[self.random.randrange(holes.size)] = self.random.choice([np.nan, np.inf, -1e300])
        wrong = [holes, x[None], x[..., None], x[:0] if x.ndim else x, x[:-1] if x.ndim else x, x.T, x.ravel()]
        with np.errstate(all="ignore"):
            wrong += [x.astype(kind) for kind in (np.float16, np.int64, bool, str, object, complex)]
        return self.random.choice(wrong)

    def arguments(self, function: Callable[..., Any]) -> tuple[list[Any], dict[str, Any]]:
        """Positional and named arguments of one call, one or two of them wrong."""
        try:
            parameters = list(inspect.signature(function).parameters.values())
        except (TypeError, ValueError):  # some classes of C
            return [self.junk() for _ in range(self.random.choice([0, 1, 2]))], {}
        given: dict[str, Any] = {}
        for p in parameters:
            if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
                continue
            if p.name in self.fitting:
                given[p.name] = self.fit(p.name)
            elif p.default is p.empty:
                given[p.name] = self.junk()
        for name in self.random.sample(list(given), min(len(given), self.random.choice([1, 1, 2]))):
            given[name] = self.junk() if self.random.random() < 0.5 else self.spoilt(given[name])
        first = [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY]
        positional = [given.pop(name) for name in first if name in given]
        if any(p.kind is p.VAR_KEYWORD for p in parameters):
            given[self.random.choice(list(self.fitting))] = self.junk()
        if self.random.random() < 0.03:
            given.pop(next(iter(given), ""), None)
        if self.random.random() < 0.03:
            given["surplus"] = 1
        return positional, given


def net(p: Any, x: Any) -> Any:
    return jnp.tanh(x @ p["W"]) @ p["V"]


def square(p: Any) -> Any:
    return sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(p))


# What is called ---------------------------------------------------------------------------------------


def public() -> dict[str, Callable[..., Any]]:
    """Every callable in `subtheory.__all__` but exceptions, enums and protocols: Python itself answers for those."""
    named = {name: getattr(st, name) for name in st.__all__}
    return {
        name: value
        for name, value in named.items()
        if callable(value)
        and not (
            isinstance(value, type)
            and (issubclass(value, BaseException | Enum) or getattr(value, "_is_protocol", False))
        )
    }


def within(name: str, result: Any) -> Iterator[tuple[str, Callable[..., Any]]]:
    """What can be called of a result: itself, if a function, or its public methods, if it is a record of ours."""
    if inspect.isfunction(result):
        yield f"{name}(…)", result
    cls = type(result)
    ours = [base for base in cls.__mro__ if base.__module__.startswith("subtheory.")]
    if not ours or cls.__module__.removeprefix("subtheory.").startswith(TRACED):
        return
    for method in sorted({method for base in ours for method in vars(base) if not method.startswith("_")}):
        if inspect.isfunction(inspect.getattr_static(cls, method)):
            yield f"{cls.__name__}.{method}", getattr(result, method)


# What comes back --------------------------------------------------------------------------------------


class TooLong(Exception):
    """A call has gone astray."""


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise TooLong(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def answer(call: Callable[[], Any]) -> tuple[str, Any]:
    """Which of `ANSWERS` a call gives, and its result or what it raised."""
    try:
        with limited(SECONDS):
            return "result", call()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return kind_of(error), error


def kind_of(error: BaseException) -> str:
    text = str(error)
    if "\n" in text or len(text) > LONGEST or not text:
        return "other"
    if isinstance(error, SubtheoryError):
        return "passed on" if getattr(error, "wanted", "") == UNFIT else "InputError"
    if not isinstance(error, TypeError):
        return "other"
    last = traceback.extract_tb(error.__traceback__)[-1]
    raised = last.filename.startswith(PACKAGE) and (last.line or "").startswith("raise ")
    return "TypeError" if raised or last.filename == __file__ else "other"


def fuzz(calls: int, seed: int) -> tuple[dict[str, Counter[str]], list[str]]:
    """Answers by function, and what was wrong, or passed on, with its call."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    listed = []
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        os.chdir(folder)
        st.configure(cache=False, progress=False)
        samples = Samples(seed, Path(folder))
        targets = public()
        for thing in samples.objects:
            targets.update(within("", thing))
        waiting: list[str] = []
        for _ in range(calls):
            if not waiting:  # functions take three turns for one of a class, whose arguments are mostly kept
                waiting = [n for n, f in targets.items() for _ in range(1 if isinstance(f, type) else 3)]
                samples.random.shuffle(waiting)
            name = waiting.pop()
            target = targets[name]
            positional, given = samples.arguments(target)
            kind, found = answer(lambda f=target, a=positional, k=given: f(*a, **k))
            st.configure(cache=False, progress=False)
            counts[name][kind] += 1
            if kind == "result" and not isinstance(target, type):
                targets.update(within(name, found))
            elif kind in ("other", "passed on"):
                listed.append(told(kind, name, positional, given, found))
        os.chdir("/")
    return counts, listed


def told(kind: str, name: str, positional: list[Any], given: dict[str, Any], error: BaseException) -> str:
    """One call and what it raised, for whoever mends it."""
    said = [shown(value, 80) for value in positional] + [f"{key}={shown(value, 80)}" for key, value in given.items()]
    cause = error.__cause__ if kind == "passed on" and error.__cause__ is not None else error
    frames = [f for f in traceback.extract_tb(cause.__traceback__) if f.filename.startswith(PACKAGE)]
    place = f" ({Path(frames[-1].filename).relative_to(PACKAGE)}:{frames[-1].lineno})" if frames else ""
    line = " ".join(f"{type(error).__name__}: {error}".split())
    return f"{kind}: {name}({', '.join(said)})\n    {line[:300]}{place}"


def table(counts: Mapping[str, Counter[str]]) -> str:
    """One row a function, most calls first, and their sum; Markdown."""
    total: Counter[str] = sum(counts.values(), Counter())
    rows = [("called", "calls", *ANSWERS)]
    for name, found in [*sorted(counts.items(), key=lambda item: item[0].lower()), ("all", total)]:
        rows.append((name, str(found.total()), *(str(found[answer]) for answer in ANSWERS)))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |" for row in rows]
    return "\n".join([lines[0], "| " + " | ".join("-" * w for w in widths) + " |", *lines[1:]])


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(words)
    counts, listed = fuzz(given.calls, given.seed)
    print(table(counts))
    if listed:
        print("\n" + "\n".join(listed), file=sys.stderr)
    return int(any(found["other"] for found in counts.values()))


if __name__ == "__main__":
    sys.exit(main())
