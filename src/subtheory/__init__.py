"""subtheory: the theory of subliminal learning, stated as claims, measured, and shown to fail when it should."""

from importlib import import_module
from typing import Any

from subtheory._version import __version__

# In the order in which a theorist meets them; the value is the module that has the name. Importing
# the package imports none of them, so that the command line answers at once.
_PUBLIC = {
    "verify": "own",
    "Verification": "results",
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
    "Setting": "setting",
    "ladder": "setting",
    "Distillation": "theory.distillation",
    "teacher_update": "api",
    "student_update": "api",
    "alignment": "api",
    "alignment_by_jvp": "api",
    "predicted_alignment": "api",
    "quadratic_form": "api",
    "second_order": "api",
    "cosine": "api",
    "cosine_limit": "api",
    "critical_step": "api",
    "distance_change": "api",
    "trait_change": "api",
    "predicted_trait_change": "api",
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
    "TEACHERS": "theory.teachers",
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
