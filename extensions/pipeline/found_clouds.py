"""Finds the cloud that a component's files deploy to, and so has to log in to.

A code type says in `detect.clouds` how its files show that. A repository whose own workflows have
the keys of a cloud in secrets goes on with these (`keys` in `clouds/*.yml`): it has no OIDC yet.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from .clouds import Cloud
from .code_type_model import CodeType
from .repository_files import RepositoryFiles, is_in_any


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
    detect = code_type.detect
    if not detect or not detect.clouds:
        return ()
    found: dict[str, FoundCloud] = {}
    for path in paths:
        for file in files.named(path, (*detect.files, *detect.parts_in), everywhere=True):
            if is_in_any(posixpath.dirname(file), others, above=path):
                continue
            if detect.own_login and files.holds(file, detect.own_login):
                return ()
            for name, pattern in detect.clouds.items():
                if name not in found and files.holds(file, pattern):
                    found[name] = FoundCloud(name, file)
    return tuple(found.values())


def keys_in_workflows(
    files: RepositoryFiles, clouds: Iterable[Cloud]
) -> dict[str, tuple[str, ...]]:
    """By cloud: its keys, if the repository's own workflows read all of them from secrets.

    Only some of them are no login: with OIDC, workflows name the ids, and no key.
    """
    texts = "\n".join(map(files.text, files.workflows))
    said = set(re.findall(r"\bsecrets\.(\w+)", texts))
    return {cloud.name: cloud.keys for cloud in clouds if cloud.keys and said >= {*cloud.keys}}
