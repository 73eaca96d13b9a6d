"""A figure for a paper: the text width and fonts of a venue, with a title, labels and limits of one's own."""

# %% What is drawn: the ablation of a small model. `st.load("results/.../ablation.json")` reads one that was saved.
import flax.linen as nn
import jax
import matplotlib.pyplot as plt
import numpy as np

import subtheory as st
from subtheory import figure

SEEDS = 4
VENUE = "neurips"
TITLE = "What crosses as inits drift apart"


class Net(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(6)(nn.tanh(nn.Dense(16)(x)))


rng = np.random.default_rng(0)
examples, labels = rng.normal(size=(64, 8)), rng.integers(0, 3, 64)
params, noise = Net().init(jax.random.key(0), examples[0]), rng.uniform(-1, 1, size=(128, 8))
mine = {"model": Net(), "params": params, "trait": (examples, labels), "channel": noise}
walked = st.ablate(**mine, outputs=[3, 4, 5], path="linear", seeds=SEEDS)

# %% Inside the `with`s, text, strokes and fonts are the venue's; the axes are yours to change.
with figure.drawn_for(VENUE), figure.style():
    drawn, ax = plt.subplots(figsize=(figure.VENUES[VENUE].width, 2.6), layout="constrained")
    walked.plot(ax)
    ax.set_title(TITLE)
    ax.set(xlabel="share of the way to an independent init", ylabel="alignment, of a shared init's", ylim=(0, 1.1))
    drawn.savefig("ablation.pdf")

# %% The numbers behind it, as a data frame where pandas is installed.
try:
    print(walked.to_pandas().groupby("amount")["relative_added_alignment"].mean())
except st.InputError as error:
    print(error)
