"""What starts a deployment to an environment, and which commits may be deployed there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .components import read_env
from .errors import AnswerError, listed, shown
from .limits import RETENTION_DAYS, WORKFLOW_RUN_LINKS
from .names import EXPRESSION, check_name, check_no_collision, unknown
from .schema import check
from .settings import ENV

TRIGGERS = ("branch", "tag", "after", "manual")

PULL_REQUEST = "pull-request"
"""The name in place of an environment's in pull requests, which deploy to no environment."""

RETENTION = 7
"""How long packages are kept by default, in days."""

PRODUCTION_RETENTION = 30
"""The same in production."""

WAITING_RETENTION = 37
"""The same if a production takes them: a run waits up to 30 days for its approval.

GitHub: "Reviewing deployments", a job that nobody approves within 30 days fails."""

DEFAULT_BRANCH = "main"
"""The default branch, if the repository does not say another."""

DEVELOP = "develop"

BRANCHING: Mapping[str, list[dict[str, Any]]] = {
    "develop-main": [
        {"name": "dev", "branch": DEVELOP},
        {"name": "test", "branch": DEFAULT_BRANCH},
        {"name": "prd", "after": "test", "production": True},
    ],
    "trunk": [
        {"name": "dev", "branch": DEFAULT_BRANCH},
        {"name": "test", "after": "dev"},
        {"name": "prd", "after": "test", "production": True},
    ],
    "release": [
        {"name": "ci", "branch": DEFAULT_BRANCH},
        {"name": "release", "tag": "v*", "production": True},
    ],
}
"""What the branching choices stand for, where the default branch is `main`. A contract:
docs/answers.md."""

ENVIRONMENT: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name"],
    "properties": {
        "name": {"type": "string"},
        "branch": {"type": "string", "minLength": 1},
        "tag": {"type": "string", "minLength": 1},
        "after": {"type": "string", "minLength": 1},
        "manual": {"type": "boolean"},
        "env": ENV,
        "retention_days": {"type": "integer", "minimum": 1, "maximum": RETENTION_DAYS},
        "production": {"type": "boolean"},
        "on_failure": {"type": "string", "enum": ["downstream", "stop"]},
    },
}


PATTERN = r"(\*\*|\*|(\[(?!.*--)[A-Za-z0-9_./-]+\]|[^*\[\]?+])[?+]?)+"
"""A branch or tag filter: `?` and `+` repeat one character or set, and nothing else."""


@dataclass(frozen=True)
class Environment:
    """One environment, complete."""

    name: str
    trigger: str
    """`branch`, `tag`, `after` or `manual`."""
    source: str
    """The branch or tag (globs allowed), or the environment it comes after; empty if manual."""
    root: str
    """The name of the environment that its chain of `after` starts from; its own without one."""
    env: Mapping[str, str]
    retention_days: int
    production: bool
    stops: bool
    """Whether a failure stops all new waves; otherwise it stops only what depends on it."""

    @property
    def title(self) -> str:
        """The name as workflows show it: `prd-eu` becomes `Prd Eu`."""
        return title(self.name)

    @property
    def orchestrator(self) -> str:
        """The name of its orchestrator workflow."""
        return f"Orchestrator {self.title}"

    @property
    def starts(self) -> str:
        """What starts its deployments, as Markdown."""
        return {
            "branch": f"on a push to `{self.source}`",
            "tag": f"on a push of a tag `{self.source}`",
            "after": f"after {self.source} has succeeded, with the same commit",
            "manual": "by hand, from the Actions tab",
        }[self.trigger]


def title(name: str) -> str:
    """`api-gateway` as people read it: `Api Gateway`."""
    return " ".join(part[:1].upper() + part[1:] for part in re.split("[-_]", name))


def check_branch(name: Any, place: str) -> str:
    """The name of one branch. Raises AnswerError."""
    check(name, {"type": "string", "minLength": 1}, place)
    _check_ref(name, place)
    if is_pattern(name):
        raise AnswerError(place, f"{shown(name)} is a pattern; name one branch")
    return str(name)


def preset(branching: str, default_branch: str) -> list[dict[str, Any]]:
    """What a choice stands for in a repository with this default branch.

    If the default branch is `develop`, `main` takes the place of the default branch.
    """
    if default_branch == DEVELOP and branching == "develop-main":
        default_branch = DEFAULT_BRANCH
    return [
        {**entry, "branch": default_branch} if entry.get("branch") == DEFAULT_BRANCH else entry
        for entry in BRANCHING[branching]
    ]


def read_environments(
    branching: Any, given: list[Any] | None, default_branch: str = DEFAULT_BRANCH
) -> tuple[Environment, ...]:
    """The environments that the answers `branching` and `environments` stand for, in their order.

    A given list wins, because it means `custom`. None stands for no list.
    Raises AnswerError.
    """
    choices = [*BRANCHING, "custom"]
    check(branching, {"type": "string", "enum": choices}, "branching")
    if not given and branching == "custom":
        raise AnswerError("environments", "branching is custom, so list at least one")
    if given is None:
        given = preset(branching, default_branch)
    if not given:
        raise AnswerError("environments", "the list is empty; name at least one, or leave it out")
    by_name = _check_each(given)
    return tuple(_environment(entry, by_name) for entry in given)


def _check_each(given: list[Any]) -> dict[str, dict[str, Any]]:
    names = []
    for index, entry in enumerate(given):
        place = f"environments[{index}]"
        check(entry, ENVIRONMENT, place)
        names.append((check_name(entry["name"], place), place))
    check_no_collision(names, "name")
    check_no_collision([(title(name), place) for name, place in names], "title")
    by_name = {entry["name"]: entry for entry in given}
    return by_name


