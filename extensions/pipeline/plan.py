"""The plan: everything that is generated. Nothing is decided after it.

File names, job ids and artifact names are a contract (README, "What is generated").
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field

from .actions import ACTIONS, action_files
from .answers import Answers
from .builds import BuildWorkflow, build_workflow
from .code_types import SETUP_FILES, CodeType
from .component_workflows import ComponentWorkflow, component_workflow
from .components import Component
from .dependencies import PACKAGES_FOLDER
from .deployments import DeployWorkflow, deploy_workflow
from .environments import Environment, is_pattern
from .errors import AnswerError
from .graph import waves
from .limits import WORKFLOW_FILE_BYTES
from .orchestrators import Orchestrator, plan_orchestrator
from .proposal import still_so
from .pull_request import PullRequest, is_hosted, plan_pull_requests
from .scope import root, scope
from .steps import Command, SetupAction
from .triggers import NOTHING, observed
from .what_changed import components_data

WORKFLOWS = ".github/workflows"
DRIFT_FILE = "drift.yml"
"""No component's file and no workflow's name is like it: those are always of two words."""


@dataclass(frozen=True)
class Plan:
    """Everything that is generated."""

    answers: Answers
    waves: tuple[tuple[str, ...], ...]
    """All components, in the order of deployment."""
    builds: tuple[BuildWorkflow, ...]
    deploys: tuple[DeployWorkflow, ...]
    workflows: tuple[ComponentWorkflow, ...]
    """Those of one component and one environment."""
    orchestrators: tuple[Orchestrator, ...]
    pull_requests: tuple[PullRequest, ...]
    """The checks of pull requests; none where the answers do without."""
    notices: tuple[str, ...] = field(default=())

    @property
    def environments(self) -> tuple[Environment, ...]:
        return self.answers.environments

    @property
    def calls(self) -> bool:
        """Whether orchestrators call builds and deployments, so that all is one run."""
        return self.answers.orchestration == "call"

    @property
    def dispatches(self) -> bool:
        """Whether orchestrators start each component's workflow as a run of its own."""
        return self.answers.orchestration == "dispatch"

    @property
    def observes(self) -> bool:
        """Whether components' workflows start by themselves, and orchestrators only watch."""
        return self.answers.orchestration == "observe"

    @property
    def reports(self) -> bool:
        """Whether tests leave reports that are shown."""
        return any(build.reports for build in self.builds)

    @property
    def checks_drift(self) -> bool:
        """Whether pull requests are told where what is generated was changed."""
        return self.answers.drift_check

    @property
    def asks_once(self) -> bool:
        """Whether some production has a job that waits for its approval."""
        return any(o.approval for o in self.orchestrators) or any(
            w.approval for w in self.workflows
        )

    @property
    def installs_with_secrets(self) -> bool:
        """Whether some build is handed secrets with which it installs."""
        return any(build.missing for build in self.builds)

    @property
    def own_runner(self) -> bool:
        """Whether what concerns the whole repository may run on a machine of the project's own."""
        return not is_hosted(self.answers.runner)

    @property
    def order(self) -> tuple[str, ...]:
        """The components in the order in which they are deployed."""
        return tuple(name for wave in self.waves for name in wave)

    @property
    def explained(self) -> list[str]:
        """The waves as people read them: `terraform (after python)`."""
        edges = self.answers.dependencies.edges
        after = {
            name: sorted(e.producer for e in edges if e.consumer == name) for name in self.order
        }
        return [
            ", ".join(f"{n} (after {', '.join(after[n])})" if after[n] else n for n in wave)
            for wave in self.waves
        ]

    @property
    def arrows(self) -> list[tuple[int, int]]:
        """The edges of the picture in docs/ci-cd.md, by the places of both ends in the order."""
        place = {name: index for index, name in enumerate(self.order)}
        edges = self.answers.dependencies.edges
        return sorted((place[edge.producer], place[edge.consumer]) for edge in edges)

    @property
    def placements(self) -> list[tuple[str, str, str, str]]:
        """(producer, product, consumer, where) for every file that is handed on."""
        return [
            (
                e.producer,
                p.product,
                e.consumer,
                p.to or f"{PACKAGES_FOLDER}/{e.producer}/{p.product}",
            )
            for e in self.answers.dependencies.edges
            for p in e.placements
        ]

    @property
    def found(self) -> list[tuple[str, str]]:
        """(what, which file speaks for it): of what was proposed, as far as it was taken."""
        edges = {(e.consumer, e.producer) for e in self.answers.dependencies.edges}
        paths = {c.name: c.path for c in self.answers.components}
        environments = [e.name for e in self.environments]
        return still_so(self.answers.found, paths, edges, environments)

    @property
    def code_types(self) -> list[CodeType]:
        """The code types of its components, each once, by name."""
        by_name = {c.code_type.name: c.code_type for c in self.answers.components}
        return [by_name[name] for name in sorted(by_name)]

    @property
    def setups(self) -> list[SetupAction]:
        """The actions of code types that some workflow uses, by name."""
        tools = [t for b in self.builds for t in b.tools] + [
            t for d in self.deploys for t in d.tools
        ]
        used = {tool.action for tool in tools}
        actions = [SetupAction(c, c.setup) for c in self.code_types if c.setup]
        return [action for action in actions if action.name in used]

    @property
    def chained(self) -> list[str]:
        """The environments that come after others."""
        return [e.name for e in self.environments if e.trigger == "after"]

    @property
    def hand_branch(self) -> str:
        """The branch or tag from which a person starts the last orchestrator."""
        if self.environments[-1].trigger == "tag":
            return "TAG"
        first = root(self.environments[-1], self.environments)
        literal = first.trigger == "branch" and not is_pattern(first.source)
        return shlex.quote(first.source) if literal else "BRANCH"

    @property
    def called_files(self) -> tuple[str, ...]:
        """Those of the files without which others do not work: called, started or waited for."""
        before = {o.predecessor.name for o in self.orchestrators if o.predecessor}
        workflows = [b.file for b in self.builds] + [d.file for d in self.deploys]
        if not self.calls:
            workflows += [w.file for w in self.workflows]
        workflows += [o.file for o in self.orchestrators if o.environment.name in before]
        return tuple(sorted([*(f"{WORKFLOWS}/{file}" for file in workflows), *self.action_files]))

    @property
    def action_files(self) -> tuple[str, ...]:
        """The files of the composite actions."""
        setups = [
            f"{ACTIONS}/{action.name}/{file}"
            for action in self.setups
            for file in (*SETUP_FILES, *action.setup.files)
        ]
        shared = action_files(
            self.answers.orchestration,
            self.reports,
            self.installs_with_secrets,
            bool(self.pull_requests),
        )
        return (*shared, *setups)

    @property
    def components_data(self) -> str:
        """What decides on a change has to know of the components, as JSON."""
        return components_data(self.answers)

    @property
    def files(self) -> tuple[str, ...]:
        """Every generated file but the answers file, relative to the repository's root."""
        of_workflows = (
            *(build.file for build in self.builds),
            *(deploy.file for deploy in self.deploys),
            *(workflow.file for workflow in self.workflows),
            *(o.file for o in self.orchestrators),
            *(p.file for p in self.pull_requests),
            *[DRIFT_FILE] * self.checks_drift,
        )
        workflows = [f"{WORKFLOWS}/{file}" for file in of_workflows]
        return tuple(sorted([*workflows, *self.action_files, "docs/ci-cd.md"]))


