"""What work takes: CPU seconds and memory. Needs nothing but Python, so that others' interpreters can import it."""

import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def median(run: Callable[[], Any], repeats: int) -> float:
    """CPU seconds of a call once warm, over all threads: the median of the repeats, each of 50 ms or more."""
    found: list[float] = []
    calls = 1
    run()
    while len(found) < repeats:
        start = time.process_time()
        for _ in range(calls):
            run()
        spent = time.process_time() - start
        if spent < 0.05:
            calls *= 2
        else:
            found.append(spent / calls)
    return statistics.median(found)


def peak() -> float:
    """Peak memory of this process in MiB: Linux's own count, because `getrusage` begins with that of the parent."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
