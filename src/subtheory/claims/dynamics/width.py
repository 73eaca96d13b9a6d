"""What width does to a channel of a few outputs: the share that a converged student keeps falls as one over it.

Settings are constructed: layers of sines and of ReLUs at four widths, whose kernels are known in closed form, on fixed
data with a trait that is linear in its outputs. Widths are doubled from that of the setting's network.
"""

from dataclasses import replace

import numpy as np

from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.data.toys import toy
from subtheory.instruments.dynamics.widths import Diluted, Wide, Widths
from subtheory.networks import MLP
from subtheory.setting.setting import Setting
from subtheory.statistics import standard_error

DRAWS = 512
"""Layers of every width in one run."""

SIGMAS = 6.5
"""Standard errors that a mean may be off: 8·10⁻¹¹ if it is normal. Of DRAWS numbers of skewness γ it nearly is: its
tail grows by about e^{γz³/(3√DRAWS)}, 3,300 times at γ = 2, the most that is found. Of 192 numbers (3 settings, 8
seeds, 4 widths, 2 claims) one is beyond in 192 · 3,300 · 8·10⁻¹¹ < 10⁻⁴ of all verifications."""


def _source(setting: Setting, **changes: object) -> Setting:
    return setting.but(source=replace(setting.source, **changes))  # type: ignore[type-var]


FIXED_CHANNEL = Assumption(
    "fixed-channel",
    "As many outputs are distilled at every width.",
    lambda setting: _source(setting, growing=True),
)

INDEPENDENT_HEADS = Assumption(
    "independent-heads",
    "Head weights of distilled outputs are independent of those that the trait reads.",
    lambda setting: _source(setting, tied=0.5),
)


def settings() -> tuple[Setting, ...]:
    """Two activations in the parametrisations of one kernel at init, and the plain one."""
    task = toy((6,), 2, 2)
    return tuple(
        Setting(
            MLP(32, 1, activation, task=task), outputs="aux", examples=3, trait_examples=3, source=Wide(task, plain)
        )
        for activation, plain in (("sine", False), ("sine", True), ("relu", False))
    )


@claim(
    formula="E‖ΠΔ‖²/‖Δ‖² = (m/n) tr(Θ⁻¹S)/Σ_k g_kᵀΘg_k · (1 + O(1/n)), falling at every doubling of n",
    source="tangent kernels of one hidden layer, and the fluctuation of a block between two outputs; prediction P25",
    controls=[Control(FIXED_CHANNEL, fails=0.95), Control(INDEPENDENT_HEADS, fails=0.95)],
    settings=settings,
    reads=Widths(DRAWS),
    run_tier="statistical",
    proof="width",
)
def width_dilutes_a_fixed_channel(d: Diluted) -> Evidence:
    """At fixed outputs and inputs the share that a converged student keeps falls with width, as one over it.

    With its constant, in the neural-tangent and maximal-update parametrisations, which have one kernel; the plain one
    adds the factor by which head weights outweigh all others. Outputs in proportion to the width restore it.
    """
    mean, error = d.shares.mean(axis=0), standard_error(d.shares)
    ratio = mean / d.predicted
    # What is left of O(1/n) at the largest width is what the last doubling changed.
    tolerance = SIGMAS * error[-1] / d.predicted[-1] + abs(ratio[-1] - ratio[-2])
    constant = 1 - abs(ratio[-1] - 1) / tolerance
    falls = -np.diff(mean) / (SIGMAS * np.hypot(error[1:], error[:-1])) - 1
    return Evidence(float(ratio[-1]), 1.0, float(np.min([constant, *falls])))


@claim(
    formula="E K_kk′(x, t)² = (x · t + 1)² E[φ′(x)²φ′(t)²]/n for k ≠ k′ at every width n: of size 1/√n",
    source="a sum over n units of products of independent head weights; prediction P25",
    controls=[Control(INDEPENDENT_HEADS, fails=0.95)],
    settings=settings,
    reads=Widths(DRAWS),
    run_tier="statistical",
    proof="width",
)
def outputs_decouple_with_width(d: Diluted) -> Evidence:
    """The tangent kernel between two different outputs is a fluctuation, of one over the root of the width.

    Its mean square is known exactly at every width; the exponent is fitted, and lies within its standard errors.
    """
    mean, error = d.blocks.mean(axis=0), standard_error(d.blocks)
    log = np.log(d.widths) - np.log(d.widths).mean()
    weight = log / np.sum(log**2)
    slope, off = float(weight @ np.log(mean)), float(np.linalg.norm(weight * error / mean))
    margin = 1 - max(float(np.max(np.abs(mean - 1) / error)), abs(slope) / off) / SIGMAS
    return Evidence((slope - 1) / 2, -0.5, margin)
