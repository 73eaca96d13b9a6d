"""How an error is planted: functions of the core are replaced while a context lasts, and restored after it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from subtheory.instruments import first_order, twins, two_inits
from subtheory.kernels import stack
from subtheory.setting import preparation

Patch = Callable[[Any, str, Any], None]
"""Sets an attribute of a module or a class until the context is left."""

Plant = Callable[[Patch], None]
"""Puts one mistake into the core."""

READERS = (stack, first_order, two_inits, twins)
"""Modules that look up what is done with a stack."""


def forget() -> None:
    """Drop what was prepared, because it may come from a core that is another one now.

    What was compiled stays: errors are planted in the algebra between programs, never in a program.
    """
    for value in vars(preparation).values():
        if hasattr(value, "cache_clear"):
            value.cache_clear()


def instead(patch: Patch, names: tuple[str, ...], planted: Callable[..., Any]) -> None:
    """`planted(sound, *args)` in place of functions of a stack, in every module that looks them up."""
    for name in names:
        sound = getattr(stack, name)

        def call(*args: Any, sound: Any = sound) -> Any:
            return planted(sound, *args)

        for module in READERS:
            if hasattr(module, name):
                patch(module, name, call)


@contextmanager
def planted(plant: Plant) -> Iterator[None]:
    """The core with this error in it."""
    with ExitStack() as undo:

        def patch(owner: Any, name: str, value: Any) -> None:
            own = name in vars(owner)  # or inherited, of a class
            undo.callback(*((setattr, owner, name, vars(owner)[name]) if own else (delattr, owner, name)))
            setattr(owner, name, value)

        undo.callback(forget)  # last of all
        forget()
        plant(patch)
        yield
