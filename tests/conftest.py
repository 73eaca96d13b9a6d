"""What every test shares: fast compilation, steady examples, and a precision that nothing leaves flipped."""

import importlib
import os
from collections.abc import Iterator
from importlib.metadata import version
from itertools import count
from pathlib import Path

# Compiling is most of what the tests cost, and the optimiser much of compiling.
# XLA reads the variable when its first backend starts, so it is set before JAX is imported.
FAST_COMPILE = "--xla_backend_optimization_level=0"
if version("jaxlib").startswith("0.10."):  # half the time of the newer emitters; later releases have no choice
    FAST_COMPILE += " --xla_cpu_use_fusion_emitters=false"
if "xla_backend_optimization_level" not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {FAST_COMPILE}".strip()

import jax  # noqa: E402
import pytest  # noqa: E402
from costs import Costs  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

LEDGERS = count()

MAPPED = 20_000
"""Regions of memory beyond which compiled programs are let go of: each takes three of the 65,530 of a process."""

# Neither rank promotion nor dtype promotion is made an error here: biases are added to batches on purpose,
# and Flax's own normalisation layers mix dtypes. Where the theory wants either, its test says so locally.

# The first example of a property compiles it, so its time says nothing about the property.
settings.register_profile("local", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("local"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(autouse=True)
def a_ledger_of_its_own(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test takes what another one, or an earlier run, has kept; the command line may say which platform it found."""
    if "JAX_PLATFORMS" not in os.environ:
        monkeypatch.setenv("JAX_PLATFORMS", "")
        monkeypatch.delenv("JAX_PLATFORMS")
    monkeypatch.setenv("SUBTHEORY_LEDGER", f"{tmp_path_factory.getbasetemp()}/ledger-{next(LEDGERS)}")


def pytest_configure(config: pytest.Config) -> None:
    """Count what every file of tests costs, and print it at the end."""
    config.pluginmanager.register(Costs(), "costs")


@pytest.fixture(scope="module", autouse=True)
def programs_fit_into_memory() -> Iterator[None]:
    """A worker that has compiled for a quarter of an hour would die of its next program."""
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_text().count("\n") > MAPPED:
        jax.clear_caches()


@pytest.fixture(scope="session", autouse=True)
def x64_is_left_alone() -> Iterator[None]:
    """Importing the package, and every test after it, leaves the precision of the process as it was."""
    before = jax.config.jax_enable_x64
    importlib.import_module("subtheory").configure(cache=False, progress=False)
    assert jax.config.jax_enable_x64 == before, "importing subtheory flips jax_enable_x64"
    yield
    assert jax.config.jax_enable_x64 == before, "a test left jax_enable_x64 flipped"
