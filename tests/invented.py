"""An experiment that is invented for tests: a plan of so many points, and y = 2x."""

EXPERIMENT = '''"""Is y <twice> x?"""
from dataclasses import dataclass
from subtheory.figure import blank, style
QUESTION, COMMAND, EXPECTED = "Is y <twice> x?", "subtheory run NAME", "yes"
@dataclass(frozen=True)
class Plan:
    points: int = 4
PLAN, QUICK = Plan(), Plan(2)
def tables(plan, progress=None):
    if progress:
        progress(1, 1, "done")
    line = [{"x": x, "y": 2.0 * x} for x in range(plan.points)]
    return TABLES
def findings(tables):
    return []
def figure(tables):
    with style():
        return FIGURE
'''


def invented(name, tables, figure):
    """The text of its file: what it returns as tables of its `line`, and as a figure of those."""
    return EXPERIMENT.replace("NAME", name).replace("TABLES", tables).replace("FIGURE", figure)