def _environment(entry: dict[str, Any], by_name: Mapping[str, dict[str, Any]]) -> Environment:
    place = f"environments.{entry['name']}"
    trigger = _trigger(entry, place)
    source = "" if trigger == "manual" else entry[trigger]
    if trigger in ("branch", "tag"):
        _check_ref(source, f"{place}.{trigger}")
    chain = _chain(entry["name"], by_name)
    production = entry.get("production", False)
    return Environment(
        name=entry["name"],
        trigger=trigger,
        source=source,
        root=chain[-1],
        env=read_env(entry.get("env", {}), f"{place}.env"),
        retention_days=entry.get("retention_days", _retention(entry["name"], by_name)),
        production=production,
        stops=entry.get("on_failure", "stop" if production else "downstream") == "stop",
    )


def _retention(name: str, by_name: Mapping[str, dict[str, Any]]) -> int:
    """How many days an environment's packages are kept if the answers do not say."""
    productions = [other for other, entry in by_name.items() if entry.get("production")]
    if any(name in _chain(production, by_name)[1:] for production in productions):
        return WAITING_RETENTION
    return PRODUCTION_RETENTION if name in productions else RETENTION


def _trigger(entry: Mapping[str, Any], place: str) -> str:
    """The one trigger of an entry. `manual: false` is none. Raises AnswerError."""
    present = [t for t in TRIGGERS if t in entry and (t != "manual" or entry[t])]
    if len(present) != 1:
        has = " and ".join(present) if present else "no trigger"
        raise AnswerError(place, f"it has {has}; write exactly one of branch, tag, after or manual")
    return present[0]


def _chain(name: str, by_name: Mapping[str, dict[str, Any]]) -> list[str]:
    """The environment, the one it comes after, and so on to the first. Raises AnswerError."""
    chain = [name]
    while (before := by_name[chain[-1]].get("after")) is not None:
        place = f"environments.{chain[-1]}.after"
        if before not in by_name:
            raise unknown(before, list(by_name), place, "environment")
        if before in chain:
            circle = " -> ".join([*chain[chain.index(before) :], before])
            raise AnswerError(place, f"the environments run in a circle: {circle}; start one of "
                              "them by a branch, a tag or by hand")  # fmt: skip
        chain.append(before)
    if len(chain) - 1 > WORKFLOW_RUN_LINKS:
        raise AnswerError(
            f"environments.{name}",
            f"{' after '.join(chain)} are {len(chain) - 1} links, and GitHub starts at most "
            f"{WORKFLOW_RUN_LINKS} workflows after one another; start one by a branch or a tag",
        )
    return chain


NO_REF = "cannot be the name of a branch or tag; write it as git shows it"
NO_PATTERN = "is not a pattern that GitHub reads; see its filter pattern cheat sheet"


def _check_ref(ref: str, place: str) -> None:
    """Refuse what GitHub's filter pattern cheat sheet does not allow. Raises AnswerError."""
    if EXPRESSION in ref or not ref.isprintable() or re.search(r"[\s~^:\\]|\.\.|@\{", ref):
        raise AnswerError(place, f"{shown(ref)} {NO_REF}")
    if match := re.match("!|refs/", ref):
        raise AnswerError(place, f"{shown(ref)} starts with {match[0]}; write the name itself")
    # git check-ref-format
    parts = ref.split("/")
    if ref.startswith("-") or ref == "@" or not all(parts):
        raise AnswerError(place, f"{shown(ref)} {NO_REF}")
    if any(part.startswith(".") or part.endswith((".", ".lock")) for part in parts):
        raise AnswerError(place, f"{shown(ref)} {NO_REF}")
    if not re.fullmatch(PATTERN, ref):
        raise AnswerError(place, f"{shown(ref)} {NO_PATTERN}")
    try:
        re.compile(filter_to_regex(ref))
    except re.error as error:
        raise AnswerError(place, f"{shown(ref)} {NO_PATTERN}") from error


def is_pattern(ref: str) -> bool:
    """Whether a branch or tag filter holds any of GitHub's special characters."""
    return any(character in ref for character in "*?+[]")


def rival_chains(environments: Iterable[Environment]) -> tuple[str, ...]:
    """A notice if not all environments after others can start.

    GitHub runs it on the default branch, and it refuses what starts on another one. GitHub: "Events
    that trigger workflows", workflow_run.
    """
    by_name = {e.name: e for e in environments}
    wanted: dict[str, list[str]] = {}
    for environment in by_name.values():
        first = by_name[environment.root]
        if (
            environment.trigger == "after"
            and first.trigger == "branch"
            and not is_pattern(first.source)
        ):
            wanted.setdefault(first.source, []).append(environment.name)
    if len(wanted) < 2:
        return ()
    each = [f"{listed(names)} only if it is `{branch}`" for branch, names in wanted.items()]
    return (
        f"A repository has one default branch, and it decides what can start: {'; '.join(each)}.",
    )


def filter_to_regex(ref: str) -> str:
    """A branch or tag filter as a regular expression, valid in Python and JavaScript.

    GitHub, "Filter pattern cheat sheet": `*` matches anything but `/`, `**` anything, `?` and `+`
    repeat the character before them, `[]` is a set or range.
    """
    pattern = re.sub(
        r"\*\*|\*|\[[^\]]*\]|\?|\+|.",
        lambda match: {"**": ".*", "*": "[^/]*", "?": "?", "+": "+"}.get(
            match[0],
            match[0] if len(match[0]) > 1 else re.sub(r"([.$|(){}\[\]^])", r"\\\1", match[0]),
        ),
        ref,
    )
    return f"^{pattern}$"
