"""How often each compiled program was traced: a sweep must not recompile, and a test counts."""

from collections import Counter

TRACES: Counter[str] = Counter()
