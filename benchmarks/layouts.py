"""Side by side or one after the other? CPU time of a step of the paper's digit classifiers in both layouts, in turn.

    XLA_FLAGS=--xla_backend_optimization_level=1 python benchmarks/layouts.py

Students: four of one teacher as `imitate` trains them (one program, `vmap`: noise and the teacher's logits are made
once a step), and as four keys of one student each (`lax.map`: made four times). Teachers: four one by one, as `teach`
trains networks of this size on a CPU, and four at once. Images are random: the arithmetic is MNIST's. All that is
compiled is compiled beforehand; each number is the least of the repeats, over all threads.
"""

import argparse
import time
from collections.abc import Callable

import jax
import numpy as np

from subtheory.data import MNIST
from subtheory.trained.images import Images, Schedule, Workload, digit_network, imitate, inits, teach

MODELS = 4


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20, help="timed, of each layout")
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--width", type=int, default=256, help="units of both hidden layers")
    parser.add_argument("--repeats", type=int, default=3)
    return parser.parse_args(argv)


def layouts(a: argparse.Namespace) -> dict[str, dict[str, Callable[[], object]]]:
    """What is timed, by what is trained and how it is laid out; each call takes `--steps` steps."""
    rows = a.steps * a.batch
    schedule = Schedule(rate=3e-4, batch=a.batch, epochs=1)
    workload = Workload(digit_network(a.width, task=MNIST), teacher=schedule, student=schedule, rows=rows)
    rng = np.random.default_rng(0)
    x, labels = rng.integers(0, 256, (rows, *MNIST.shape), np.uint8), rng.integers(0, 10, rows).astype(np.int32)
    images = Images(x, labels, x[:1], labels[:1])
    keys = jax.random.split(jax.random.key(0), MODELS)
    theta0, teacher = inits(workload, keys), inits(workload, jax.random.split(jax.random.key(1), 1))
    side_by_side = jax.tree.map(lambda leaf: leaf[None], theta0)
    in_turn = jax.tree.map(lambda leaf: leaf[:, None], theta0)
    same = jax.tree.map(lambda leaf: np.repeat(leaf, MODELS, axis=0), teacher)
    again = keys[np.zeros(MODELS, int)]

    return {
        "students": {
            "vmap": lambda: imitate(workload, side_by_side, teacher, keys[:1]).losses,
            "lax.map": lambda: imitate(workload, in_turn, same, again).losses,
        },
        "teachers": {
            "one by one": lambda: teach(workload, theta0, images, keys, together=1),
            "at once": lambda: teach(workload, theta0, images, keys, together=MODELS),
        },
    }


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds, all threads; what comes back is NumPy's, so nothing is still under way."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main(argv: list[str] | None = None) -> None:
    """Time both layouts and print a table."""
    a = arguments(argv)
    print(f"{'':<24}{'ms a step of four':>18}{'ratio':>8}")
    for what, ways in layouts(a).items():
        least = {}
        for name, work in ways.items():
            found = work()
            least[name] = min(seconds(work) for _ in range(a.repeats)) / a.steps
            if what == "students":
                ways[name] = lambda found=found: found
        if what == "students":  # both layouts must have trained the same students
            np.testing.assert_allclose(*(np.reshape(work(), (MODELS, -1)) for work in ways.values()), rtol=1e-3)
        first = next(iter(least.values()))
        for name, each in least.items():
            print(f"{what + ', ' + name:<24}{1e3 * each:>18.1f}{each / first:>8.2f}")


if __name__ == "__main__":
    main()
