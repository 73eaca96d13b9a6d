"""From claims and a grid to verdicts: the plan, the processes that measure it, the judgement, its results."""

__all__ = ["asked", "grid", "judgement", "losses", "own", "plan", "results", "verdicts"]