def make_plan(answers: Answers) -> Plan:
    """Turn answers into the plan. Raises AnswerError for more than GitHub reads."""
    order = waves(answers.dependencies.graph(answers.components))
    by_name = {component.name: component for component in answers.components}
    ordered = [by_name[name] for wave in order for name in wave]
    builds = {c.name: build_workflow(c, answers) for c in ordered if c.builds}
    deploys = {c.name: d for c in ordered if (d := deploy_workflow(c, answers))}
    for build in builds.values():
        _check_size(build.component, build.file, build.commands)
    for deploy in deploys.values():
        _check_size(deploy.component, deploy.file, (deploy.command,))
    workflows: list[ComponentWorkflow] = []
    orchestrators = []
    for environment in answers.environments:
        where = scope(environment, answers.environments, answers.components, answers.dependencies)
        triggers = (
            observed(answers.components, answers.dependencies, environment, answers.environments)
            if answers.orchestration == "observe"
            else dict.fromkeys(by_name, NOTHING)
        )
        its_workflows = {
            name: component_workflow(
                builds.get(name),
                deploys.get(name),
                by_name[name],
                where,
                triggers[name],
                answers,
            )
            for name in where.components
            if by_name[name].belongs_to(environment.name)
            or answers.orchestration == "observe"
            or (answers.orchestration == "dispatch" and name in where.built | where.deployed)
        }
        workflows += its_workflows.values()
        orchestrator = plan_orchestrator(where, builds, deploys, its_workflows, answers)
        orchestrators.append(orchestrator)
    return Plan(
        answers=answers,
        waves=order,
        builds=tuple(builds.values()),
        deploys=tuple(deploys.values()),
        workflows=tuple(workflows),
        orchestrators=tuple(orchestrators),
        pull_requests=plan_pull_requests(builds, answers) if answers.pull_requests else (),
        notices=answers.notices + answers.dependencies.notices,
    )


def _check_size(component: Component, file: str, commands: tuple[Command, ...]) -> None:
    """Refuse commands of a length that GitHub does not read. Raises AnswerError."""
    # Each line is indented by ten characters; all else is small.
    size = 4_000 + sum(len(command.text) + 10 * command.text.count("\n") for command in commands)
    if size > WORKFLOW_FILE_BYTES:
        raise AnswerError(
            f"components.{component.name}",
            f"{file} would have about {size // 1024} KB, and GitHub reads at most "
            f"{WORKFLOW_FILE_BYTES // 1024} KB; put its commands into a script",
        )
