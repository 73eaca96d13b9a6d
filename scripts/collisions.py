"""Draw every figure of saved results for every venue and column, and list the texts that cannot be read.

python scripts/collisions.py RESULTS [FIGURE ...] [--venues icml,nature] [--shots FOLDER]
"""

import argparse
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

from matplotlib.figure import Figure

from subtheory import figure
from subtheory.errors import InputError
from subtheory.figure.layout import room
from subtheory.study import experiment

PLACES: list[tuple[str | None, bool]] = [
    (None, False), *((name, False) for name in figure.VENUES),
    *((name, True) for name, one in figure.VENUES.items() if one.column),
]  # fmt: skip
"""No venue, every venue, and one column of those that have several."""


def fitted(out: Path, names: list[str], venues: list[str]) -> Iterator[tuple[str, str, Figure, str]]:
    """The place, the name of a figure, the figure as it is saved there, and its caption."""
    known = experiment.experiments()
    for name, folder in experiment.stored(out):
        if names and not any(one.partition("-")[0] == name for one in names):
            continue
        tables = experiment.saved_tables(folder)
        for venue, single in PLACES:
            if venues and (venue or "none") not in venues:
                continue
            place = f"{venue or 'none'}{'-column' * single}"
            with figure.drawn_for(venue, single):
                for title, (table, drawn) in known[name].figures(tables).items():
                    if names and title not in names and name not in names:
                        continue
                    caption = known[name].caption(table, tables)
                    try:
                        yield place, title, figure.fitted(drawn, caption), caption
                    except InputError as error:
                        print(f"{title} at {place}: {error}")


def wrong(place: str, drawn: Figure, caption: str) -> list[str]:
    """What cannot be read, or does not go on a page."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = figure.collisions(drawn)
    found += [str(one.message) for one in said]
    venue = figure.VENUES.get(place.partition("-")[0])
    if venue:
        height = drawn.get_figheight() + (room(caption, drawn.get_figwidth()) if venue.captions else 0.0)
        found += [f"{height:.2f} in with its caption, of {venue.height:.2f}"] * bool(height > venue.height + 0.01)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--venues", type=lambda text: text.split(","), default=[])
    parser.add_argument("--shots", type=Path)
    given = parser.parse_args()
    drawn, bad = 0, 0
    for place, title, one, caption in fitted(given.results, given.names, given.venues):
        found = wrong(place, one, caption)
        drawn, bad = drawn + 1, bad + bool(found)
        for line in found[:8]:
            print(f"{title} at {place}: {line}")
        if given.shots:
            given.shots.mkdir(parents=True, exist_ok=True)
            (given.shots / f"{title}-{place}.png").write_bytes(figure.drawn(one, "png"))
    print(f"{bad} of {drawn} have texts that cannot be read")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
