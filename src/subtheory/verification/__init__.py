"""From claims and a grid to verdicts: the plan, the processes that measure it, the judgement, its results."""
