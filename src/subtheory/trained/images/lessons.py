"""What teachers are taught: labelled images, and how they are given to a network."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from subtheory.data import mnist
from subtheory.data.images import digits
from subtheory.errors import InputError

HELD_OUT = 400
"""Digits on which accuracy is measured: one of them is a quarter of a percent."""


class Images(NamedTuple):
    """Labelled images: (n, ...) to train on, the rest held out; a label indexes a logit.

    Floats are taken as they are, uint8 as grey values that `pixels` scales to [−1, 1] when a batch is taken.
    """

    x: np.ndarray
    labels: np.ndarray
    test_x: np.ndarray
    test_labels: np.ndarray


def pixels(x: Any, dtype: Any) -> Any:
    """What a network is given for images, in a float dtype: grey values g as g/127.5 − 1, floats as they are."""
    scaled = x.astype(dtype)
    return scaled / 127.5 - 1 if x.dtype == np.uint8 else scaled


def digit_images(held_out: int = HELD_OUT, seed: int = 0) -> Images:
    """The built-in digits, float32 (n, 8, 8), shuffled once and split.

    Raises InputError on "held_out" unless both parts have an image.
    """
    grey, labels = digits()
    if not 0 < held_out < len(labels):
        raise InputError("held_out", held_out, f"must be between 1 and {len(labels) - 1}")
    order = np.random.default_rng(seed).permutation(len(labels))
    x, y = (grey[order] / 8.0 - 1.0).astype(np.float32), labels[order].astype(np.int32)
    return Images(x[held_out:], y[held_out:], x[:held_out], y[:held_out])


def mnist_images(where: Path | str) -> Images:
    """The MNIST digits, uint8 (n, 28, 28), with their own test images held out; InputError as `data.mnist.read`."""
    x, labels, test_x, test_labels = mnist.read(where)
    return Images(x, labels.astype(np.int32), test_x, test_labels.astype(np.int32))


def first_classes(images: Images, classes: int) -> Images:
    """The images of the first classes alone; InputError on "classes" below 2, or above what there is."""
    there = int(images.labels.max()) + 1
    if not 2 <= classes <= there:
        raise InputError("classes", classes, f"must be between 2 and {there}")
    if classes == there:
        return images
    train, test = images.labels < classes, images.test_labels < classes
    return Images(images.x[train], images.labels[train], images.test_x[test], images.test_labels[test])
