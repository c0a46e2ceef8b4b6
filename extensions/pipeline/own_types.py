"""A repository's own code types: files like those in `code_types/`, in a folder of the repository.

Their content is recorded as an answer (`own_code_types`), because an update renders the old and the
new files in folders without the repository's files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from .catalogue import Catalogue
from .code_type_model import CodeType
from .code_types import read_code_type
from .errors import AnswerError, shown
from .names import check_name, check_no_collision, check_path
from .schema import check
from .yaml_text import read_yaml

USUAL_FOLDER = ".github/code-types"
"""The folder if nobody names another. A contract: docs/code-types.md."""

FILES = 50
"""The most in one folder."""

FILE_BYTES = 64 * 1024
"""The most that one file holds, also when YAML's anchors are written out."""


def exists(repository: Path, folder: str) -> bool:
    """Whether there is a file or folder of that name."""
    path = repository / folder
    return path.exists() or path.is_symlink()


def usual_folder(repository: Path) -> str:
    """The usual folder if it holds code types, otherwise empty.

    A `*.yaml` counts, too: `read_folder` refuses it, so that it is not ignored silently.
    """
    folder = repository / USUAL_FOLDER
    return USUAL_FOLDER if folder.is_dir() and any(folder.glob("*.y*ml")) else ""


def check_folder(folder: Any) -> str:
    """Check the name of a folder, without reading the disk. Raises AnswerError."""
    check(folder, {"type": "string"}, "code_types_folder")
    return check_path(folder, "code_types_folder") if folder else ""


def read_folder(repository: Path, folder: str) -> dict[str, Any]:
    """What each `*.yml` of a folder holds, by name. Raises AnswerError with folder or file."""
    folder = check_folder(folder)
    path, root = repository / folder, repository.resolve()
    if not path.is_dir():
        raise AnswerError("code_types_folder", f"{shown(folder)} is no folder of this repository")
    files = sorted(path.iterdir(), key=lambda file: file.name)
    for file in (path, *files):
        if not file.resolve().is_relative_to(root):
            name = file.relative_to(repository).as_posix()
            raise AnswerError(name, "leads out of the repository; put the file itself here")
    if other := next((file.name for file in files if file.suffix == ".yaml"), None):
        raise AnswerError(f"{folder}/{other}", "ends with .yaml; rename it to .yml")
    files = [file for file in files if file.suffix == ".yml"]
    if not files:
        raise AnswerError("code_types_folder", f"{shown(folder)} holds no .yml; add a code type")
    if len(files) > FILES:
        raise AnswerError(folder, f"holds {len(files)} code types; at most {FILES} are allowed")
    return {file.stem: read_file(file, f"{folder}/{file.name}") for file in files}


def read_file(file: Path, place: str) -> Any:
    """What the file of a code type holds. Raises AnswerError with the place."""
    if not file.is_file():
        raise AnswerError(place, "is not a file; a code type has to be one")
    if file.stat().st_size > FILE_BYTES:
        raise AnswerError(place, f"is too big; at most {FILE_BYTES // 1024} KB are allowed")
    content = read_yaml(file.read_bytes(), place)
    _check_size(content, place)
    return _plain(content)


def with_own(catalogue: Catalogue, folder: str, contents: Any) -> Catalogue:
    """The catalogue with the code types of a folder; one of the same name replaces the template's.

    Raises AnswerError with file and key.
    """
    check(contents, {"type": "object"}, "own_code_types")
    if not contents:
        return catalogue
    if not folder:
        cause = "it is read from the files in `code_types_folder`; give that answer instead"
        raise AnswerError("own_code_types", cause)
    names = [(name, f"{folder}/{name}.yml") for name in contents]
    check_no_collision(names, "name")
    code_types = dict(catalogue.code_types)
    shipped = {name.lower(): name for name in code_types}
    for name, place in names:
        check_name(name, place)
        if shipped.get(name.lower(), name) != name:
            cause = (
                f"differs from {shipped[name.lower()]!r} only in upper and lower case; write it "
                "the same way, or rename it"
            )
            raise AnswerError(place, cause)
        _check_size(contents[name], place)
        content = _plain(contents[name])
        own = read_code_type(name, content, catalogue.schema, place, catalogue.written)
        code_types[name] = replace(own, file=place)
    return replace(catalogue, code_types=dict(sorted(code_types.items())))


def replacement_notices(
    catalogue: Catalogue, code_types: Mapping[str, CodeType]
) -> tuple[str, ...]:
    """Notices about code types that replace the template's."""
    return tuple(
        f"The code type {name} is the one of {code_type.file}, not the template's."
        for name, code_type in code_types.items()
        if code_type.file and name in catalogue.code_types
    )


def _check_size(value: Any, place: str) -> None:
    """Refuse a code type that is too long when its anchors are written out. Raises AnswerError."""
    if _size(value, {}, set()) > FILE_BYTES:
        raise AnswerError(place, f"holds more than {FILE_BYTES // 1024} KB; write it shorter")


def _size(value: Any, known: dict[int, int], around: set[int]) -> int:
    """The approximate size of a value in characters; each part is read once."""
    if not isinstance(value, (dict, list)):
        return len(value) + 2 if isinstance(value, (str, bytes)) else 8
    if id(value) in around:
        return FILE_BYTES + 1  # it holds itself
    if id(value) not in known:
        around.add(id(value))
        parts = [*value.keys(), *value.values()] if isinstance(value, dict) else value
        known[id(value)] = 2 + sum(_size(part, known, around) for part in parts)
        around.remove(id(value))
    return known[id(value)]


def _plain(value: Any) -> Any:
    """A copy without anchors and with sorted keys. Copier sorts keys in the answers file, and the
    recorded value has to equal the one read from the folder."""
    if isinstance(value, dict):
        return {key: _plain(value[key]) for key in sorted(value, key=str)}
    return [_plain(item) for item in value] if isinstance(value, list) else value
