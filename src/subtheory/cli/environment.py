"""What the command line, and only the command line, sets before JAX starts: device, flags, compilation cache."""

import os

from subtheory import session
from subtheory.errors import InputError

PLATFORMS = {"cpu": "cpu", "gpu": "cuda", "tpu": "tpu"}
FLAGS = {
    # Compiling is most of the time. Level 0 would compile faster still, but slows convolutions down by far.
    "cpu": "--xla_backend_optimization_level=1",
    "gpu": "--xla_gpu_deterministic_ops=true",
    "tpu": "",
}


def prepare(device: str | None = None, cache: bool = True, one_core: bool = False) -> None:
    """Choose the device, set XLA's flags and the compilation cache.

    With `one_core` XLA has one thread for a program: bits do not depend on the machine's cores, nor on who computes.

    Raises InputError on "device" where JAX finds no such hardware.
    """
    session.silence()
    if one_core:
        os.environ.setdefault("NPROC", "1")
    if device:
        os.environ["JAX_PLATFORMS"] = PLATFORMS[device]
    flag = FLAGS[device or "cpu"]
    current = os.environ.get("XLA_FLAGS", "")
    if flag and flag.split("=")[0] not in current:
        os.environ["XLA_FLAGS"] = f"{current} {flag}".strip()
    import jax

    try:
        jax.devices()
    except RuntimeError as error:
        raise InputError(
            "device", device or os.environ.get("JAX_PLATFORMS", ""), "JAX finds no such hardware"
        ) from error
    session.configure(cache=cache)
    session.keep_programs()
    session.Programs.listen()
