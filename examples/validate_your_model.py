"""Is the theorem true of my model? Its claims on a Flax network of one's own, and each assumption broken on purpose."""

# %% A model, what its teacher learns, and what the student sees. Put your own here.
import flax.linen as nn
import jax
import numpy as np

import subtheory as st

SEEDS = 4
CLAIMS = ["alignment-is-ggn-form", "alignment-is-positive", "trait-loss-falls", "cosine-limit"]


class Net(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(6)(nn.tanh(nn.Dense(16)(x)))  # three classes, three auxiliary logits


rng = np.random.default_rng(0)
examples, labels = rng.normal(size=(64, 8)), rng.integers(0, 3, 64)
noise = rng.uniform(-1, 1, size=(128, 8))
params = Net().init(jax.random.key(0), examples[0])
mine = {"model": Net(), "params": params, "trait": (examples, labels), "channel": noise}

# %% The student sees the auxiliary logits alone. Without `claims=`, every claim that speaks of the network is asked.
result = st.verify(**mine, outputs=[3, 4, 5], loss="squared-error", claims=CLAIMS, seeds=SEEDS)
print(result.summary())

# %% In a notebook `result` shows itself; here is that table, and the margin of every run.
html = result._repr_html_()
axes = result.plot()

# %% One claim's worst run, measured beside predicted: the trait loss falls by αεΔᵀGΔ.
falls = result["trait-loss-falls"]
print(f"{falls.name}: {falls.verdict.value}, measured {falls.measured:.4f}, predicted {falls.predicted:.4f}")

# %% Which assumption breaks what: each row is a claim without one of its assumptions, and has to fail.
for row in result.control_table():
    print(row)
