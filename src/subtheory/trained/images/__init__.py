"""Training: teachers on labelled images, and students that imitate some of their logits on noise.

A `Workload` fixes all that a teacher and its students share. Many students of one teacher are one compiled program:

>>> import jax
>>> from subtheory.trained.images import Schedule, Workload, accuracy, digit_images, digit_network, imitate, inits
>>> from subtheory.trained.images import teach
>>> quick = Schedule(rate=1e-2, batch=128, epochs=1)
>>> workload = Workload(digit_network(width=8), teacher=quick, student=quick, rows=256)
>>> keys, images = jax.random.split(jax.random.key(0), 2), digit_images()
>>> theta0 = inits(workload, keys)
>>> taught = teach(workload, theta0, images, keys)
>>> copies = jax.tree.map(lambda leaf: leaf[:, None], theta0)
>>> accuracy(workload, imitate(workload, copies, taught, keys).params, images).shape
(2, 1)

Source: Cloud, Le et al., section 6.2 (theory, section 2).
"""

from subtheory.trained.images.defended import Defence, Defended, defend
from subtheory.trained.images.forecast import OneStep, one_step
from subtheory.trained.images.lessons import Images, digit_images, first_classes, mnist_images, pixels
from subtheory.trained.images.readout import accuracy
from subtheory.trained.images.starts import along, class_trait, seeds_of, starts
from subtheory.trained.images.training import Imitation, imitate, inits, teach, teach_all
from subtheory.trained.images.workload import Workload, auxiliary, digit_network
from subtheory.trained.parameters import single
from subtheory.trained.schedules import Schedule

__all__ = [
    "Defence",
    "Defended",
    "Images",
    "Imitation",
    "OneStep",
    "Schedule",
    "Workload",
    "accuracy",
    "along",
    "auxiliary",
    "class_trait",
    "defend",
    "digit_images",
    "digit_network",
    "first_classes",
    "imitate",
    "inits",
    "mnist_images",
    "one_step",
    "pixels",
    "seeds_of",
    "single",
    "starts",
    "teach",
    "teach_all",
]
