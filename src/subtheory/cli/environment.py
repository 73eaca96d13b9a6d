"""What the command line, and only the command line, sets before JAX starts: device, flags, compilation cache."""

import os
import sys
import warnings
from pathlib import Path
from typing import Any

from subtheory.errors import InputError

PLATFORMS = {"cpu": "cpu", "gpu": "cuda", "tpu": "tpu"}
FLAGS = {
    # Compiling is most of the time. Level 0 would compile faster still, but slows convolutions down by far.
    "cpu": "--xla_backend_optimization_level=1",
    "gpu": "--xla_gpu_deterministic_ops=true",
    "tpu": "",
}


def cache_folder() -> Path:
    """The user's cache directory for compiled programs, by the platform's convention."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "subtheory" / "xla"


def prepare(device: str | None = None, cache: bool = True) -> None:
    """Choose the device, set XLA's flags and the persistent compilation cache.

    Raises InputError on "device" where JAX finds no such hardware. A cache that cannot be written
    is not used.
    """
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
    if cache:
        _persist(jax)


def _persist(jax: Any) -> None:
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    # An entry that another run is just writing cannot be read: the program is compiled instead.
    warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation cache")
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
