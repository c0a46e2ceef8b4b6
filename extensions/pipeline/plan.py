"""The plan: everything that is generated. Nothing is decided after it.

File names, job ids and artifact names are a contract (README, "What is generated").
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .actions import ACTIONS, action_files
from .answers import Answers
from .builds import BuildWorkflow, build_workflow
from .code_type_model import SETUP_FILES, CodeType
from .component_plans import ComponentPlan, component_plan, planned_for
from .component_workflows import ComponentWorkflow, component_workflow
from .deployments import DeployWorkflow, deploy_workflow
from .environments import Environment
from .graph import waves
from .infrastructure_drift import FILE as DRIFT_OF_INFRASTRUCTURE
from .infrastructure_drift import InfrastructureDrift, infrastructure_drift
from .orchestrators import OrchestratorWorkflow, orchestrator_workflow
from .pull_request import PullRequest, is_hosted, plan_pull_requests
from .repository_files import WORKFLOWS
from .scope import scope_of
from .sizes import check_commands_size, check_orchestrator_size
from .steps import SetupAction
from .triggers import NOTHING, triggers_under_observe
from .what_changed import components_data

DRIFT_FILE = "drift.yml"
"""No other file has this name: the files of components have at least two words."""


@dataclass(frozen=True)
class Plan:
    """Everything that is generated."""

    answers: Answers
    waves: tuple[tuple[str, ...], ...]
    """All components, in the order of deployment."""
    builds: tuple[BuildWorkflow, ...]
    deploys: tuple[DeployWorkflow, ...]
    plans: tuple[ComponentPlan, ...]
    """What deployments would change, for components with `plan: true`."""
    workflows: tuple[ComponentWorkflow, ...]
    """Those of one component and one environment."""
    orchestrators: tuple[OrchestratorWorkflow, ...]
    pull_requests: tuple[PullRequest, ...]
    """The checks of pull requests; none with `pull_requests: false`."""
    drift: InfrastructureDrift | None = None
    """What looks for drift on a schedule."""
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
        """Whether pull requests are checked for edits of generated files."""
        return self.answers.drift_check

    @property
    def asks_once(self) -> bool:
        """Whether a production environment has a job that waits for an approval."""
        return any(o.approval for o in self.orchestrators) or any(
            w.approval for w in self.workflows
        )

    @property
    def installs_with_secrets(self) -> bool:
        """Whether a build gets secrets to install with."""
        return any(build.missing for build in self.builds)

    @property
    def own_runner(self) -> bool:
        """Whether jobs without a component may run on the project's own machines."""
        return not is_hosted(self.answers.runner)

    @property
    def order(self) -> tuple[str, ...]:
        """The components in the order in which they are deployed."""
        return tuple(name for wave in self.waves for name in wave)

    @property
    def code_types(self) -> list[CodeType]:
        """The code types of its components, each once, by name."""
        by_name = {c.code_type.name: c.code_type for c in self.answers.components}
        return [by_name[name] for name in sorted(by_name)]

    @property
    def setups(self) -> list[SetupAction]:
        """The actions of code types that some workflow uses, by name."""
        tools = [tool for build in self.builds for tool in build.tools]
        tools += [tool for deploy in self.deploys for tool in deploy.tools]
        tools += [tool for plan in self.plans for tool in plan.tools]
        used = {tool.action for tool in tools}
        actions = [SetupAction(c, c.setup) for c in self.code_types if c.setup]
        return [action for action in actions if action.name in used]

    @property
    def shown_for(self) -> list[str]:
        """The environments for which some workflow shows a plan."""
        drift = [self.drift] if self.drift else []
        found = planned_for((*self.orchestrators, *self.workflows, *self.pull_requests, *drift))
        return [environment.name for environment in self.environments if environment.name in found]

    @property
    def reviewed_plans(self) -> list[str]:
        """The environments whose plans a person sees before approving the deployment."""
        found = planned_for((*self.orchestrators, *self.workflows))
        return [environment.name for environment in self.environments if environment.name in found]

    @property
    def called_files(self) -> tuple[str, ...]:
        """The files that other files call, start or wait for."""
        before = {o.predecessor.name for o in self.orchestrators if o.predecessor}
        workflows = [build.file for build in self.builds]
        workflows += [deploy.file for deploy in self.deploys] + [plan.file for plan in self.plans]
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
            bool(self.plans),
            bool(self.drift),
        )
        return (*shared, *setups)

    @property
    def components_data(self) -> str:
        """The data about components that what-changed reads, as JSON."""
        return components_data(self.answers)

    @property
    def files(self) -> tuple[str, ...]:
        """Every generated file but the answers file, relative to the repository's root."""
        names = [
            *(build.file for build in self.builds),
            *(deploy.file for deploy in self.deploys),
            *(plan.file for plan in self.plans),
            *(workflow.file for workflow in self.workflows),
            *(orchestrator.file for orchestrator in self.orchestrators),
            *(pull_request.file for pull_request in self.pull_requests),
        ]
        if self.checks_drift:
            names.append(DRIFT_FILE)
        if self.drift:
            names.append(DRIFT_OF_INFRASTRUCTURE)
        workflows = [f"{WORKFLOWS}/{name}" for name in names]
        return tuple(sorted([*workflows, *self.action_files, "docs/ci-cd.md"]))


