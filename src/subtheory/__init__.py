"""subtheory: the theory of subliminal learning, stated as claims, measured, and shown to fail when it should."""

from importlib import import_module
from typing import Any

from subtheory._version import __version__
from subtheory.session import silence

silence()

# In the order in which a theorist meets them; the value is the module that has the name. Importing
# the package imports none of them, so that the command line answers at once.
_PUBLIC = {
    "verify": "verification.own",
    "ablate": "study.own",
    "Ablations": "study.own",
    "forecast": "study.forecast",
    "Forecast": "study.forecast",
    "named_arrays": "study.forecast",
    "draw": "study.redraw",
    "load": "study.loading",
    "Lineage": "lineage",
    "configure": "session",
    "Verification": "verification.results",
    "check": "api",
    "certify": "certificate.making",
    "check_certificate": "certificate.making",
    "Certificate": "certificate.making",
    "CLAIMS": "claims",
    "Claim": "claim",
    "Assumption": "claim",
    "Control": "claim",
    "Evidence": "claim",
    "Verdict": "claim",
    "Setting": "setting.setting",
    "ladder": "setting.setting",
    "Student": "setting.student",
    "Shared": "setting.student",
    "Redrawn": "setting.student",
    "Along": "setting.student",
    "Elsewhere": "setting.student",
    "All": "theory.trains",
    "Half": "theory.trains",
    "Layers": "theory.trains",
    "Leaves": "theory.trains",
    "Entries": "theory.trains",
    "Descent": "theory.rule",
    "Signs": "theory.rule",
    "Carried": "theory.rule",
    "Orthogonal": "theory.rule",
    "Full": "theory.views",
    "Accepted": "theory.views",
    "Shifted": "theory.views",
    "Distillation": "theory.distillation",
    "teacher_update": "api",
    "student_update": "notebook",
    "alignment": "notebook",
    "alignment_by_jvp": "notebook",
    "predicted_alignment": "notebook",
    "quadratic_form": "notebook",
    "second_order": "notebook",
    "cosine": "notebook",
    "cosine_limit": "notebook",
    "critical_step": "notebook",
    "distance_change": "notebook",
    "trait_change": "notebook",
    "predicted_trait_change": "notebook",
    "ggn": "api",
    "hessian": "api",
    "trait_hessian": "api",
    "ntk": "api",
    "ntk_product": "api",
    "alignment_threshold": "api",
    "alignment_lower_bound": "api",
    "trait_step": "api",
    "kinks": "api",
    "alignment_pieces": "api",
    "alignment_roots": "api",
    "train": "api",
    "SquaredError": "theory.losses",
    "CrossEntropy": "theory.losses",
    "KL": "theory.losses",
    "ReverseKL": "theory.losses",
    "JensenShannon": "theory.losses",
    "Bregman": "theory.losses",
    "L1": "theory.losses",
    "Quartic": "theory.losses",
    "TopK": "theory.losses",
    "LOSSES": "theory.losses",
    "Loss": "theory.losses",
    "TEACHERS": "setting.teachers",
    "LabelledTrait": "theory.trait",
    "TargetTrait": "theory.trait",
    "FunctionTrait": "theory.trait",
    "Linear": "networks",
    "MLP": "networks",
    "ConvNet": "networks",
    "VisionTransformer": "networks",
    "Transformer": "networks",
    "NETWORKS": "networks",
    "adapt": "networks",
    "CHANNELS": "data",
    "DIGITS": "data",
    "TOKENS": "data",
    "float64": "numerics",
    "SubtheoryError": "errors",
    "InputError": "errors",
    "DataError": "errors",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'subtheory' has no attribute {name!r}")
    value = getattr(import_module(f"subtheory.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
