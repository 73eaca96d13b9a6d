"""`subtheory run EXPERIMENT`, `subtheory figures` and `subtheory paper`."""

from argparse import Namespace
from pathlib import Path

from subtheory.cli import environment, sharing
from subtheory.cli.output import print_json, print_table, writable


def main(options: Namespace) -> int:
    """Run one experiment, list its options, redraw what is stored, or make the figures of the paper."""
    if options.verb == "paper":
        return _paper(options)
    if options.verb == "run" and options.options:
        return _options(options)
    if options.verb == "run":
        return _run(options)
    return _figures(options)


def _run(options: Namespace) -> int:
    """What did not come out comes first; exit code 1 then."""
    from subtheory.files import require_readable
    from subtheory.study import experiment, finding
    from subtheory.study.options import pairs
    from subtheory.suggest import choose

    choose("experiment", options.experiment, experiment.experiments())
    given = dict(pairs(options.set, options.seeds))
    for name, most in experiment.BYTES.items():
        if name in given:
            require_readable(given[name], most, name)
    writable(options.out)
    processes = sharing.processes(options, 1)
    environment.prepare(cache=not options.no_cache, one_core=sharing.several(options, processes))
    from subtheory.cli.progress import kept_under, progress

    kept = kept_under(Path(options.out) / options.experiment)
    with sharing.engine(options, processes) as engine, progress(options.experiment, kept) as report:
        found = experiment.run(options.experiment, options.out, options.quick, report, given, engine, options.fresh)
    if options.json:
        rows = [one.row for one in found.findings]
        files = [str(path) for path in found.files]
        print_json({"files": files, "findings": rows, "skipped": found.skipped, "ok": found.ok})
    else:
        if not options.quiet:
            for line in found.left_out:
                print(f"skipped: {line}")
            print_table("findings", [one.row for one in sorted(found.findings, key=lambda one: one.ok)])
            print("\n".join(map(str, found.files)))
        if found.findings:
            print(f"{options.experiment}: {finding.summary(found.findings)}.")
    return 0 if found.ok else 1


def _options(options: Namespace) -> int:
    """What can be set, its type and its default."""
    from subtheory.study import experiment
    from subtheory.study.options import word
    from subtheory.suggest import choose

    chosen = choose("experiment", options.experiment, experiment.experiments())
    known = chosen.options(options.quick).values()
    rows = [{"option": one.name, "type": one.type, "default": one.default} for one in known]
    if options.json:
        print_json({"experiment": chosen.name, "options": rows})
    elif rows:
        print_table(f"options of {chosen.name}", [{**row, "default": word(row["default"])} for row in rows])
    else:
        print(f"{chosen.name} has no options")
    return 0


def _figures(options: Namespace) -> int:
    """Files that were drawn; then what did not come out as predicted in their tables, and exit code 1."""
    from subtheory.study import finding, saved
    from subtheory.study.options import pairs

    paths = saved.figures(
        options.out, options.experiments, options.venue, options.single_column, options.style, dict(pairs(options.set))
    )
    missed = saved.missed(options.out, options.experiments)
    if options.json:
        rows = [{"folder": str(folder), **one.row} for folder, one in missed]
        print_json({"files": [str(path) for path in paths], "missed": rows, "ok": not missed})
    else:
        print("\n".join(map(str, paths)))
        for folder, one in missed:
            print(f"NOT as predicted, {folder}: {finding.said(one)}")
    return 1 if missed else 0


def _paper(options: Namespace) -> int:
    """Which figure went where, and which there are none of yet."""
    from subtheory.pages import paper

    paper.chosen(options.figures)
    writable(options.out)
    processes = sharing.processes(options, 1)
    environment.prepare(cache=not options.no_cache, one_core=sharing.several(options, processes))
    from subtheory.cli.progress import kept_under, progress

    with sharing.engine(options, processes) as engine:
        bar = lambda title: progress(title, kept_under(Path(options.out) / title))  # noqa: E731
        made = paper.make(options.out, options.figures, options.quick, options.venue, bar, engine, options.fresh)
    folder = Path(options.out) / paper.FOLDER
    rows = [
        {
            "figure": one.entry.number,
            "file": str(one.files["pdf"]) if one.files else one.missing,
            "experiment": one.entry.experiment,
            "tables": one.tables,
        }
        for one in made
    ]
    pages = [str(folder / name) for name in ("index.html", "paper.tex")]
    if options.json:
        files = [{"files": [str(path) for path in one.files.values()], "missing": one.missing or None,
                  "missed": list(one.missed)} for one in made]  # fmt: skip
        print_json({"figures": [{**row, **more} for row, more in zip(rows, files, strict=True)], "pages": pages})
    else:
        print_table("figures", rows)
        print("\n".join(pages))
        for name, said in dict.fromkeys((one.entry.experiment, said) for one in made for said in one.missed):
            print(f"NOT as predicted, {name}: {said}")
    return 1 if any(one.missed for one in made) else 0
