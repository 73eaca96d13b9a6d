"""What the command line, and only the command line, sets before JAX starts: device, flags, compilation cache."""

import os
import re
import subprocess
import sys

from subtheory import session
from subtheory.errors import InputError

PLATFORMS = {"cpu": "cpu", "gpu": "cuda", "tpu": "tpu"}

# Compiling is most of the time. Level 0 would compile faster still, but slows convolutions down by far.
LEVEL = "--xla_backend_optimization_level=1"

DETERMINISTIC = "--xla_gpu_deterministic_ops=true"
"""The same bits from run to run on a GPU: no atomic sums, no choice of kernels by a stopwatch."""

STARTS = 120
"""Seconds in which JAX starts."""

# Without a device JAX may find a GPU. A CPU has the same flags: programs are kept on disk by them.
FLAGS = {None: (LEVEL, DETERMINISTIC), "cpu": (LEVEL, DETERMINISTIC), "gpu": (DETERMINISTIC,), "tpu": ()}


def settle(device: str | None = None, one_core: bool = False) -> None:
    """Set what JAX reads when it starts, and do not start it; the arguments are those of `prepare`."""
    session.silence()
    if one_core:
        os.environ.setdefault("NPROC", "1")
    if device:
        os.environ["JAX_PLATFORMS"] = PLATFORMS[device]
    for flag in FLAGS[device]:
        current = os.environ.get("XLA_FLAGS", "")
        if flag.split("=")[0] not in current:
            os.environ["XLA_FLAGS"] = f"{current} {flag}".strip()


def prepare(
    device: str | None = None,
    cache: bool = True,
    one_core: bool = False,
    devices: session.Devices = None,
    hosts: bool = False,
) -> None:
    """Choose the devices, set XLA's flags and the compilation cache, and meet other hosts if there are to be any.

    With `one_core` XLA has one thread for a program: bits do not depend on the machine's cores, nor on who computes.

    Raises InputError on "device" where JAX finds no such hardware, on "devices" where it finds fewer, and on
    "multihost" where it finds no cluster.
    """
    settle(device, one_core)
    import jax

    if hosts:
        _meet()
    try:
        jax.devices()
    except RuntimeError as error:
        raise InputError(
            "device", device or os.environ.get("JAX_PLATFORMS", ""), "JAX finds no such hardware"
        ) from error
    # What was found is part of what a request is known by, and holds for whoever works for it.
    found = jax.default_backend()
    os.environ.setdefault("JAX_PLATFORMS", PLATFORMS.get(found, found))
    session.configure(cache=cache, devices=devices)
    session.keep_programs()
    session.Programs.listen()

    if devices is not None or hosts:
        from subtheory.kernels.devices import count

        count()


def divides() -> bool:
    """Whether processes may share the work: on a CPU with one device."""
    import jax

    from subtheory.kernels.devices import count

    return bool(jax.default_backend() == "cpu" and count() == 1)


def fault() -> tuple[str, str] | None:
    """Which variable keeps JAX from starting, and what is said of it; asked of another process, which may end of it."""
    told = [name for name in os.environ if name == "XLA_FLAGS" or name.startswith("JAX_")]
    if not told:
        return None
    words = [sys.executable, "-c", "import jax; jax.devices()"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=STARTS)
    except subprocess.TimeoutExpired:
        return told[0], f"nothing is heard of it for {STARTS} s"
    if done.returncode == 0:
        return None
    said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
    said = re.sub(r"^F\d+ .*?\] |^\w+Error: ", "", said)
    return max(told, key=lambda name: (name in said, name.lower() in said)), said


def refused(error: ValueError) -> InputError | None:
    """What is wrong with a variable whose value ended `import jax` with this error; None if something else did."""
    said = str(error)
    named = [name for name in os.environ if name.startswith("JAX_") and (name in said or name.lower() in said)]
    if not named or "jax" in sys.modules:
        return None
    return InputError(max(named, key=len), repr(os.environ[max(named, key=len)]), "JAX takes no such value")


def _meet() -> None:
    """Join the other hosts, which JAX finds by what Slurm, Open MPI or a TPU says of them."""
    import jax

    from subtheory.kernels import devices

    try:
        jax.distributed.initialize()
    except (ValueError, RuntimeError) as error:
        wanted = "needs a process on every host, started by Slurm (srun), Open MPI or on a TPU pod"
        raise InputError("multihost", f"none ({error})", wanted) from error
    # On CPUs, the first exchange greets on standard output, which is for results alone.
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        devices.meet()
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def speaks() -> bool:
    """Whether this process prints and writes: of several hosts, the first."""
    import jax

    return bool(jax.process_index() == 0)
