"""Mutants of a proof: one sign, operator, number or assumption changed, which some step has to notice."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from subtheory.proof.algebra import Unavailable
from subtheory.proof.statement import Proof, execute, steps

SWAPPED: dict[type, type] = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
ASSUMED = ("positive", "nonnegative", "negative")
LEFT_ALONE = ("range", "symbols", "Symbol", "Function", "IndexedBase", "Reals", "Real", "Ints")
"""Calls whose arguments are names and sizes: a mutant there states the same for other letters or fewer n."""


@dataclass(frozen=True)
class Mutant:
    """A changed proof: in which function, on which line, and what was changed into what."""

    function: str
    line: int
    change: str
    text: str


def mutants(proof: Proof) -> list[Mutant]:
    """Every mutant of the functions of a proof file, in the order of the file.

    + and − are swapped, × and ÷, a minus sign is dropped, a whole number grows by 1, and an assumed sign
    is dropped to "real".
    """
    tree = ast.parse(proof.path.read_text("utf-8"))
    found = []
    for function in [node for node in tree.body if isinstance(node, ast.FunctionDef)]:
        for node in _places(function):
            for change in _change(node):
                found.append(Mutant(function.name, node.lineno, change, ast.unparse(tree)))
    return found


def survives(proof: Proof, mutant: Mutant) -> bool:
    """Whether all steps still pass. A step that cannot run for want of a tool notices nothing."""
    module = execute(mutant.text, proof.path)
    found = steps(module)
    # The mutated step first: it is the one that should notice.
    order = sorted(found, key=lambda name: name != mutant.function)
    for name in order:
        try:
            found[name]()
        except Unavailable:
            continue
        except Exception:
            return False
    return True


def _places(function: ast.FunctionDef) -> Iterator[ast.expr | ast.keyword]:
    """Every node that may be changed: not an index, not a size, not a name."""

    def walk(node: ast.AST) -> Iterator[ast.AST]:
        yield node
        for field, child in ast.iter_fields(node):
            if isinstance(node, ast.Subscript) and field == "slice":
                continue
            if isinstance(node, ast.Call) and field == "args" and _name(node.func) in LEFT_ALONE:
                continue
            for each in child if isinstance(child, list) else [child]:
                if isinstance(each, ast.AST):
                    yield from walk(each)

    for statement in function.body:
        for node in walk(statement):
            if isinstance(node, ast.expr | ast.keyword):
                yield node


def _change(node: ast.expr | ast.keyword) -> Iterator[str]:
    """Change a node in place, yield what was done, and change it back."""
    if isinstance(node, ast.BinOp) and type(node.op) in SWAPPED:
        before, node.op = node.op, SWAPPED[type(node.op)]()
        yield f"{type(before).__name__} → {type(node.op).__name__}"
        node.op = before
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node.op = ast.UAdd()
        yield "minus dropped"
        node.op = ast.USub()
    elif isinstance(node, ast.Constant) and type(node.value) is int:
        node.value += 1
        yield f"{node.value - 1} → {node.value}"
        node.value -= 1
    elif isinstance(node, ast.keyword) and node.arg in ASSUMED:
        before_name, node.arg = node.arg, "real"
        yield f"{before_name} → real"
        node.arg = before_name


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
