"""The seed of the random examples, which differ in each run of the tests.

pytest prints the seed first, and RANDOM_SEED=n makes the same examples again. All processes of a
run share the seed through the environment.
"""

from __future__ import annotations

import os
import random

SEED = int(os.environ.setdefault("RANDOM_SEED", str(random.randrange(10**6))))


def fresh_seeds(number: int) -> list[int]:
    return [SEED + index for index in range(number)]
