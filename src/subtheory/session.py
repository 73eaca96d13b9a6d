"""What a session in Python has in common with the command line: compiled programs on disk, a line of progress, devices.

`configure` turns either of the first off, and says how many of the last.
"""

import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from subtheory.errors import InputError

QUIET = "TF_CPP_MIN_LOG_LEVEL"
"""XLA's own log: by default every program read from disk prints two lines of CPU features on some machines."""

Devices = int | Literal["all"] | None

_chosen: dict[str, Any] = {"cache": True, "progress": True, "devices": None}


def configure(*, cache: bool = True, progress: bool = True, devices: Devices = None) -> None:
    """Whether programs that this session compiles are kept on disk, and whether long work shows a line of progress.

    Both are on unless turned off here: `st.configure(cache=False, progress=False)`. A folder that was given to JAX by
    `jax_compilation_cache_dir` is left as it is. `devices` is how many of those that JAX shows share the rows of a
    call, or "all"; None: all on a GPU or TPU, and one on a CPU. Raises InputError on what is neither True nor False,
    and on devices that are no whole number of at least 1.
    """
    from subtheory.arguments import shown, whole  # which loads NumPy

    for name, value in (("cache", cache), ("progress", progress)):
        if not isinstance(value, bool):
            raise InputError(name, shown(value), "must be True or False")
    named = devices is None or (isinstance(devices, str) and devices == "all")
    _chosen.update(cache=cache, progress=progress, devices=devices if named else whole("devices", devices))


def wanted_devices() -> Devices:
    """How many devices share the rows of a call, as far as the session has said."""
    found: Devices = _chosen["devices"]
    return found


def shows_progress() -> bool:
    """Whether long work in Python shows a line of progress."""
    return bool(_chosen["progress"])


def wants_cache() -> bool:
    """Whether compiled programs are kept on disk."""
    return bool(_chosen["cache"])


def work(cache: bool) -> None:
    """Prepare a process that works for another one."""
    silence()
    configure(cache=cache, progress=False)
    keep_programs()
    Programs.listen()


def forget() -> None:
    """Let go of compiled programs, half of a process's memory; a user's own would have to be made again too."""
    import jax

    jax.clear_caches()


def silence() -> None:
    """Let XLA log nothing but fatal errors, if it has not been loaded yet and nobody has said otherwise."""
    if "jaxlib" not in sys.modules:
        os.environ.setdefault(QUIET, "3")


def cache_folder() -> Path:
    """Where programs compiled by this release of jaxlib are kept: in the user's cache directory, by convention."""
    from importlib.metadata import version

    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "subtheory" / f"xla-jaxlib-{version('jaxlib')}"


def keep_programs() -> None:
    """Keep compiled programs on disk, all of them, if the session wants it and JAX has no folder yet.

    A folder that cannot be written is not used, nor one that would fill the log (XLA was loaded before it was quiet).
    """
    import jax

    theirs = getattr(jax.config, "jax_compilation_cache_dir", None)
    if not _chosen["cache"] or theirs or QUIET not in os.environ:
        return
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    # An entry that another run is just writing cannot be read: the program is compiled instead.
    warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation cache")
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


class Programs:
    """Counts the programs that XLA made for this process, and how many of them were found on disk."""

    asked, found = 0, 0
    """Made for this process, and those of them that were on disk."""
    others: tuple[int, int] = 0, 0
    """The same of its workers."""
    doing = ""
    """What this process is at, compiling or measuring, as far as JAX says; nothing before it has compiled anything."""

    @classmethod
    def listen(cls) -> None:
        """Count from now on; once a process."""
        if cls._listening:
            return
        cls._listening = True
        import jax

        jax.monitoring.register_event_listener(cls._hit)
        jax.monitoring.register_event_duration_secs_listener(cls._made)

    _listening = False

    @classmethod
    def _hit(cls, event: str, **_: Any) -> None:
        cls.found += event == "/jax/compilation_cache/cache_hits"

    @classmethod
    def _made(cls, event: str, duration_secs: float, **_: str | int) -> None:
        made = event == "/jax/core/compile/backend_compile_duration"
        cls.asked += made
        if made or event == "/jax/core/compile/jaxpr_to_mlir_module_duration":  # behind which XLA's own work begins
            cls.doing = "measuring" if made else "compiling"


def report(title: str) -> Callable[[int, int, str], None] | None:
    """A callback (done, total, text) that rewrites one line of standard error; None where nobody would see it."""
    if not shows_progress() or not sys.stderr.isatty():
        return None

    def say(done: int, total: int, text: str) -> None:
        end = "\r" if done < total else "\r" + " " * 60 + "\r"
        sys.stderr.write(f"\r{title}: {done}/{total} {text:40.40}" if done < total else end)
        sys.stderr.flush()

    return say
