"""Scripts that complete a command line in bash, zsh and fish: verbs, flags, and the names of all that there is.

They are static: names are those of the installed package when a script is made, and completing starts no Python.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

PROGRAM = "subtheory"

PLACES = ("FILE", "DIR", "FOLDER", "PATH", "npz")
"""What the placeholder of a file or a folder contains."""

Names = Mapping[tuple[str, str], Sequence[str]]
"""Of a verb and what it takes, by the name that the parser has for it; of any verb where that is empty."""


@dataclass(frozen=True)
class Taken:
    """A flag of a verb, or what stands without one: its words, or files, or nothing that can be known."""

    flags: tuple[str, ...]
    words: tuple[str, ...] = ()
    files: bool = False
    alone: bool = False
    """It takes no value."""
    text: str = ""


def names() -> Names:
    """Everything that has a name. Loads JAX."""
    from subtheory.certificate.cases import CASES
    from subtheory.claims import CLAIMS, OVER_READINGS
    from subtheory.data import CHANNELS
    from subtheory.init import PATHS
    from subtheory.networks import NETWORKS
    from subtheory.pages.paper import FIGURES
    from subtheory.proof.statement import chosen
    from subtheory.setting.teachers import TEACHERS
    from subtheory.study.experiment import experiments
    from subtheory.theory.losses import LOSSES

    assumptions = dict.fromkeys(each.name for claim in CLAIMS.values() for each in claim.assumptions)
    proofs = [proof.name for proof in chosen([])]
    found: dict[tuple[str, str], Sequence[str]] = {
        ("", "claims"): [*CLAIMS],
        ("", "claim"): [*CLAIMS],
        ("falsify", "claim"): [*CLAIMS, *OVER_READINGS],
        ("", "network"): [*NETWORKS],
        ("certify", "network"): [*CASES],
        ("", "loss"): [*LOSSES],
        ("", "channel"): [*CHANNELS],
        ("", "without"): [*assumptions],
        ("", "path"): [*PATHS],
        ("", "teacher"): [*TEACHERS],
        ("", "experiment"): [*experiments()],
        ("", "experiments"): [*experiments()],
        ("", "proofs"): [*proofs, *CLAIMS],
        ("", "figures"): [*dict.fromkeys(each for entry in FIGURES for each in (entry.number, entry.experiment))],
    }
    return found


def script(shell: str, parser: argparse.ArgumentParser, known: Names) -> str:
    """What that shell has to read."""
    writers: dict[str, Callable[[dict[str, str], dict[str, list[Taken]]], str]]
    writers = {"bash": _bash, "zsh": _zsh, "fish": _fish}
    (verbs,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    told = {action.dest: action.help or "" for action in verbs._choices_actions}
    return writers[shell](told, {verb: [*_taken(verb, own, known)] for verb, own in verbs.choices.items()})


def _taken(verb: str, parser: argparse.ArgumentParser, known: Names) -> Iterator[Taken]:
    for action in parser._actions:
        words = action.choices or known.get((verb, action.dest)) or known.get(("", action.dest)) or ()
        metavar = " ".join(action.metavar) if isinstance(action.metavar, tuple) else str(action.metavar or "")
        files = not words and any(place in metavar for place in PLACES)
        alone = action.nargs == 0
        yield Taken(tuple(action.option_strings), tuple(map(str, words)), files, alone, action.help or "")


# bash and zsh: a case of what stands before the word, and of the verb ---------------------------------


def _cases(taken: dict[str, list[Taken]], choose: Callable[[Taken], str]) -> Iterator[str]:
    """Lines `"VERB FLAG"|...) what ;;`, one for every flag with a value."""
    for verb, own in taken.items():
        for each in own:
            if each.flags and not each.alone:
                pattern = "|".join(f'"{verb} {flag}"' for flag in each.flags)
                yield f"{pattern}) {choose(each)} ;;"


def _flags(own: list[Taken]) -> str:
    return " ".join(flag for each in own for flag in each.flags)


def _bare(own: list[Taken]) -> Taken:
    """What a verb takes without a flag: of several, all words."""
    bare = [each for each in own if not each.flags]
    return Taken((), tuple(word for each in bare for word in each.words), any(each.files for each in bare))


_BASH = """\
# {program} completion bash > ~/.local/share/bash-completion/completions/{program}
_{program}() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} words=""
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        words="{verbs} --help --version"
    else
        case "${{COMP_WORDS[1]}} ${{COMP_WORDS[COMP_CWORD-1]}}" in
            {values}
            *)
                case ${{COMP_WORDS[1]}} in
                    {bare}
                esac ;;
        esac
    fi
    if [[ $words == *FILES ]]; then compopt -o default 2>/dev/null; fi
    COMPREPLY=($(compgen -W "${{words%FILES}}" -- "$word"))
}}
complete -F _{program} {program}
"""

_ZSH = """\
#compdef {program}
# {program} completion zsh > FOLDER/_{program}, a folder of $fpath
_{program}() {{
    local found
    if ((CURRENT == 2)); then
        found="{verbs} --help --version"
    else
        case "$words[2] $words[CURRENT-1]" in
            {values}
            *)
                case $words[2] in
                    {bare}
                esac ;;
        esac
    fi
    compadd -- ${{=found%FILES}}
    if [[ $found == *FILES ]]; then _files; fi
}}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _{program} "$@"
else
    compdef _{program} {program}
