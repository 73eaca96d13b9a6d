"""The ablation of one tiny network, compiled once for all that ask."""

from functools import cache

from shapes import SMOOTH

from subtheory.init import PATHS
from subtheory.setting.setting import Setting
from subtheory.study.ablation import ablate

SETTING = Setting(SMOOTH, outputs="aux")
SEEDS = 2
AMOUNTS = (0.0, 0.7)


@cache
def ablated(name):
    return ablate(PATHS[name], SETTING, AMOUNTS, SEEDS)
