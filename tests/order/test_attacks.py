"""Each attack is played to its end, and fails."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attacks import ATTACKS
from worlds import World


@pytest.mark.parametrize("name", ATTACKS)
def test_gets_nowhere(name: str, world: Callable[[str], World]) -> None:
    kind, attack = ATTACKS[name]
    attack(world(kind))
