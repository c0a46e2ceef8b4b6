"""What the template knows: its code types and clouds, read from the files beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .clouds import Cloud, load_clouds
from .code_type_model import CodeType
from .code_types import load_code_types, load_schema


@dataclass(frozen=True)
class Catalogue:
    """Code types and clouds, by name."""

    code_types: Mapping[str, CodeType]
    clouds: Mapping[str, Cloud]
    schema: Mapping[str, Any]
    """The form of code types, for those of a repository's own."""

    @property
    def written(self) -> Mapping[str, Any]:
        """What the files of its code types hold, by name."""
        return {name: code_type.written for name, code_type in self.code_types.items()}


def load_catalogue(template: Path) -> Catalogue:
    """Read `code_types/` and `clouds/` of the template. Raises AnswerError with file and key."""
    folder = template / "code_types"
    return Catalogue(load_code_types(folder), load_clouds(template / "clouds"), load_schema(folder))
