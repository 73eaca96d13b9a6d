"""How small the teacher's update starts: relative changes, the first kink, and what is of second order in ε."""

from typing import Any

import numpy as np

from subtheory.kernels.stack import Stack, averaged, expectation, inputs, norm, on_channel
from subtheory.numerics import LADDER_RATIO
from subtheory.theory.losses import Loss, SquaredError

SECOND = 1 / LADDER_RATIO
"""What is of second order in ε is at most this share of the first, at the top of a ladder."""


def scales(s: Stack) -> tuple[Any, Any]:
    """The ε that changes outputs or parameters by their own size, whichever is smaller; the first kink; (...)."""
    taylor = on_channel(s).taylor
    size = lambda a: np.sqrt(expectation(s, (s.outputs * a**2).sum(axis=-1)))  # noqa: E731
    outputs, parameters = _ratio(size(taylor.z0), size(taylor.u)), _ratio(norm(s.theta0), norm(s.delta))
    scale = np.minimum(outputs, parameters)
    return np.where(np.isfinite(scale), scale, 1.0), s.functions.kink(s.theta0, s.delta, s.x)


def first_order_up_to(s: Stack, loss: Loss) -> Any:
    """The ε up to which the theorem's student follows the first order: its second order is `SECOND` of it there, (...).

    With r′ = Mu and r″ the derivatives of the pull −∂_z l(f_θ0, f_{θ0+εΔ}) at ε = 0, its step is εE[Jᵀr′] +
    ½ε²E[Jᵀr″] + ... and its alignment εE[r′·u] + ½ε²E[r″·u] + ...: a teacher that the channel hardly sees has small
    first terms, and then the second ones reach far down. Losses of another order than 1 are taken for squared error,
    whose r′ and r″ are those of the outputs.
    """
    taylor = on_channel(s).taylor
    pull = s.functions.terms(
        loss if loss.order == 1 else SquaredError(), taylor.z0, taylor.z0, s.outputs, taylor.u, taylor.v
    )
    both = np.stack([averaged(s, pull.first), averaged(s, pull.second)], axis=s.weights.ndim - 1)
    step = s.functions.pulls(s.theta0[..., None, :], both, inputs(s))
    sizes = norm(step[..., 0, :]), norm(step[..., 1, :])
    along = [abs(expectation(s, (each * taylor.u).sum(axis=-1))) for each in (pull.first, pull.second)]
    return up_to(sizes, (along[0], along[1]) if loss.order == 1 else None)


def up_to(sizes: tuple[Any, Any], along: tuple[Any, Any] | None) -> Any:
    """The ε at which what is of second order is `SECOND` of what is of first, (...).

    `sizes` are ‖E[Jᵀr′]‖ and ‖E[Jᵀr″]‖, `along` |E[r′·u]| and |E[r″·u]|, None where these are another loss's.
    """
    return 2 * SECOND * np.minimum.reduce([_ratio(*pair) for pair in (sizes, along) if pair is not None])


def _ratio(a: Any, b: Any) -> Any:
    return np.where((a > 0) & (b > 0), a / np.where(b > 0, b, 1.0), np.inf)