fi
"""


def _filled(text: str, variable: str, word: str, taken: dict[str, list[Taken]]) -> str:
    def words(each: Taken) -> str:
        return f'{variable}="{" ".join([*each.words, *["FILES"] * each.files])}"'

    bare = [
        f'{verb}) if [[ ${word} == -* ]]; then {variable}="{_flags(own)}"; else {words(_bare(own))}; fi ;;'
        for verb, own in taken.items()
    ]
    return text.format(
        program=PROGRAM, verbs=" ".join(taken), values=f"\n{' ' * 12}".join(_cases(taken, words)),
        bare=f"\n{' ' * 20}".join(bare),
    )  # fmt: skip


def _bash(told: dict[str, str], taken: dict[str, list[Taken]]) -> str:
    return _filled(_BASH, "words", "word", taken)


def _zsh(told: dict[str, str], taken: dict[str, list[Taken]]) -> str:
    return _filled(_ZSH, "found", "PREFIX", taken)


# fish: a line for everything -----------------------------------------------------------------------


def _fish(told: dict[str, str], taken: dict[str, list[Taken]]) -> str:
    lines = [f"# {PROGRAM} completion fish > ~/.config/fish/completions/{PROGRAM}.fish", f"complete -c {PROGRAM} -f"]
    lines += [f"complete -c {PROGRAM} -n __fish_use_subcommand -a {v} -d {_quoted(told[v])}" for v in taken]
    for verb, own in taken.items():
        for each in own:
            kind = "-F" if each.files else "-f"
            marks = [f"-s {flag[1:]}" if len(flag) == 2 else f"-l {flag[2:]}" for flag in each.flags]
            words = f" -a {_quoted(' '.join(each.words))}" if each.words else ""
            value = "" if each.alone or not each.flags else " -r"
            text = f" -d {_quoted(each.text)}" if each.flags and each.text else ""
            seen = f"-n '__fish_seen_subcommand_from {verb}'"
            lines.append(" ".join([f"complete -c {PROGRAM}", seen, kind, *marks]) + value + words + text)
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def main(options: argparse.Namespace) -> int:
    """Print the script of a shell."""
    from subtheory.cli.output import print_json
    from subtheory.cli.parser import build

    text = script(options.shell, build(), names())
    if options.json:
        print_json({"shell": options.shell, "script": text})
    else:
        print(text, end="")
    return 0
