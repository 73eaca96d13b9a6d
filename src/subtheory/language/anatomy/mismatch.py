"""A student whose weights are θ0 + δ, δ normal noise of σ times the root mean square of each leaf.

D(ε) = D(0) + added. What the teacher's update adds is ε E[u_S · Mu] + ½ε²E[u_S · p″], the cross form, whatever the
weights; what imitating the unchanged base does is D(0) = −δ · GΔ + O(σ²), of either sign, with a deviation over noise
of σ (Σ_l rms_l² ‖(GΔ)_l‖²)^½. So the raw alignment turns into a coin where that outgrows εq. Source: remark R1,
prediction P18.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from subtheory.language.anatomy import alignment
from subtheory.language.anatomy.lesson import other_weights
from subtheory.language.anatomy.rows import SIZES, Row, Subject, blurred
from subtheory.language.derivatives import inner, jvp, moved, norm, pull, taylor, values
from subtheory.theory.network import Params

SIGMAS = (0.0, 1e-4, 1e-3, 1e-2, 0.1, 0.3)
TEACHER, BEFORE = SIZES[3], SIZES[2]
"""The teacher's size, and one four times as large."""


def mismatch_rows(s: Subject, channel: str, seed: int) -> list[Row]:
    """One row a σ: raw, untaught and added alignment over εq beside their predictions, and both cosines with Δ."""
    network, theta, delta, read = s.model.network, s.model.params, s.teacher.delta, s.lesson.own(channel)
    eps, whole = s.size(TEACHER), slice(0, len(read.row))
    known = taylor(network, theta, delta, read)
    z, coarse = (values(network, moved(theta, s.size(each), delta), read) for each in (TEACHER, BEFORE))
    blur = blurred(known.z0)
    q = alignment.mean(alignment.expected(known).first, whole)
    limit = pull(network, theta, alignment.placed(alignment.turned(known)[0], whole), read)
    deviation, at_base = _spread(theta, limit), inner(theta, limit)
    rows = []
    for sigma in SIGMAS:
        student = other_weights(s.model, seed, sigma, kept=True) if sigma else theta
        own, velocity = jvp(network, student, delta, read)
        crossed = alignment.crossed(known, velocity)
        first, second = (alignment.mean(each, whole) / q for each in crossed)
        added = alignment.mean(alignment.aligned(z, known.z0, velocity), whole)
        before = alignment.mean(alignment.aligned(coarse, known.z0, velocity), whole) / (s.size(BEFORE) * q)
        spread = alignment.mean(alignment.spread(known.z0, velocity), whole)
        untaught = alignment.mean(alignment.aligned(known.z0, own, velocity), whole)
        signal = pull(network, student, alignment.placed(alignment.residual(z, known.z0), whole), read)
        signal_length = norm(signal)
        del signal
        raw = pull(network, student, alignment.placed(alignment.residual(z, own), whole), read)
        rows.append(
            {
                "trait": s.name, "channel": channel, "sigma": sigma, "relative_size": TEACHER, "eps": eps,
                "divergence": alignment.mean(alignment.divergence(own, known.z0), whole),
                "raw": inner(raw, delta) / (eps * q), "untaught": untaught / (eps * q), "added": added / (eps * q),
                "predicted_added": first, "next_order": 0.5 * eps * second,
                "behind": added / (eps * q) - first - 0.5 * eps * second,
                "behind_before": before - first - 0.5 * s.size(BEFORE) * second,
                "rounding": blur * spread**0.5 / (eps * q),
                "predicted_untaught": (at_base - inner(student, limit)) / (eps * q),
                "deviation_untaught": sigma * deviation / (eps * q),
                "raw_cosine": inner(raw, delta) / (norm(raw) * s.teacher.length),
                "signal_cosine": added / (signal_length * s.teacher.length),
            }
        )  # fmt: skip
        del raw, student
    return rows


def _spread(theta: Params, limit: Params) -> float:
    """(Σ_l rms_l² ‖(GΔ)_l‖²)^½ over leaves l."""
    each = jax.tree.map(_leaf, theta, limit)
    return float(np.sqrt(sum(float(one) for one in jax.tree.leaves(each))))


@jax.jit
def _leaf(p: Any, g: Any) -> Any:
    p, g = p.astype(jnp.float64), g.astype(jnp.float64)
    return jnp.mean(p * p) * jnp.sum(g * g)
