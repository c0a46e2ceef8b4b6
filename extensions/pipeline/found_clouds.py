"""Finds the cloud that a component's files deploy to, and so has to log in to.

A code type says in `detect.clouds` how its files show that. A repository whose own workflows have
the keys of a cloud in secrets goes on with these (`keys` in `clouds/*.yml`): it has no OIDC yet.
A tool that logs in by itself (`detect.own_login`) needs a token (`secret_variables`).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from .clouds import Cloud
from .code_type_model import CodeType
from .repository_files import FILES, PER_FOLDER, RepositoryFiles, is_in_any


@dataclass(frozen=True)
class FoundCloud:
    """A cloud that files deploy to."""

    name: str
    file: str
    """The first file that shows it."""


def find_clouds(
    files: RepositoryFiles,
    code_type: CodeType,
    paths: Collection[str],
    others: Collection[str] = (),
) -> tuple[FoundCloud, ...]:
    """The clouds that the files in the paths of a component show, each once.

    `others` are the paths of other components: what lies there is not read. None is found if the
    tool logs in by itself, as HCP Terraform does.
    """
    if not code_type.detect or find_own_login(files, code_type, paths, others):
        return ()
    found: dict[str, FoundCloud] = {}
    for file in _files_of(files, code_type, paths, others):
        for name, pattern in code_type.detect.clouds.items():
            if name not in found and files.holds(file, pattern):
                found[name] = FoundCloud(name, file)
    return tuple(found.values())


def find_own_login(
    files: RepositoryFiles,
    code_type: CodeType,
    paths: Collection[str],
    others: Collection[str] = (),
) -> str:
    """The first file which shows that the tool logs in by itself, and not to a cloud.

    Empty for none. `paths` and `others` are those of `find_clouds`.
    """
    pattern = code_type.detect.own_login if code_type.detect else ""
    if not pattern:
        return ""
    # One file says it, and its name may come late, as versions.tf.
    there = _files_of(files, code_type, paths, others, most=FILES)
    return next((file for file in there if files.holds(file, pattern)), "")


def _files_of(
    files: RepositoryFiles,
    code_type: CodeType,
    paths: Collection[str],
    others: Collection[str],
    most: int = PER_FOLDER,
) -> Iterator[str]:
    """The files of a component that may show where it deploys to."""
    assert code_type.detect
    patterns = (*code_type.detect.files, *code_type.detect.parts_in)
    for path in paths:
        for file in files.named(path, patterns, everywhere=True, most=most):
            if not is_in_any(posixpath.dirname(file), others, above=path):
                yield file


def secrets_in_workflows(files: RepositoryFiles) -> frozenset[str]:
    """The names of the secrets that the repository's own workflows read."""
    texts = "\n".join(map(files.text, files.workflows))
    return frozenset(re.findall(r"\bsecrets\.(\w+)", texts))


def keys_among(secrets: Collection[str], clouds: Iterable[Cloud]) -> dict[str, tuple[str, ...]]:
    """By cloud: its keys, if all of them are among some secrets.

    Only some of them are no login: with OIDC, workflows name the ids, and no key.
    """
    return {
        cloud.name: cloud.keys for cloud in clouds if cloud.keys and {*cloud.keys} <= {*secrets}
    }
