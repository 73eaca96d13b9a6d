"""Models that were left in training mode, and the remedy in the words of the library that they are written in."""

import re

LIBRARIES = ("flax", "equinox", "haiku")
"""Whose lines stand between JAX's and a user's own."""

LINEN, NNX, EQUINOX = "flax/linen", "flax/nnx", "equinox"

REMEDIES = {
    LINEN: "is in training mode: call the Flax module with deterministic=True, use_running_average=True",
    NNX: "is in training mode: call model.eval() first",
    EQUINOX: "is in training mode: pass eqx.nn.inference_mode(model), inference=True",
    "": "draws random numbers: it must be a function of its arguments alone, draw them outside of it",
}
"""By the folder whose lines draw random numbers or change a state; the last one for a function of no library."""

_INIT = "must be given all variables that the Flax module's init returned, not params alone"

_KNOWN: tuple[tuple[str, str, str], ...] = (
    # Class of the error, words in its message, remedy.
    ("InvalidRngError", "", REMEDIES[LINEN]),
    ("ModifyScopeVariableError", "", REMEDIES[LINEN]),
    ("ScopeCollectionNotFound", "", _INIT),
    ("ScopeVariableNotFoundError", "", _INIT),
    ("ScopeParamNotFoundError", "", "must be given the params that this Flax module's init returned"),
    ("ScopeParamShapeError", "", "must be given params of the shapes that this Flax module's init returned"),
    ("ValueError", r"Parameter \"\w+\" must be passed to the constructor or at call time", REMEDIES[LINEN]),
    ("ValueError", r"`deterministic` is False|No `\w+` argument was provided to", REMEDIES[NNX]),
    ("TraceContextError", "", "must not change its own state: call model.eval(), and pass the module itself"),
    ("RuntimeError", r"requires a key when running in non-deterministic mode", REMEDIES[EQUINOX]),
    ("NameError", r"unbound axis name", f"{REMEDIES[EQUINOX]} (one example has no batch axis)"),
)


def remedy(error: BaseException) -> str:
    """What to do about an error that a model in training mode raises; empty for any other."""
    names, text = {kind.__name__ for kind in type(error).__mro__}, str(error)
    for name, words, cure in _KNOWN:
        if (not name or name in names) and re.search(words, text):
            return cure
    return ""


def library(places: list[tuple[str, int]]) -> str:
    """Which library the innermost of some lines of code belongs to, as in `REMEDIES`."""
    for file, _ in places:
        for name in (LINEN, NNX, EQUINOX):
            if f"/{name}/" in file:
                return name
    return ""


DRAWING = ("random_bits", "threefry2x32", "rng_uniform", "rng_bit_generator")
"""Operations that draw random numbers."""
