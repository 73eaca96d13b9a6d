"""`subtheory run EXPERIMENT` and `subtheory figures`."""

from argparse import Namespace

from subtheory.cli import environment
from subtheory.cli.output import print_json, writable


def main(options: Namespace) -> int:
    """Run one experiment, or redraw what is stored."""
    from subtheory import experiment

    if options.verb == "figures":
        paths = experiment.figures(options.out)
    else:
        from subtheory.suggest import choose

        choose("experiment", options.experiment, experiment.experiments())
        writable(options.out)
        environment.prepare(cache=not options.no_cache)
        from subtheory.cli.progress import progress

        with progress(options.experiment) as report:
            paths = experiment.run(options.experiment, options.out, options.quick, report)
    if options.json:
        print_json({"files": [str(path) for path in paths]})
    else:
        print("\n".join(map(str, paths)))
    return 0
