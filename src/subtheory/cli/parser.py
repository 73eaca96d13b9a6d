"""The verbs and their flags; imports nothing heavy, so that --help answers at once."""

import argparse
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from subtheory import __version__
from subtheory.errors import InputError

VENUES = ("neurips", "icml", "iclr", "jmlr", "tmlr", "nature", "slides")
"""Those of `subtheory.figure`, which takes too long to import for --help."""

SHELLS = ("bash", "zsh", "fish")
"""Those that `subtheory.cli.completion` writes for."""


class Parser(argparse.ArgumentParser):
    """An argparse parser whose errors are one line, with what was probably meant."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        options, unknown = self.parse_known_args(args, namespace)
        if unknown:
            flags = [flag for action in _actions(self, options) for flag in action.option_strings]
            close = get_close_matches(unknown[0].split("=")[0], flags, n=1)
            hint = f", did you mean {close[0]}?" if close else ""
            raise UsageError(f"unknown argument {unknown[0]}{hint}")
        for action in _actions(self, options):
            value = getattr(options, action.dest, None)
            given = value if isinstance(value, list) and value else [value]
            # Of --flag=-- argparse makes an empty list, and an empty text is none: a variable that is not set.
            if action.nargs is None and value != action.default and ([] in given or "" in given):
                raise UsageError(f"argument {'/'.join(action.option_strings)}: must be given a value")
        return options


class UsageError(InputError):
    """What argparse has to say about the command line."""

    def __init__(self, message: str) -> None:
        Exception.__init__(self, message)


def _actions(parser: argparse.ArgumentParser, options: Any) -> list[argparse.Action]:
    found = list(parser._actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found += action.choices[options.verb]._actions
    return found


def build() -> Parser:
    """The whole command line."""
    parser = Parser(prog="subtheory", description="Check the theory of subliminal learning.")
    parser.add_argument("--version", action="version", version=f"subtheory {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB", parser_class=Parser)

    verify = _verb(verbs, "verify", "verify", "run every claim, and break every assumption")
    verify.add_argument("claims", nargs="*", metavar="CLAIM", help="claims to check (default: all)")
    size = verify.add_mutually_exclusive_group()
    size.add_argument(
        "--quick",
        action="store_true",
        help="four networks, each teacher, channel and kind of path once with each, two seeds",
    )
    size.add_argument("--full", action="store_true", help="every path with every network and loss, 32 seeds")
    models = {"network": "; or a pretrained model: smollm2, FILE.gguf, FOLDER"}
    for name in ("network", "loss", "channel"):
        text = f"only this {name} (repeat or use commas){models.get(name, '')}"
        verify.add_argument(f"--{name}", action="append", metavar="NAME", help=text)
    _model(verify)
    verify.add_argument("--trait", action="append", metavar="NAME", help="of a pretrained model: only this trait")
    verify.add_argument("--tokens", metavar="N", help="of a pretrained model: where texts are cut (default 16)")
    verify.add_argument(
        "--layers",
        action="append",
        metavar="I,J",
        help="of a pretrained model: all that the teacher moves and the student trains (default: all parameters)",
    )
    verify.add_argument(
        "--eps", metavar="E", help="largest relative change of the outputs (default 0.01; 0.3 of a pretrained model)"
    )
    verify.add_argument("--seeds", metavar="N", help="runs per setting (default 8)")
    verify.add_argument("--seed", metavar="N", help="the first of them (default 0)")
    verify.add_argument("--without", metavar="ASSUMPTION", help="break this assumption: its claims should fail")
    verify.add_argument("--strict", action="store_true", help="exit 3 if a claim is vacuous or undecided")
    verify.add_argument("--device", choices=("cpu", "gpu", "tpu"), help="where to compute (default: what JAX finds)")
    verify.add_argument(
        "--devices", metavar="N", help="devices that share the seeds, or all (default: all of a GPU or TPU, one CPU)"
    )
    verify.add_argument("--multihost", action="store_true", help="with the other hosts of the cluster (experimental)")
    _shared(verify, "the cores there are")
    _compiles(verify)
    verify.add_argument("--out", metavar="DIR", help="write report.html, figures and tables here")
    _loud(verify, "every control, and the worst run of every claim")

    certify = _verb(verbs, "certify", "certify", "prove a sign for every ε up to a size, in ball arithmetic")
    for name in ("network", "loss"):
        certify.add_argument(
            f"--{name}", action="append", metavar="NAME", help=f"only this {name} (repeat or use commas)"
        )
    certify.add_argument("--upto", metavar="E", help="where to end, exit code 1 if it is not reached (see docs/cli.md)")
    certify.add_argument("--alpha", metavar="A", default="1", help="the student's step (default 1)")
    certify.add_argument("--seed", metavar="N", default="1", help="of the numbers of the network (default 1)")
    certify.add_argument("--out", metavar="FILE", help="write the certificate here")
    certify.add_argument("--check", metavar="FILE", help="check a certificate instead of making one")
    _compiles(certify)

    falsify = _verb(verbs, "falsify", "falsify", "search for a counterexample to a claim")
    falsify.add_argument("claim", nargs="?", metavar="CLAIM", help="may be left out with a file that has only one")
    falsify.add_argument("--budget", metavar="TIME", default="60s", help="90, 60s or 2m, compiling included (60s)")
    falsify.add_argument("--without", metavar="ASSUMPTION", help="break this assumption: the claim should fail")
    falsify.add_argument("--claims", dest="file", metavar="FILE.py", help="a Python file with claims of your own")
    falsify.add_argument("--seed", metavar="N", default="0", help="of the search (default 0)")
    falsify.add_argument("--out", metavar="FILE", help="where to write it (default counterexample-CLAIM.json)")
    falsify.add_argument("--replay", metavar="FILE", help="run a counterexample again instead of searching")
    _shared(falsify, "1")
    _compiles(falsify)

    prove = _verb(verbs, "prove", "prove", "run the proofs: sympy's, and Coq's where it is installed")
    prove.add_argument(
        "proofs", nargs="*", metavar="PROOF", help="of this name, or of this claim (default: all, and Coq)"
    )
    prove.add_argument("--only", choices=("sympy", "coq"), help="sympy's or Coq's alone")
    prove.add_argument("--mutate", action="store_true", help="change signs, numbers and assumptions: steps must notice")
    _loud(prove, "every proof and every Coq theorem")

    audit = _verb(verbs, "audit", "audit", "plant errors, look for false alarms: can the verdicts be trusted?")
    audit.add_argument("--quick", action="store_true", help="fewer seeds and draws of everything")
    _compiles(audit)
    audit.add_argument("--out", metavar="DIR", help="write audit.json and audit.csv here")
    _loud(audit)

    ablate = _verb(verbs, "ablate", "ablate", "change what a theorem assumes bit by bit: how alike must the inits be?")
    ablate.add_argument("subject", choices=("init",), metavar="init", help="what is ablated: the likeness of the inits")
    ablate.add_argument(
        "--path", action="append", metavar="NAME", help="a path away from the teacher's init, or all (default noise)"
    )
    ablate.add_argument("--network", action="append", metavar="NAME", help="on this network (default mlp)")
    _model(ablate)
    ablate.add_argument("--seeds", metavar="N", help="runs at every amount (default 20)")
    ablate.add_argument("--seed", metavar="N", help="the first of them (default 0)")
    ablate.add_argument("--amounts", metavar="A,A,...", help="how far along the path (default: the path's own)")
    ablate.add_argument("--loss", action="append", metavar="NAME", help="the student's loss (default squared-error)")
    ablate.add_argument(
        "--channel", action="append", metavar="NAME", help="inputs of the student (default: the task's)"
    )
    ablate.add_argument("--outputs", choices=("aux", "all", "class"), help="what it sees (default aux)")
    ablate.add_argument("--teacher", metavar="NAME", help="how the teacher moves (default gradient-descent)")
    ablate.add_argument("--eps", metavar="E", help="relative change that it makes (default 1e-3)")
    ablate.add_argument("--out", metavar="DIR", default="results", help="folder for tables and figures")
    _loud(ablate)
    _shared(ablate, "1", out=True)
    _compiles(ablate)

    forecast = _verb(verbs, "forecast", "forecast", "say what each row of data would do to a student, before training")
    _model(forecast)
    for name, file, text in (
        ("base", "FOLDER|FILE|NAME", "in place of --model: the language model from which the student starts"),
        ("teacher", "PARAMS.npz", "parameters of whoever made the rows; with --base a checkpoint, too"),
        ("data", "ROWS.npz", "the rows: x and y, or tokens, and a mask of what counts; with --base JSON lines"),
        ("control", "ROWS.npz", "rows of the untrained teacher, which are subtracted; with --base JSON lines"),
        (
            "student",
            "PARAMS.npz",
            "parameters of a student that was trained on the rows; with --base a checkpoint, too",
        ),
        (
            "trait",
            "FILE.py:NAME",
            "the readout: a function of the parameters, or (inputs, labels) (default: the model's); with --base a "
            "name, or a file of TOML or JSON",
        ),
    ):
        forecast.add_argument(f"--{name}", metavar=file, help=text)
    forecast.add_argument("--rate", metavar="A", help="the student's step (default 1)")
    forecast.add_argument("--planned", metavar="FILE.toml|NAME=VALUE", action="append",
                          help="base: what is known of the training, such as optimizer=adam (repeat)")  # fmt: skip
    forecast.add_argument("--threshold", metavar="X|sign=X", help="base: exit with 1 if the trait loss would change by "
                          "more than X, or D > 0 is likelier than X")  # fmt: skip
    forecast.add_argument("--lineage", nargs=3, metavar=("FILE", "DATA", "STUDENT"),
                          help="base: a record, and the names of the data and the student in it")  # fmt: skip
    for name, metavar, text in (
        ("draws", "R", "base: directions of the null (default 4)"),
        ("norms", "N", "base: rows of whose gradients the norm is taken (default 32)"),
        ("tokens", "N", "base: rows are cut at so many tokens (default 512)"),
    ):
        forecast.add_argument(f"--{name}", metavar=metavar, help=text)
    forecast.add_argument("--out", metavar="DIR", help="write the page, the figure and tables here")
    _compiles(forecast)

    lineage = _verb(verbs, "lineage", "lineage", "record models and data sets, and ask who shares an init with whom")
    lineage.add_argument("file", metavar="FILE", help="the record, JSON lines; the first add makes it")
    lineage.add_argument("action", choices=("add-model", "add-data", "check", "ask"), metavar="ACTION",
                         help="add-model NAME, add-data NAME, check, or ask DATA STUDENT")  # fmt: skip
    lineage.add_argument("names", nargs="*", metavar="NAME", help="of what is added, or of the data and the student")
    content = lineage.add_mutually_exclusive_group()
    content.add_argument("--hash", metavar="SHA256", help="of the weights or the rows")
    content.add_argument("--file", dest="content", metavar="PATH", help="the file with them, whose SHA-256 is taken")
    for name, metavar, text in (
        ("initialised-from", "MODEL", "where the training of a model started"),
        ("generated-by", "MODEL", "whose outputs the data shows"),
        ("view", "NAME", "through which view (default full)"),
    ):
        lineage.add_argument(f"--{name}", metavar=metavar, help=text)
    lineage.add_argument("--channel", dest="inputs", metavar="NAME", help="on which inputs")
    lineage.add_argument("--trained-on", action="append", metavar="DATA", help="what a model was trained on (repeat)")
    lineage.add_argument("--head", metavar="SHA256", help="check: of a line that was the last one before")
    lineage.add_argument("--mend", action="store_true", help="check: put a line aside whose writer was stopped")

    sweep = _verb(verbs, "sweep", "sweep", "run a plan of many cells, on one machine or many, and go on after a kill")
    sweep.add_argument("action", choices=("plan", "run", "status", "collect", "check"), metavar="ACTION",
                       help="plan FILE.toml, run FILE.toml, status DIR, collect DIR, or check DIR")  # fmt: skip
    sweep.add_argument("place", metavar="FILE.toml|DIR", help="the plan, or the folder of a sweep")
    sweep.add_argument("--out", metavar="DIR", help="run: where cells are kept (default sweeps/FILE)")
    sweep.add_argument("--limit", metavar="N", help="run: compute at most N cells")
    sweep.add_argument("--measure", action="store_true", help="plan: compute one cell, and say how long all take")
    sweep.add_argument("--csv", metavar="FILE", help="collect: where the table goes (default DIR/table.csv)")
    _shared(sweep, "1", out=True, fresh=False)
    _compiles(sweep)

    _verb(verbs, "claims", "theory", "list the claims")
    drawn = _verb(verbs, "map", "theory", "every claim with what stands behind it, and what rests on what")
    drawn.add_argument("--out", metavar="DIR", help="write map.html, map.svg and map.csv here")
    explain = _verb(verbs, "explain", "theory", "a claim, its assumptions, and how it could fail")
    explain.add_argument("claim", metavar="CLAIM")
    doctor = _verb(verbs, "doctor", "about", "what is wrong with the environment, and what to do")
    _compiles(doctor)
    cite = _verb(verbs, "cite", "about", "how to cite the tool and the theory")
    cite.add_argument("claims", nargs="*", metavar="CLAIM", help="with the papers that these claims rest on")
    cite.add_argument("--bibtex", action="store_true", help="as BibTeX (the default)")

    completion = _verb(verbs, "completion", "about", "print the script that completes this command line in a shell")
    completion.add_argument("shell", choices=SHELLS, metavar="SHELL", help="bash, zsh or fish")

    run = _verb(verbs, "run", "experiments", "run an experiment and draw it")
    run.add_argument("experiment", metavar="EXPERIMENT")
    run.add_argument("--quick", action="store_true", help="the small version")
    run.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="set an option (repeat)")
    run.add_argument("--seeds", metavar="N", help="the same as --set seeds=N")
    run.add_argument("--options", action="store_true", help="list the experiment's options instead of running it")
    run.add_argument("--out", metavar="DIR", default="results", help="folder for tables and figures (default results)")
    _loud(run)
    _shared(run, "1", out=True)
    _compiles(run)
    figures = _verb(verbs, "figures", "experiments", "redraw figures from stored tables")
    figures.add_argument(
        "experiments", nargs="*", metavar="FIGURE", help="of these experiments, or NAME-TABLE (default: all)"
    )
    figures.add_argument(
        "--out", metavar="DIR", default="results", help="folder that holds the tables (default results)"
    )
    _venue(figures)
    figures.add_argument("--single-column", action="store_true", help="as wide as one column of the venue's several")
    figures.add_argument("--style", metavar="FILE", help="in the style of a .mplstyle file")
    figures.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change one figure (repeat): "
                         "title, xlabel, ylabel, xlim, ylim, labels, colours, panel or height")  # fmt: skip
    paper = _verb(verbs, "paper", "experiments", "make the figures of the paper and of the theory")
    paper.add_argument(
        "figures", nargs="*", metavar="FIGURE", help="these numbers (3, iii) or experiments (default: all)"
    )
    paper.add_argument("--quick", action="store_true", help="from the small versions")
    paper.add_argument("--out", metavar="DIR", default="results", help="writes to DIR/paper (default results)")
    _shared(paper, "1", out=True)
    _venue(paper)
    _compiles(paper)
    return parser


def _verb(verbs: Any, name: str, module: str, text: str) -> Parser:
    """A verb, served by the `main` of a module of `verbs`; every verb speaks JSON."""
    parser: Parser = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(module=module)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _loud(parser: Parser, folded: str = "") -> None:
    """How much is printed of what was found: all, if anything is folded otherwise, or the verdict."""
    loud = parser.add_mutually_exclusive_group()
    if folded:
        loud.add_argument("-v", "--verbose", action="store_true", help=f"print {folded}")
    loud.add_argument("-q", "--quiet", action="store_true", help="print the verdict alone")


def _venue(parser: Parser) -> None:
    parser.add_argument("--venue", choices=VENUES, help="in the width and the fonts of this venue")


def _model(parser: Parser) -> None:
    parser.add_argument("--model", metavar="FILE.py:NAME", help="your own network instead, as docs/own-network.md says")


def _shared(parser: Parser, default: str, out: bool = False, fresh: bool = True) -> None:
    """Who computes the parts of a run, and where they are kept unless that is in `--out`."""
    parser.add_argument("-j", "--processes", metavar="N", help=f"processes on a CPU (default: {default})")
    parser.add_argument("--dask", metavar="ADDRESS", help="let the workers of this Dask scheduler compute")
    parser.add_argument("--shard", metavar="I/N", help="compute one of N shares of the parts alone")
    if not out:
        parser.add_argument("--ledger", metavar="DIR", help="where parts are kept (default: the user's cache)")
    if fresh:
        parser.add_argument("--fresh", action="store_true", help="compute anew what is kept of this very run")


def _compiles(parser: Parser) -> None:
    parser.add_argument("--no-cache", action="store_true", help="compile afresh: no cache between runs")
