"""Which names of folders and files are those of environments."""

from __future__ import annotations

import re
from collections.abc import Iterable

KINDS = {
    "development": "dev devel develop development sandbox sbx",
    "test": "test testing tst int integration",
    "acceptance": "qa uat acc acceptance",
    "staging": "stage staging stg",
    "preproduction": "nonprod nonprd nonproduction preprod preprd preproduction",
    "demo": "demo",
    "production": "prod prd production live",
}
"""Kinds of environments, in the order in which a change reaches them, and words for each."""

ORDER = tuple(KINDS)

PRODUCTION = ORDER[-1]

_BY_WORD = {word: kind for kind, several in KINDS.items() for word in several.split()}


def family(name: str) -> tuple[str, str]:
    """(kind, the rest) of an environment's name, so that `prod-eu` and `production_eu` are one;
    for any other name, an empty kind and the name."""
    words = [word for word in re.split(r"[-_.\s]+", name.lower()) if word]
    # `non-prod` is one word, as `nonprod`.
    pairs = [(index, 2) for index in range(len(words) - 1)]
    for index, length in [*pairs, *((index, 1) for index in range(len(words)))]:
        word = "".join(words[index : index + length])
        kind = _BY_WORD.get(re.sub(r"\d+$", "", word))
        if kind:
            number = re.findall(r"\d+$", word)
            rest = [*words[:index], *number, *words[index + length :]]
            return kind, "-".join(rest)
    return "", name.lower()


def kind(name: str) -> str:
    """The kind of environment that a name says; empty for none."""
    return family(name)[0]


def without_variants(names: Iterable[str]) -> list[str]:
    """The names without longer ones of the same kind, as `init-db-prod` beside `prod`.

    Where all are longer, as `prod-eu` and `prod-us`, all stay.
    """
    families = {name: family(name) for name in names}
    plain = {which for which, rest in families.values() if not rest}
    return [name for name, (which, rest) in families.items() if not rest or which not in plain]


def rank(name: str) -> tuple[float, str]:
    """The key that sorts names in the order in which a change reaches the environments."""
    which = kind(name)
    return (ORDER.index(which) if which else ORDER.index(PRODUCTION) - 0.5, name)
