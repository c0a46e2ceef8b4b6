"""The seed of the random examples that are fresh in each run of the tests.

pytest's first lines tell it, and RANDOM_SEED=n makes the same examples again. All processes of a
run share it by the environment.
"""

from __future__ import annotations

import os
import random

SEED = int(os.environ.setdefault("RANDOM_SEED", str(random.randrange(10**6))))


def fresh_seeds(number: int) -> list[int]:
    return [SEED + index for index in range(number)]
