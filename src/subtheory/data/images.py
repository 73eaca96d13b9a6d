"""The images that travel with the package: handwritten digits, and patches of two photographs.

Sources and licences. Digits: "Optical Recognition of Handwritten Digits", E. Alpaydin and
C. Kaynak, UCI Machine Learning Repository, doi:10.24432/C50P49, CC BY 4.0; the 1797 test images as
scikit-learn distributes them. Photographs: "china.jpg" by danielbuechele and "flower.jpg" by
vultilion, CC BY 2.0, the sample images of scikit-learn; here converted to grey, halved in
size and cut into patches. `subtheory.data.build` makes both files.
"""

from functools import cache
from importlib.resources import files

import numpy as np

SIDE = 8
"""Height and width of every image in pixels."""


@cache
def _load(name: str) -> dict[str, np.ndarray]:
    with (files(__package__) / name).open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Images (1797, 8, 8) with grey values 0..16, and labels 0..9 (1797,), both uint8."""
    arrays = _load("digits.npz")
    return arrays["images"], arrays["labels"]


def photographs() -> np.ndarray:
    """Grey patches (2080, 8, 8) of two photographs, uint8 0..255."""
    return _load("photographs.npz")["patches"]
