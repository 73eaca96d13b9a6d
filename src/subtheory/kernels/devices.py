"""Rows of a call laid over several devices along an axis of seeds: every device loops over rows of its own.

With one device nothing is laid out: the same programs, the same bits. With several hosts (`jax.distributed`) every
process makes the same calls in the same order, computes its devices' rows, and gets the rows of all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from subtheory import session
from subtheory.errors import InputError

AXIS = "seeds"


def count() -> int:
    """Devices that rows are laid over: so many as the session wants; else all on an accelerator, and one on a CPU.

    All of them with several hosts. One, too, where `jax_default_device` says which. Raises InputError on "devices" for
    more than JAX shows.
    """
    wanted, there = session.wanted_devices(), jax.device_count()
    if jax.process_count() > 1:
        if wanted not in (None, "all", there):
            raise InputError("devices", wanted, f"must be all of the {there} devices where there are several hosts")
        return there
    on_cpu = jax.default_backend() == "cpu"
    if wanted is None:
        return 1 if on_cpu or getattr(jax.config, "jax_default_device", None) is not None else there
    if wanted != "all" and wanted > there:
        more = ", more on a CPU by XLA_FLAGS=--xla_force_host_platform_device_count=N" if on_cpu else ""
        raise InputError("devices", wanted, f"must be at most the {there} that JAX shows{more}")
    return there if wanted == "all" else wanted


@lru_cache(maxsize=8)
def mesh(devices: int) -> Mesh:
    """The first so many devices along one axis."""
    return jax.make_mesh((devices,), (AXIS,), axis_types=(AxisType.Auto,), devices=jax.devices()[:devices])


@lru_cache(maxsize=8)
def _sharded(devices: int) -> NamedSharding:
    return NamedSharding(mesh(devices), PartitionSpec(AXIS))


@lru_cache(maxsize=8)
def _everywhere(devices: int) -> Any:
    """A program that gives every device all rows: with several hosts, no process has them."""
    return jax.jit(lambda rows: rows, out_shardings=NamedSharding(mesh(devices), PartitionSpec()))


def meet() -> None:
    """Exchange a number a device between all hosts: the first exchange connects them."""
    there = jax.device_count()
    spread = Spread(there, 1, there)
    spread.collected(spread.placed(np.zeros(there)))


def each(function: Callable[..., Any], devices: int) -> Callable[..., Any]:
    """function(count (), *rows) on every device's own, as a function of counts (D,) and rows (D·most, ...)."""
    # The rows that a loop fills begin as zeros, which are alike on all devices, and end as what is not: no check of it.
    return jax.shard_map(
        lambda counts, *rows: function(counts[0], *rows),
        mesh=mesh(devices), in_specs=PartitionSpec(AXIS), out_specs=PartitionSpec(AXIS), check_vma=False,
    )  # fmt: skip


@dataclass(frozen=True)
class Spread:
    """n rows shared out evenly among devices with `most` places each."""

    rows: int
    most: int
    devices: int

    @property
    def counts(self) -> np.ndarray:
        """Rows of every device, (D,)."""
        share = -(-self.rows // self.devices)
        return np.clip(self.rows - share * np.arange(self.devices), 0, share).astype(np.int32)

    def placed(self, array: np.ndarray) -> jax.Array:
        """An array with an equal part for every device, each in its own memory."""
        return jax.make_array_from_callback(array.shape, _sharded(self.devices), lambda index: array[index])

    def laid(self, rows: np.ndarray) -> jax.Array:
        """(n, ...) as (D·most, ...); what stands behind a device's own is never looked at."""
        whole = np.empty((self.devices, self.most, *rows.shape[1:]), rows.dtype)
        for place, own in zip(whole, np.split(rows, np.cumsum(self.counts)[:-1]), strict=True):
            place[: len(own)] = own
        return self.placed(whole.reshape(-1, *rows.shape[1:]))

    def collected(self, laid: jax.Array) -> np.ndarray:
        """(D·most, ...) as (n, ...)."""
        whole = np.asarray(laid if laid.is_fully_addressable else _everywhere(self.devices)(laid))
        whole = whole.reshape(self.devices, self.most, *whole.shape[1:])
        return np.concatenate([place[:own] for place, own in zip(whole, self.counts, strict=True)])
