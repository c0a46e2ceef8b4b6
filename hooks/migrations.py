"""What has to be done in a repository when it is updated to a version of the template.

Each step is a function, registered with its version and stage. In the stage `before`, the answers
file still has the answers of the old version; the step may change them, and Copier then reads the
file again. The stage `after` comes when the new version has been merged. A step runs if an update
goes from an older version than its own to its own or a newer one.

    @migration("0.3.0", "before")
    def pull_requests_is_called_checks(answers_file: Path) -> None:
        with changed_answers(answers_file) as answers:
            answers["checks"] = answers.pop("pull_requests", True)
"""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "extensions"))

from pipeline.recorded import FORMER_LINE, written
from pipeline.versions import release

STAGES = ("before", "after")

Step = Callable[[Path], None]


@dataclass(frozen=True)
class Migration:
    """A step, and the version that needs it."""

    version: str
    stage: str
    run: Step

    @property
    def name(self) -> str:
        return f"{self.version} {self.stage}: {self.run.__name__}"


MIGRATIONS: list[Migration] = []


def migration(version: str, stage: str) -> Callable[[Step], Step]:
    """Register a step. Raises ValueError for an impossible stage or version."""
    if stage not in STAGES or not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise ValueError(f"no migration can be of {version!r} {stage!r}")

    def register(step: Step) -> Step:
        MIGRATIONS.append(Migration(version, stage, step))
        return step

    return register


def due(
    stage: str, before: str, now: str, migrations: list[Migration] | None = None
) -> list[Migration]:
    """The steps of a stage on the way from one version to another, in the order of versions."""
    steps = MIGRATIONS if migrations is None else migrations
    wanted = [
        step
        for step in steps
        if step.stage == stage and release(before) < release(step.version) <= release(now)
    ]
    return sorted(wanted, key=lambda step: release(step.version))


@contextmanager
def changed_answers(answers_file: Path) -> Iterator[dict[str, Any]]:
    """The recorded answers, to be changed in place. They are written with new checksums, below the
    comment of the file. Without a change nothing is written."""
    text = answers_file.read_text(encoding="utf-8")
    lines = itertools.takewhile(lambda line: line.startswith("#"), text.splitlines(keepends=True))
    above = "".join(line for line in lines if not FORMER_LINE.match(line))
    answers: dict[str, Any] = yaml.safe_load(text)
    yield answers
    if answers == yaml.safe_load(text):
        return
    answers_file.write_text(above + written(answers), encoding="utf-8", newline="\n")


def settings_of_components(answers: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The name and the settings of each component that has some.

    A step comes before the answers are checked. It leaves out what has a wrong form, and the check
    says what is wrong.
    """
    components = answers.get("components")
    if not isinstance(components, dict):
        return []
    return [(name, given) for name, given in components.items() if isinstance(given, dict)]


@migration("0.2.0", "before")
def kubernetes_builds_a_folder(answers_file: Path) -> None:
    """Kubernetes built one file in 0.1. Now it builds a folder with a file for each environment."""
    with changed_answers(answers_file) as answers:
        for name, settings in settings_of_components(answers):
            if "build" in settings:
                continue
            code_type, produces = settings.get("code_type", name), settings.get("produces")
            if (code_type, produces) == ("kubernetes", ["rendered.yaml"]):
                settings["produces"] = ["rendered"]


@migration("0.2.0", "before")
def the_dockerfile_is_a_setting(answers_file: Path) -> None:
    """`DOCKERFILE` was a variable in `env`. Now such a variable is refused."""
    with changed_answers(answers_file) as answers:
        for name, settings in settings_of_components(answers):
            variables = settings.get("env")
            if settings.get("code_type", name) != "docker" or not isinstance(variables, dict):
                continue
            if "DOCKERFILE" not in variables:
                continue
            settings["dockerfile"] = variables.pop("DOCKERFILE")
            if not variables:
                del settings["env"]


@migration("0.2.0", "after")
def tell_what_protects_production(answers_file: Path) -> None:
    """Print what to keep and what to delete on GitHub, because another environment approves now.

    A run of 0.1 keeps its workflows, and only the reviewers of the environment itself can stop it.
    A run can be re-run for 30 days. GitHub: "Re-running workflows and jobs".
    """
    from check_written import read_plan
    from pipeline.github_settings import github_settings

    environments = {e.name: e for e in github_settings(read_plan(answers_file)).environments}
    approvals = {e.approves: e.name for e in environments.values() if e.approves}
    for name, environment in environments.items():
        if name in approvals:
            print(f"On GitHub, before this is merged: set up {approvals[name]} (docs/ci-cd.md).")
            if not environment.reviewed:
                print(KEEP.format(name=name), end="")
        if name in approvals or (environment.reviewed and not environment.approves):
            print(DELETE.format(name=name), end="")


KEEP = """\
  If {name} has required reviewers, keep them for 30 days. In this time somebody can re-run a run of
  version 0.1, and only these reviewers can stop it. So leave out the lines of that page that begin
  with `environment {name} ` and `allow {name} `. After 30 days, run this with the page's functions:
    environment {name} "$policy, "'"reviewers": []'
"""
DELETE = """\
On GitHub, when this is merged: nothing uses {name}-retry any more, if there is one.
    gh api --method DELETE "repos/{{owner}}/{{repo}}/environments/{name}-retry"
"""
