"""Whom to credit: the tool, the paper of the theorem, and the papers that a claim's source, or its numbers, name.

Most papers were read as abstracts only: nothing here rests on their details. Names and titles are those of public lists
of arXiv; of two papers the fourth author is in none of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from subtheory import citations

if TYPE_CHECKING:
    from subtheory.claim import Claim

Entry = Mapping[str, str]
"""The fields of a BibTeX entry, and its `type`."""

ALWAYS: dict[str, Entry] = {
    "subtheory": {
        "type": "software",
        "title": "subtheory: the theory of subliminal learning, stated as claims and verified",
        "author": "{The subtheory developers}",
        "year": "2026",
    },
    "cloud2025subliminal": {
        "type": "misc",
        "title": "Subliminal Learning: Language Models Transmit Behavioral Traits via Hidden Signals in Data",
        "author": "Cloud, Alex and Le, Minh and Chua, James and Betley, Jan and Sztyber-Betley, Anna and "
        "Hilton, Jacob and Marks, Samuel and Evans, Owain",
        "year": "2025",
        "eprint": "2507.14805",
        "archiveprefix": "arXiv",
    },
    "cloud2026nature": {
        "type": "article",
        "title": "Language models transmit behavioural traits through hidden signals in data",
        "author": "Cloud, Alex and Le, Minh and others",
        "journal": "Nature",
        "volume": "652",
        "number": "8110",
        "pages": "615--621",
        "year": "2026",
    },
}
"""The tool, and the papers whose theorem the claims restate."""

THEOREM = "2507.14805"

PAPERS: dict[str, dict[str, str]] = {
    "2604.25779": {
        "author": "Kitkana, Chayanon and Arora, Shivam",
        "title": "Sustained Gradient Alignment Mediates Subliminal Learning in a Multi-Step Setting: "
        "Evidence from MNIST Auxiliary Logit Distillation Experiment",
    },
    "2605.23645": {
        "author": "Brockers, Vincent C. and Ventzke, Roman D. and Neuhaus, Valentin and Hidalgo-Ogalde, Bel{\\'e}n and "
        "Priesemann, Viola",
        "title": "Learning Through Noise: Why Subliminal Learning Works and When It Fails",
    },
    "2606.22019": {
        "author": "Madl, Tamas",
        "title": "Channel Location Constrains the Auditability of Subliminal Learning",
    },
    "2509.23886": {
        "author": "Schrodi, Simon and Kempf, Elias and Barez, Fazl and Brox, Thomas",
        "title": "Towards Understanding Subliminal Learning: When and How Hidden Biases Transfer",
    },
    "2606.00995": {
        "author": "Blank, Camila and Bhatia, Agam and Rajamanoharan, Senthooran and Conmy, Arthur and Nanda, Neel",
        "title": "Subliminal Learning Is Steering Vector Distillation",
    },
    "2608.20442": {
        "author": "Xu, Qinyang",
        "title": "Stored in Optimizer State, Valued by Later Training: A Causal Account of Subliminal Trait Transfer",
    },
    "2609.23260": {
        "author": "Li, Zhe and Ying, Bicheng and Dong, Chaosheng and others",
        "title": "Why Ghost Outputs Teach: A Kernel-Based Understanding of Subliminal Learning",
    },
    "2609.25721": {
        "author": "Vo, Ryan and Nguyen, Duc-Vu and Kretchmar, Matt and Nguyen, Ngan Luu-Thuy",
        "title": "Slow Decay and Silenced Expression: Iterated Subliminal Trait Transfer in Language-Model Lineages",
    },
    "2607.21356": {
        "author": "Nadaf, Mohammed Suhail B",
        "title": "Emergent Misalignment Recruits a Pre-existing Persona Subspace",
    },
    "2607.23394": {
        "author": "Narang, Adhyyan and Tajdini, Artin and Zhang, Claire and Morgenstern, Jamie",
        "title": "Inference-Time Consensus for Mitigating Hidden Behaviors from LLM Fine-Tuning",
    },
    "2610.05378": {
        "author": "Fenoglio, Dario and Dominici, Gabriele and Gjoreski, Martin and others",
        "title": "Distributed Subliminal Learning: Replacing Model Updates with Random-Carrier Outputs",
    },
}
"""Author and title of a paper, by its number on arXiv; `others` where a name was not found."""

MEANT: dict[str, tuple[str, ...]] = {
    "2604.25779": ("P22", "P30"),
    "2605.23645": ("g10",),
    "2606.22019": ("P27",),
    "2509.23886": ("P13", "P29", "P35"),
    "2606.00995": ("P32",),
    "2608.20442": ("P33",),
    "2609.23260": ("P46",),
    "2609.25721": ("P47",),
    "2607.21356": ("P53",),
    "2607.23394": ("P57",),
    "2610.05378": ("P54",),
}
"""Which predictions and gaps meet a paper, as section 10 of docs/theory.md says."""


def arxiv(text: str) -> tuple[str, ...]:
    """The numbers on arXiv that a text names, each once, in their order."""
    return tuple(dict.fromkeys(re.findall(r"arXiv (\d{4}\.\d{5})", text)))


def papers(source: str) -> tuple[str, ...]:
    """The papers beside that of the theorem that a claim's source names, itself or by a prediction or a gap."""
    numbers = citations.cited(source)
    met = [paper for paper, at in MEANT.items() if set(at) & set(numbers)]
    return tuple(dict.fromkeys(one for one in [*arxiv(source), *met] if one != THEOREM))


def references(claims: Iterable[Claim] = ()) -> dict[str, Entry]:
    """BibTeX entries by key: the tool, the theorem's paper, and what these claims cite; sorted by arXiv number."""
    cited = {paper for claim in claims for paper in papers(claim.source)}
    return ALWAYS | {key(paper): entry(paper) for paper in sorted(cited)}


def key(paper: str) -> str:
    """Name of an entry: the first author's, the year, and the number on arXiv."""
    first = re.match(r"[A-Za-z]+", PAPERS[paper]["author"])
    assert first
    return f"{first[0].lower()}20{paper[:2]}:{paper}"


def entry(paper: str) -> Entry:
    """The entry of a paper on arXiv."""
    return {
        "type": "misc", "title": PAPERS[paper]["title"], "author": PAPERS[paper]["author"],
        "year": f"20{paper[:2]}", "eprint": paper, "archiveprefix": "arXiv", "howpublished": f"arXiv:{paper}",
    }  # fmt: skip


def bibtex(entries: Mapping[str, Entry]) -> str:
    """The text of a file of them."""
    return "\n\n".join(_one(name, fields) for name, fields in entries.items()) + "\n"


def _one(name: str, fields: Entry) -> str:
    told = [f"  {field} = {{{value}}}," for field, value in fields.items() if field != "type"]
    return "\n".join([f"@{fields['type']}{{{name},", *told, "}"])
