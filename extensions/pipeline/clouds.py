"""The clouds that deployments log in to, and the registries that images are pushed to.

One file each in `clouds/`; `none.yml` is GitHub itself, which has a registry too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .code_types import check_steps
from .errors import AnswerError, shown
from .schema import check
from .yaml_text import read_yaml

NONE = "none"
DEFAULT_REGISTRY = "ghcr.io"

REGISTRY_ENVIRONMENT = "registry"
"""The GitHub Environment of the jobs that push to a cloud's registry.

A cloud trusts a job by the environment in its subject claim. Builds run before an approval, so
they cannot use the environment of the deployment.
"""

REGISTRY_LENGTH = 200
"""The longest answer, in characters. With a component's name, Docker allows 255."""

IMAGE_PATH = r"(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*"
"""What may follow the host, as the OCI distribution specification names repositories."""

REGISTRY: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["form", "pattern", "permissions", "login"],
    "properties": {
        "form": {"type": "string"},
        "pattern": {"type": "string"},
        "base": {"type": "string"},
        "permissions": {"type": "object", "additionalProperties": {"type": "string"}},
        "login": {"type": "string"},
    },
}
CLOUD: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "registry"],
    "properties": {
        "name": {"type": "string"},
        "login": {"type": "string"},
        "keys": {"type": "array", "items": {"type": "string"}},
        "registry": REGISTRY,
    },
}


@dataclass(frozen=True)
class RegistryKind:
    """The registry that a cloud has."""

    form: str
    """An example of how the answer names it."""
    pattern: str
    """A regular expression for its host."""
    permissions: Mapping[str, str]
    login: str
    """Steps, as YAML text."""
    base: str = ""
    """What the names of images start with, if that is not the answer itself."""


@dataclass(frozen=True)
class Cloud:
    """One file of `clouds/`, read and checked."""

    name: str
    """The answer that chooses it."""
    title: str
    login: str
    """Steps that log in, as YAML text; empty for none."""
    registry: RegistryKind
    keys: tuple[str, ...] = ()
    """Variables in which tools find keys of the cloud, if nothing has logged in."""

    @property
    def permissions(self) -> Mapping[str, str]:
        """What a job needs to log in. GitHub: "id-token: write" lets it ask for an OIDC token."""
        return {"id-token": "write"} if self.login else {}


@dataclass(frozen=True)
class Registry:
    """Where images are pushed to."""

    base: str
    """What the names of images start with; an expression is allowed."""
    login: str
    permissions: Mapping[str, str] = field(default_factory=dict)
    environment: str = ""
    """The GitHub Environment of the jobs that push; empty for none."""


def load_clouds(folder: Path) -> dict[str, Cloud]:
    """Read every `*.yml` of the folder, by name. Raises AnswerError with file and key."""
    files = sorted(folder.glob("*.yml"), key=lambda file: file.name)
    return {file.stem: _read(file) for file in files}


def _read(file: Path) -> Cloud:
    place = f"clouds/{file.name}"
    data = read_yaml(file.read_bytes(), place)
    check(data, CLOUD, place)
    registry = dict(data["registry"], login=data["registry"]["login"].strip("\n"))
    if "login" in data:
        check_steps(data["login"], f"{place}.login")
    check_steps(registry["login"], f"{place}.registry.login")
    return Cloud(
        name=file.stem,
        title=data["name"],
        login=data.get("login", "").strip("\n"),
        registry=RegistryKind(**registry),
        keys=tuple(data.get("keys", ())),
    )


def read_registry(
    given: Any, cloud: str, clouds: Mapping[str, Cloud], used: bool = True
) -> Registry:
    """The registry of the answer `registry`. Raises AnswerError.

    If nothing is pushed (`used` is false), the registry may belong to another cloud.
    """
    check(given, {"type": "string"}, "registry")
    if len(given) > REGISTRY_LENGTH:
        cause = f"{shown(given)} has {len(given)} characters; at most {REGISTRY_LENGTH} are allowed"
        raise AnswerError("registry", cause)
    name = given.removesuffix("/")
    for owner in clouds.values():
        kind = owner.registry
        match = re.match(rf"({kind.pattern})(?=/|$)", name)
        if match is None or not re.fullmatch(IMAGE_PATH, name[match.end() :]):
            continue
        if used and owner.name not in (NONE, cloud):
            cause = f"{shown(given)} is a registry of {owner.title}, and cloud is {cloud}"
            raise AnswerError(
                "registry", f"{cause}; choose cloud {owner.name} or {DEFAULT_REGISTRY}"
            )
        if kind.base and match.end() < len(name):
            # Names of images there begin with the repository's name, not with a path of the answer.
            raise AnswerError("registry", f"{shown(given)} has a path; write {match[1]} alone")
        return Registry(
            base=kind.base or name,
            login=kind.login.replace("<registry-host>", match[1]),
            permissions=kind.permissions,
            environment="" if owner.name == NONE else REGISTRY_ENVIRONMENT,
        )
    forms = ", ".join(owner.registry.form for owner in clouds.values())
    raise AnswerError(
        "registry",
        f"{shown(given)} is no registry that images can be pushed to; write one like {forms}",
    )
