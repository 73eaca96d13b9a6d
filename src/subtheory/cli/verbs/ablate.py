"""`subtheory ablate init`: the experiment `ablation` by its own verb, with its means as two tables."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from subtheory.cli import environment, sharing
from subtheory.cli.output import print_json, print_table, writable

NAME = "ablation"

SEVERAL = ("path", "network", "loss")
"""Options of several names, and columns that name a combination of them."""

REPEATED = (*SEVERAL, "channel")
"""Flags that may be repeated: the experiment takes their names separated by commas, and one channel."""

SINGLE = ("outputs", "teacher", "amounts", "seeds", "seed", "eps")

ALIKE = {
    "distance": "distance", "modulo permutations": "matched_distance", "on the channel": "channel_distance",
    "on the trait": "trait_distance", "NTK overlap": "ntk_overlap", "cross-NTK": "cross_ntk_overlap", "CKA": "cka",
}  # fmt: skip


def main(options: Namespace) -> int:
    """Run the experiment, take what it saved, or walk on a user's model; print means, misfits, findings and files."""
    if options.model:
        writable(options.out)
        environment.prepare(cache=not options.no_cache)
        from subtheory.cli import model

        return model.ablated(options)
    from subtheory.study import experiment
    from subtheory.study.options import chosen

    given = _given(options)
    own = chosen(experiment.experiments()[NAME].options(), given, NAME)
    writable(options.out)
    processes = sharing.processes(options, 1)
    environment.prepare(cache=not options.no_cache, one_core=sharing.several(options, processes))
    from subtheory.cli.progress import kept_under, progress

    kept = kept_under(Path(options.out) / NAME)
    with sharing.engine(options, processes) as engine, progress("ablate", kept) as report:
        found = experiment.run(NAME, options.out, False, report, given, engine, options.fresh)
    tables = experiment.saved_tables(experiment.place(options.out, NAME, False, own))
    if options.json:
        _print_json(options.subject, tables, found)
    else:
        _print(tables, found, options.quiet)
    return 0 if found.ok else 1


def _given(options: Namespace) -> dict[str, str]:
    """The experiment's options, as text; what is not given has the experiment's default."""
    several = {name: ",".join(getattr(options, name)) for name in REPEATED if getattr(options, name)}
    return several | {name: getattr(options, name) for name in SINGLE if getattr(options, name) is not None}


def _print_json(subject: str, tables: Any, found: Any) -> None:
    from subtheory.verification.results import finite

    print_json(
        {
            "ablated": subject,
            "ok": found.ok,
            "means": finite(tables["means"]),
            "skipped": found.skipped,
            "findings": [one.row for one in found.findings],
            "files": [str(file) for file in found.files],
        }
    )


def _print(tables: Any, found: Any, quiet: bool) -> None:
    """What each path does, two tables, what was left out, and what came out; what did not, comes first."""
    from subtheory.study.ablation import says
    from subtheory.study.finding import summary

    verdict = f"{NAME}: {summary(found.findings)}."
    if quiet:
        print(verdict)
        return
    means = tables["means"]
    for path in dict.fromkeys(mean["path"] for mean in means):
        print(f"{path}: {says(path)}")
    print()
    print_table("how alike", [_place(m, means) | {k: m[name] for k, name in ALIKE.items()} for m in means])
    print_table("what crosses, relative to the shared init", [_place(m, means) | _crossed(m) for m in means])
    for line in found.left_out:
        print(f"skipped: {line}")
    print_table("findings", [one.row for one in sorted(found.findings, key=lambda one: one.ok)])
    print("\n".join(map(str, found.files)))
    print(verdict)


def _place(mean: dict[str, Any], means: list[dict[str, Any]]) -> dict[str, Any]:
    """What tells a row from the others: those of path, network and loss that are several, and the amount."""
    several = [name for name in SEVERAL if len({each[name] for each in means}) > 1]
    return {name: mean[name] for name in (*several, "amount")}


def _crossed(m: dict[str, Any]) -> dict[str, Any]:
    return {
        "Δθ_S·Δ raw": m["relative_alignment"],
        "beyond control": _with_half(m, "relative_added_alignment"),
        "predicted": m["relative_predicted_alignment"],
        "Δθ_S·(θ_T − θ0_S)": m["approach"],
        "ΔL_T raw": m["relative_trait_change"],
        "ΔL_T beyond control": _with_half(m, "relative_added_trait_change"),
        "ΔL_T predicted": m["relative_predicted_trait_change"],
        "largest error": m["error"],
    }


def _with_half(mean: dict[str, Any], name: str) -> str:
    return f"{mean[name]:.4f} ± {mean[f'{name}_half']:.4f}"
