"""What a mutant is: a source file of which one operator, sign, number, index, axis or argument is changed."""

import ast
import random
from collections import Counter
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path("src/subtheory")
MUTATED = ("theory", "instruments")

# Changes --------------------------------------------------------------------------------------------

ARITHMETIC: dict[type, tuple[str, type]] = {
    ast.Add: ("sign", ast.Sub),
    ast.Sub: ("sign", ast.Add),
    ast.Mult: ("factor", ast.Div),
    ast.Div: ("factor", ast.Mult),
}
COMPARED: dict[type, type] = {
    ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
COMMUTING = ("maximum", "minimum", "max", "min", "vdot", "inner", "logaddexp", "swapaxes", "isclose", "getattr")
"""Functions whose last two arguments may change places, or cannot at all."""


def changes(node: ast.AST, kind: str) -> Iterator[tuple[str, ast.AST]]:
    """Operators and what they make of a node; `kind` says whether a number is an index or an axis."""
    match node:
        case ast.BinOp(ast.List() | ast.Tuple()):
            pass  # repeats or extends a list: any change raises
        case ast.BinOp(left, op, right) | ast.AugAssign(left, op, right) if type(op) in ARITHMETIC:
            operator, other = ARITHMETIC[type(op)]
            yield operator, _with(node, op=other())
            if isinstance(node, ast.BinOp) and operator == "factor":
                yield "dropped factor", left
                if isinstance(op, ast.Mult):
                    yield "dropped factor", right
        case ast.UnaryOp(ast.USub(), ast.Constant(int(n))) if kind:
            yield kind, _number(-n - 1 if kind == "index" else 1 - n)
        case ast.UnaryOp(ast.USub(), operand):
            yield "sign", operand
        case ast.UnaryOp(ast.Not(), operand):
            yield "logic", operand
        case ast.BoolOp(op):
            yield "logic", _with(node, op=ast.Or() if isinstance(op, ast.And) else ast.And())
        case ast.Compare(ops=[op]):
            yield "comparison", _with(node, ops=[COMPARED[type(op)]()])
        case ast.Constant(bool(value)):
            yield "logic", ast.Constant(not value)
        case ast.Constant(int(n)):
            yield kind or "constant", ast.Constant(n + 1)
        case ast.Constant(float(x)):
            yield "constant", ast.Constant(2 * x or 1.0)
        case ast.Call(function, args) if not any(isinstance(each, ast.Starred) for each in args):
            name = getattr(function, "attr", getattr(function, "id", ""))
            for i in range(len(args) - (2 if name in COMMUTING else 1)):
                if ast.dump(args[i]) != ast.dump(args[i + 1]):
                    yield "arguments", _with(node, args=[*args[:i], args[i + 1], args[i], *args[i + 2 :]])


def _with(node: ast.AST, **fields: Any) -> ast.AST:
    found = copy(node)
    for name, value in fields.items():
        setattr(found, name, value)
    return found


def _number(n: int) -> ast.expr:
    return ast.Constant(n) if n >= 0 else ast.UnaryOp(ast.USub(), ast.Constant(-n))


@dataclass(frozen=True)
class Place:
    """Where a node hangs in its tree: `holder.field`, or entry `index` of it."""

    holder: ast.AST
    field: str
    index: int | None
    kind: str
    function: str

    @property
    def node(self) -> ast.AST:
        value = getattr(self.holder, self.field)
        return value if self.index is None else value[self.index]

    def put(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(self.holder, self.field, node)
        else:
            getattr(self.holder, self.field)[self.index] = node


LEFT_ALONE = {"annotation", "returns", "decorator_list"}
"""What types say, and decorators."""


def places(tree: ast.AST) -> Iterator[Place]:
    """Every place that may be changed: not in types, errors that are raised, strings, and checks that zip makes."""

    def walk(node: ast.AST, kind: str, function: str) -> Iterator[Place]:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            function = f"{function}.{node.name}".lstrip(".")
        for field, value in ast.iter_fields(node):
            if field in LEFT_ALONE:
                continue
            several = isinstance(value, list)
            for i, child in enumerate(value if several else [value]):
                if not isinstance(child, ast.AST) or isinstance(child, ast.Raise | ast.JoinedStr | ast.Import):
                    continue
                if isinstance(child, ast.keyword) and child.arg == "strict":
                    continue
                own = _kind(node, field, kind)
                yield Place(node, field, i if several else None, own, function)
                if not (own and isinstance(child, ast.UnaryOp)):  # a negative number is one
                    yield from walk(child, own, function)

    return walk(tree, "", "")


def _kind(node: ast.AST, field: str, kind: str) -> str:
    """Of what hangs at a field: "index" inside of brackets, "axis" in the argument of that name, else nothing."""
    if isinstance(node, ast.Subscript) and field == "slice":
        return "index"
    if isinstance(node, ast.keyword) and node.arg == "axis":
        return "axis"
    return kind if isinstance(node, ast.Tuple | ast.Slice | ast.BinOp | ast.UnaryOp) else ""


# Mutants --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mutant:
    """One change of one file: its number among all of them, and what it is."""

    path: str
    number: int
    line: int
    function: str
    operator: str
    change: str

    @property
    def name(self) -> str:
        """What it is called in `mutants.toml`: lines move, functions stay."""
        return f"{self.path.removeprefix(f'{PACKAGE}/')} {self.function}: {self.change}"


def every(path: str) -> Iterator[tuple[Mutant, ast.Module]]:
    """Every mutant of a file with its tree, which is good until the next one is asked for."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    number = 0
    for place in list(places(tree)):
        node = place.node
        shown = place.holder if isinstance(place.holder, ast.expr | ast.keyword) else node
        for operator, other in changes(node, place.kind):
            before = ast.unparse(shown)
            place.put(other)
            after = ast.unparse(shown if shown is not node else other)
            line = getattr(node, "lineno", 0)
            yield Mutant(path, number, line, place.function, operator, f"{before} → {after}"), tree
            place.put(node)
            number += 1


def text(mutant: Mutant) -> str:
    """The whole file, changed."""
    return next(ast.unparse(tree) for each, tree in every(mutant.path) if each.number == mutant.number)


def modules() -> list[str]:
    """Files that are mutated, from the top of the checkout."""
    found = [path for package in MUTATED for path in sorted((ROOT / PACKAGE / package).rglob("*.py"))]
    return [str(path.relative_to(ROOT)) for path in found if path.name != "__init__.py"]


def sample(count: int, seed: int) -> list[Mutant]:
    """At least one mutant of every module, else as many as its share of all of them, of as many operators as can be."""
    known = {path: [mutant for mutant, _ in every(path)] for path in modules()}
    total = sum(map(len, known.values()))
    shares = {path: count * len(mutants) / total for path, mutants in known.items()}
    drawn = {path: max(min(1, len(known[path])), int(share)) for path, share in shares.items()}
    for path in sorted(shares, key=lambda path: drawn[path] - shares[path])[: max(0, count - sum(drawn.values()))]:
        drawn[path] += 1
    found = [m for path, n in drawn.items() for m in _mixed(known[path], random.Random(f"{seed} {path}"))[:n]]
    random.Random(seed).shuffle(found)
    return found


def _mixed(mutants: list[Mutant], rng: random.Random) -> list[Mutant]:
    """In a random order, one of every operator before a second of any."""
    turn, key = Counter[str](), dict[Mutant, float]()
    for mutant in rng.sample(mutants, len(mutants)):
        key[mutant] = turn[mutant.operator] + rng.random()
        turn[mutant.operator] += 1
    return sorted(mutants, key=lambda mutant: key[mutant])
