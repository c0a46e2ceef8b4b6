"""`uses: $/path`: the repository's own actions, at the commit of the running workflow.

They need no checkout. act knows no `$/` but runs composite actions of other repositories, so a
job gets the commit's `.github` as a folder of its own, which act takes for the repository at that
commit; in it, and in the job's steps, every `$/` is rewritten.
"""

from __future__ import annotations

import functools
import io
import json
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from . import actions, expressions, runner, workflows
from .model import NotModelledError
from .repository import Repository

#: The contexts that expressions of a composite action may read.
CONTEXTS = ["env", "github", "inputs", "job", "matrix", "runner", "steps", "strategy"]
#: The expression by which steps know whether the run was cancelled.
CANCELLED = f"(env.{actions.CANCELLED} == 'true')"
#: A last step: act would otherwise read the last step's outputs and summary a second time.
END = {
    "name": runner.QUIET,
    "if": "always()",
    "shell": "bash",
    "env": {actions.SURVIVES: "true"},
    "run": ":",
}


class ActionError(ValueError):
    """An action of the repository that GitHub cannot load: the job fails before its first step."""


@dataclass
class OwnActions:
    """The actions of one commit, for one job."""

    repository: Repository
    name: str
    commit: str
    #: Properties of `github` that act does not know, with their values.
    literals: dict[str, Any]
    folder: Path
    #: All actions that the job uses, at any depth: `uses` -> its replacement for act.
    used: dict[str, Path] = field(default_factory=dict)
    _prepared: dict[str, dict[str, Any]] = field(default_factory=dict)

    def prepare(self, steps: list[dict[str, Any]], stand_ins: Path) -> list[dict[str, Any]]:
        """The steps as act runs them. All actions that they use are written to the folder."""
        asked = [workflows.as_text(step.get("if", "")) for step in steps]
        conditions = expressions.cancellable(asked, CANCELLED)
        return [
            self._step(_conditional(step, **condition), stand_ins)
            for step, condition in zip(steps, conditions, strict=True)
        ]

    def _step(self, step: dict[str, Any], stand_ins: Path) -> dict[str, Any]:
        uses = str(step.get("uses", ""))
        if not uses:
            return step
        given = [str(name).lower() for name in step.get("with") or {}]
        if not uses.startswith("$/"):
            self.used[uses] = actions.stand_in(uses, stand_ins)
            step = actions.with_token(step, given)
            # act hands a composite action's own inputs on to the actions that it uses.
            environment = {**(step.get("env") or {}), actions.GIVEN: json.dumps(given)}
            return {**step, "env": environment}
        path = uses.removeprefix("$/").strip("/")
        action = self._action(path, stand_ins)
        declared = [name.lower() for name in action.get("inputs") or {}]
        if unknown := sorted(set(given) - set(declared)):
            # GitHub only warns; here the test fails.
            message = f"Unexpected input(s) {', '.join(unknown)} for {uses}"
            kept = {key: value for key, value in step.items() if key not in ("uses", "with")}
            return {**kept, "shell": "bash", "run": f"echo '::error::{message}'; exit 1"}
        return {"name": uses, **step, "uses": f"{self.name}/{path}@{self.commit}"}

    def _action(self, path: str, stand_ins: Path) -> dict[str, Any]:
        """An action's file, rewritten in the job's folder when it is first used."""
        if path in self._prepared:
            return self._prepared[path]
        if not self.folder.exists():
            self._unpack()
        action = load(self.folder, path, self.name, self.commit)
        self._prepared[path] = action
        try:
            edges = {key: action.get(key) or {} for key in ("inputs", "outputs")}
            edges, steps = expressions.substitute(edges, action["runs"]["steps"], self.literals)
        except expressions.ExpressionError as error:
            raise ActionError(f"{path}: {error}") from error
        runs = {**action["runs"], "steps": [*self.prepare(steps, stand_ins), END]}
        self.used[f"{self.name}/{path}@{self.commit}"] = self.folder
        _file(self.folder / path).write_text(
            json.dumps({**action, **edges, "runs": runs}), encoding="utf-8"
        )
        return action

    def _unpack(self) -> None:
        self.folder.mkdir(parents=True)
        with tarfile.open(fileobj=io.BytesIO(self.repository.archive(self.commit))) as archive:
            archive.extractall(self.folder, filter="data")


def _conditional(step: dict[str, Any], survives: str, **condition: str) -> dict[str, Any]:
    """A step that runs, or goes on, after a cancellation only if its `if` says so."""
    environment = {**(step.get("env") or {}), actions.SURVIVES: f"${{{{ {survives} }}}}"}
    return {**step, **condition, "env": environment}


def _file(place: Path) -> Path:
    """An action's file; its better known name if there is none."""
    other = place / "action.yaml"
    return (
        other if other.is_file() and not (place / "action.yml").is_file() else place / "action.yml"
    )


def load(folder: Path, path: str, name: str, commit: str) -> dict[str, Any]:
    """An action's file, with what GitHub checks when it loads one."""
    file = _file(folder / path)
    if not file.is_file():
        raise ActionError(
            f"Can't find 'action.yml', 'action.yaml' or 'Dockerfile' under '{path}' of "
            f"{name}@{commit}"
        )
    return dict(_read(path, file.read_text(encoding="utf-8")))


@functools.lru_cache(maxsize=1000)
def _read(path: str, text: str) -> dict[str, Any]:
    """The parsed file of an action. Many commits have the same, so the result is shared."""
    try:
        action: Any = yaml.load(text, Loader=workflows.Loader)
    except yaml.YAMLError as error:
        raise ActionError(f"{path}: not YAML: {error}") from error
    runs = action.get("runs") if isinstance(action, dict) else None
    if not isinstance(runs, dict):
        raise ActionError(f"{path}: `runs` is required")
    if runs.get("using") != "composite":
        raise NotModelledError(f"{path}: runs using {runs.get('using')}")
    for number, step in enumerate(runs.get("steps") or [{}]):
        if "run" in step and "shell" not in step:
            raise ActionError(f"{path}, step {number}: Required property is missing: shell")
        if ("run" in step) == ("uses" in step):
            raise ActionError(f"{path}, step {number}: it needs either `run` or `uses`")
    texts = [runs["steps"], [output["value"] for output in (action.get("outputs") or {}).values()]]
    try:
        expressions.check(texts, CONTEXTS, ["hashFiles"])
    except expressions.ExpressionError as error:
        raise ActionError(f"{path}: {error}") from error
    return action
