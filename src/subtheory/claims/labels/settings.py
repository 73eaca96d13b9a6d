"""What claims about labels share: which networks they speak of, and what must break them."""

from subtheory.claim import Assumption, Control
from subtheory.claims.assumptions import GRADIENT_STUDENT, SHARED_INIT
from subtheory.claims.inits import one_step
from subtheory.setting.setting import Setting
from subtheory.theory.losses import CrossEntropy
from subtheory.theory.views import Then, Untaught

SUBTRACTED = Assumption(
    "subtracted",
    "The student of the untrained teacher, shown its labels through the same view, is subtracted.",
    lambda setting: setting.but(subtracted=False),
)


def _said_by_the_init(setting: Setting) -> Setting:
    view = setting.view
    return setting.but(view=Untaught() if view.count is None else Then(Untaught(), view))


TAUGHT_LABELS = Assumption(
    "taught-labels",
    "The student's labels are those of the teacher, not of its init.",
    _said_by_the_init,
)

UNSUBTRACTED = (Control(SHARED_INIT, fails=0.95), Control(GRADIENT_STUDENT, fails=0.95))
"""What breaks a claim about labels that the untrained teacher's pass unchanged, or about raw alignment."""

ADDED = (Control(SUBTRACTED, fails=0.95), *UNSUBTRACTED)
"""What breaks a claim about what is added through a view that the untrained teacher's labels do not pass unchanged."""


def sampled(setting: Setting) -> bool:
    """The theorem's teacher, and cross-entropy: the loss of labels that are drawn."""
    return one_step(setting) and setting.loss == CrossEntropy()
