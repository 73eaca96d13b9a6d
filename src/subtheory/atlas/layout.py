"""Where the nodes of a layered drawing stand: deterministic, near what they are joined to, and never on each other."""

from collections.abc import Iterable, Mapping, Sequence

SWEEPS = 6
"""Through all layers, there and back."""

Uses = Mapping[str, Iterable[str]]


def depths(uses: Uses) -> dict[str, int]:
    """Length of the longest path along edges from each node. Raises ValueError, naming a node, for a circle."""
    found: dict[str, int] = {}
    todo = {name: set(needs) & set(uses) for name, needs in uses.items()}
    while todo:
        ready = [name for name, needs in todo.items() if needs <= found.keys()]
        if not ready:
            raise ValueError(f"a circle through {min(todo)}")
        found |= {name: 1 + max((found[need] for need in todo[name]), default=-1) for name in ready}
        for name in ready:
            del todo[name]
    return found


def spread(wanted: Sequence[float]) -> list[float]:
    """The places nearest to those wanted (least squares), in the same order and at least 1 apart.

    By pooling neighbours: a block that is too dense stands at the mean of what its members want.
    """
    blocks: list[tuple[float, int]] = []  # mean of wanted − index, and how many
    for i, place in enumerate(wanted):
        mean, count = place - i, 1
        while blocks and blocks[-1][0] >= mean:
            other, size = blocks.pop()
            mean, count = (mean * count + other * size) / (count + size), count + size
        blocks.append((mean, count))
    level = [mean for mean, count in blocks for _ in range(count)]
    return [mean + i for i, mean in enumerate(level)]


def placed(names: Sequence[str], joined: Uses, y: Mapping[str, float]) -> dict[str, float]:
    """Places of some names near those in `y` that they are joined to; the others keep their order, last."""
    pulled = {name: [y[other] for other in joined.get(name, ()) if other in y] for name in names}
    near = {name: sum(at) / len(at) for name, at in pulled.items() if at}
    order = sorted(near, key=lambda name: (near[name], names.index(name)))
    free = [name for name in names if name not in near]
    at = spread([near[name] for name in order])
    start = at[-1] + 1 if at else 0.0
    return dict(zip(order, at, strict=True)) | {name: start + i for i, name in enumerate(free)}


def both_ways(uses: Uses) -> dict[str, list[str]]:
    """For each node all that it is joined to."""
    found: dict[str, list[str]] = {name: [] for name in uses}
    for name, needs in uses.items():
        for need in needs:
            found[name].append(need)
            found.setdefault(need, []).append(name)
    return found


def columns(
    layers: Sequence[Sequence[str]], uses: Uses, fixed: int, y: Mapping[str, float]
) -> dict[str, tuple[int, float]]:
    """Column and height of each name; those of the `fixed` column stand at `y`, the others follow outwards from it."""
    joined, y = both_ways(uses), dict(y)
    for i in [*range(fixed + 1, len(layers)), *reversed(range(fixed))]:
        y |= placed(layers[i], joined, y)
    return from_zero({name: (i, y[name]) for i, layer in enumerate(layers) for name in layer})


def layered(uses: Uses) -> dict[str, tuple[int, float]]:
    """Layer and height of each node: 0 uses nothing, and every edge leads to a lower layer."""
    depth, joined = depths(uses), both_ways(uses)
    layers = [[name for name in uses if depth[name] == level] for level in range(1 + max(depth.values(), default=-1))]
    y = {name: float(i) for layer in layers for i, name in enumerate(layer)}
    for sweep in range(SWEEPS):
        for layer in layers if sweep % 2 else layers[::-1]:
            y |= placed(layer, joined, {name: at for name, at in y.items() if name not in layer})
    return from_zero({name: (depth[name], y[name]) for name in uses})


def from_zero(places: dict[str, tuple[int, float]]) -> dict[str, tuple[int, float]]:
    """The same places, moved so that the highest is at 0."""
    top = min((y for _, y in places.values()), default=0.0)
    return {name: (layer, y - top) for name, (layer, y) in places.items()}
