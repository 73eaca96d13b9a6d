"""How alike must two inits be? A walk away from the init of a model of one's own, measured beside what is predicted."""

# %% A model, what its teacher learns, and what the student sees. Put your own here.
import flax.linen as nn
import jax
import numpy as np

import subtheory as st

SEEDS = 4
AMOUNTS = (0, 0.25, 0.5, 0.75, 1)


class Net(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(6)(nn.tanh(nn.Dense(16)(x)))


rng = np.random.default_rng(0)
examples, labels = rng.normal(size=(64, 8)), rng.integers(0, 3, 64)
noise = rng.uniform(-1, 1, size=(128, 8))
params = Net().init(jax.random.key(0), examples[0])
mine = {"model": Net(), "params": params, "trait": (examples, labels), "channel": noise}

# %% Three paths: towards an independent init, isotropic noise, hidden units that change places.
walked = st.ablate(**mine, outputs=[3, 4, 5], path=["linear", "noise", "permutation"], amounts=AMOUNTS, seeds=SEEDS)
print(walked.summary())

# %% What the teacher's update adds to each student, on the cross-kernel's prediction.
html = walked._repr_html_()
axes = walked.plot()

# %% The far end of every path: what is left of the alignment, and of the change of the trait loss.
for mean in walked.means:
    if mean["amount"] == max(AMOUNTS):
        left, trait = mean["relative_added_alignment"], mean["relative_added_trait_change"]
        print(f"{mean['path']}: alignment {left:.3f}, trait change {trait:.3f} of the shared init's")
