"""What a student is shown of its teacher's outputs: one class each, which nothing else has to know."""

from subtheory.theory.views.context import Contextual
from subtheory.theory.views.filters import Scored, Thinned, TopK, Within
from subtheory.theory.views.hard import Greedy, Rounded
from subtheory.theory.views.matched import Matched, mass
from subtheory.theory.views.mixtures import Diluted, Least
from subtheory.theory.views.preferred import Best, Preferred
from subtheory.theory.views.recoded import Recoded
from subtheory.theory.views.replaced import Permuted, Untaught
from subtheory.theory.views.rows import Flips, InTurn, NearTies, Only, Others, Rows, margins
from subtheory.theory.views.sampled import Drawn
from subtheory.theory.views.shuffled import Shuffled
from subtheory.theory.views.view import Accepted, Added, Compared, Full, Shifted, Then, View

__all__ = [
    "Accepted",
    "Added",
    "Best",
    "Compared",
    "Contextual",
    "Diluted",
    "Drawn",
    "Flips",
    "Full",
    "Greedy",
    "InTurn",
    "Least",
    "Matched",
    "NearTies",
    "Only",
    "Others",
    "Permuted",
    "Preferred",
    "Recoded",
    "Rounded",
    "Rows",
    "Scored",
    "Shifted",
    "Shuffled",
    "Then",
    "Thinned",
    "TopK",
    "Untaught",
    "View",
    "Within",
    "margins",
    "mass",
]
