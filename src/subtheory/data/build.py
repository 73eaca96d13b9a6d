"""Make the embedded image files from scikit-learn's data: `python -m subtheory.data.build`."""

from pathlib import Path

import numpy as np

from subtheory.data.images import SIDE

LUMA = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue in grey (ITU-R BT.601)."""


def patches(photograph: np.ndarray) -> np.ndarray:
    """Cut an RGB image (H, W, 3) into grey 8×8 patches at half size, uint8 (k, 8, 8).

    Each pixel is the mean of a 2×2 block; an incomplete patch at the edge is dropped.
    """
    rows, columns = (size // (2 * SIDE) for size in photograph.shape[:2])
    grey = photograph[: rows * 2 * SIDE, : columns * 2 * SIDE] @ LUMA
    halved = grey.reshape(rows, SIDE, 2, columns, SIDE, 2).mean(axis=(2, 5))
    cut: np.ndarray = halved.transpose(0, 2, 1, 3).reshape(-1, SIDE, SIDE)
    return np.rint(cut).astype(np.uint8)


def main(folder: Path = Path(__file__).parent) -> None:
    """Write `digits.npz` and `photographs.npz`; needs scikit-learn and pillow."""
    from sklearn.datasets import load_digits, load_sample_images

    digits = load_digits()
    images, labels = digits.images.astype(np.uint8), digits.target.astype(np.uint8)
    np.savez_compressed(folder / "digits.npz", images=images, labels=labels)
    cut = np.concatenate([patches(image) for image in load_sample_images().images])
    np.savez_compressed(folder / "photographs.npz", patches=cut)


if __name__ == "__main__":
    main()