def make_plan(answers: Answers) -> Plan:
    """Turn answers into the plan. Raises AnswerError if GitHub would not read a file of it."""
    order = waves(answers.dependencies.graph(answers.components))
    by_name = {component.name: component for component in answers.components}
    ordered = [by_name[name] for wave in order for name in wave]
    builds = {c.name: build_workflow(c, answers) for c in ordered if c.builds}
    deploys = {c.name: d for c in ordered if (d := deploy_workflow(c, answers))}
    for build in builds.values():
        check_commands_size(build.component, build.file, build.commands)
    for deploy in deploys.values():
        commands = (deploy.plan, deploy.command) if deploy.plan else (deploy.command,)
        check_commands_size(deploy.component, deploy.file, commands)
    graph = answers.dependencies.graph(answers.components)
    plans = {n: component_plan(d, graph, answers) for n, d in deploys.items() if d.plan}
    workflows: list[ComponentWorkflow] = []
    orchestrators = []
    notices = [*answers.notices, *answers.dependencies.notices]
    for environment in answers.environments:
        scope = scope_of(
            environment, answers.environments, answers.components, answers.dependencies
        )
        if not scope.components:
            name = environment.name
            notices.append(f"No component belongs to {name}: its orchestrator does nothing.")
        triggers = (
            triggers_under_observe(
                answers.components, answers.dependencies, environment, answers.environments
            )
            if answers.orchestration == "observe"
            else dict.fromkeys(by_name, NOTHING)
        )
        its_workflows = {
            name: component_workflow(
                builds.get(name),
                deploys.get(name),
                plans.get(name),
                by_name[name],
                scope,
                triggers[name],
                answers,
            )
            for name in scope.components
            if by_name[name].belongs_to(environment.name)
            or answers.orchestration == "observe"
            or (answers.orchestration == "dispatch" and name in scope.built | scope.deployed)
        }
        workflows += its_workflows.values()
        orchestrator = orchestrator_workflow(scope, builds, deploys, plans, its_workflows, answers)
        check_orchestrator_size(orchestrator)
        orchestrators.append(orchestrator)
    return Plan(
        answers=answers,
        waves=order,
        builds=tuple(builds.values()),
        deploys=tuple(deploys.values()),
        plans=tuple(plans.values()),
        workflows=tuple(workflows),
        orchestrators=tuple(orchestrators),
        pull_requests=plan_pull_requests(builds, plans, answers) if answers.pull_requests else (),
        drift=infrastructure_drift(plans, answers),
        notices=tuple(notices),
    )
