"""What a person has to set up on GitHub before the pipelines can run, for exactly these answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Set
from dataclasses import dataclass

from .builds import BuildWorkflow
from .component_plans import ComponentPlan, plan_environment, planned_for
from .deployments import DeployWorkflow
from .environments import Environment, is_pattern
from .orchestrators import orchestrator_file
from .plan import Plan
from .scope import deploys_to, root
from .steps import named_variables


@dataclass(frozen=True)
class GitHubEnvironment:
    """A GitHub Environment that jobs name."""

    name: str
    reviewed: bool
    """Whether a person should have to approve what is deployed there."""
    refs: tuple[tuple[str, str], ...]
    """(ref, type): the only branches and tags that may deploy there, globs allowed, as
    deployment-branch policies name them; empty if policies cannot name all of them."""
    secrets: tuple[str, ...]
    """Secrets that jobs read there."""
    variables: tuple[str, ...]
    """Configuration variables that only jobs with an environment read."""
    clouds: tuple[str, ...]
    """The clouds that jobs log in to there."""
    reads: str = ""
    """The environment that its identity may read, and not change; empty for one that deploys."""
    approves: str = ""
    """The environment whose deployments are approved here; empty if that is not its purpose."""
    publishes: bool = False
    """Whether package indexes trust it."""


@dataclass(frozen=True)
class Publisher:
    """What to register at a package index, so that it trusts a component's job."""

    component: str
    file: str
    """The workflow that holds the job: `job_workflow_ref` in GitHub's token."""
    run_file: str
    """The workflow that was started, `workflow_ref`: an orchestrator's, if that calls the job."""
    environment: str
    tag: str


@dataclass(frozen=True)
class GitHubSettings:
    """Everything that a person has to set up."""

    default_branch: str
    """The branch that has to be the default branch; empty if any can be."""
    environments: tuple[GitHubEnvironment, ...]
    build_secrets: tuple[str, ...]
    """Secrets of the repository: jobs that deploy nothing read them."""
    install_secrets: tuple[str, ...]
    """Those of them that pull requests get, too. Dependabot has its own store for them."""
    variables: tuple[str, ...]
    """Configuration variables of the repository."""
    clouds: tuple[str, ...]
    """The clouds that jobs log in to."""
    checked_branches: str
    """JSON: the branches whose pull requests are checked, as a ruleset names them."""
    previews: tuple[tuple[str, str], ...]
    """(environment, branches): anybody who can push to the branches deploys without a review."""
    created_branches: str
    """JSON: the patterns of branches that lead to production, as a ruleset names them."""
    deployed_branches: tuple[str, ...]
    """The branches that environments deploy, without patterns."""
    deployed_tags: tuple[str, ...]
    """The tags that start environments, as a ruleset names them."""
    prerequisites: tuple[str, ...]
    """What the code types ask for, as Markdown."""
    publishers: tuple[Publisher, ...] = ()
    """What to register at package indexes. Components that publish by a secret are left out."""

    @property
    def needs_secrets(self) -> bool:
        return bool(self.build_secrets) or any(e.secrets for e in self.environments)

    def identities(self, cloud: str) -> list[str]:
        """The environments that have an identity of a cloud."""
        return [e.name for e in self.environments if cloud in e.clouds]

    @property
    def needs_variables(self) -> bool:
        return bool(self.variables) or any(e.variables for e in self.environments)


def github_settings(plan: Plan) -> GitHubSettings:
    """What has to be set up for the plan."""
    variables = named_variables([text for build in plan.builds for text in _texts(build)])
    environments = [
        found
        for environment in plan.environments
        for found in _of_environment(plan, environment, variables)
    ]
    environments += _of_registry(plan)
    return GitHubSettings(
        default_branch=_default_branch(plan),
        environments=tuple(environments),
        build_secrets=_sorted(secret for build in plan.builds for secret in build.secrets),
        install_secrets=_sorted(
            secret for build in plan.builds for secret in build.component.install_secrets
        ),
        variables=tuple(sorted(variables)),
        clouds=_sorted(cloud for e in environments for cloud in e.clouds),
        checked_branches=json.dumps(_checked_branches(plan)),
        previews=_previews(plan),
        created_branches=json.dumps(_created_branches(plan)),
        deployed_branches=_deployed(plan, "branch"),
        deployed_tags=_deployed(plan, "tag"),
        prerequisites=_prerequisites(plan),
        publishers=_publishers(plan),
    )


def _of_environment(
    plan: Plan, environment: Environment, of_repository: Set[str]
) -> list[GitHubEnvironment]:
    """The GitHub Environments that one environment of the answers needs."""
    deploys = [d for d in plan.deploys if deploys_to(d.component, environment)]
    if not deploys:
        return []
    refs = _only_refs(plan, environment)
    found = []
    if environment.production and plan.answers.approval == "once":
        approval = f"{environment.name}-approval"
        found.append(GitHubEnvironment(approval, True, refs, (), (), (), approves=environment.name))
    if environment.name in plan.shown_for:
        found.append(_of_plans(plan, environment, of_repository))
    texts = [text for deploy in deploys for text in _texts(deploy)]
    found.append(
        GitHubEnvironment(
            name=environment.name,
            reviewed=_is_reviewed(plan, environment),
            refs=refs,
            secrets=_sorted(secret for d in deploys for secret in d.secrets),
            variables=_sorted(_read_in(environment, plan.environments, texts) - of_repository),
            clouds=_sorted(d.cloud for d in deploys if d.cloud),
            publishes=any(d.identity for d in deploys),
        )
    )
    return found


def _of_registry(plan: Plan) -> list[GitHubEnvironment]:
    """The GitHub Environment in which builds push to a cloud's registry, if there is one."""
    pushing = [build for build in plan.builds if build.environment]
    if not pushing:
        return []
    texts = [text for build in pushing for text in build.login]
    return [
        GitHubEnvironment(
            name=pushing[0].environment,
            reviewed=False,
            refs=_pushing_refs(plan),
            secrets=(),
            variables=_sorted(named_variables(texts)),
            clouds=_sorted(build.cloud for build in pushing if build.cloud),
        )
    ]


def _publishers(plan: Plan) -> tuple[Publisher, ...]:
    """The jobs that publish without a secret."""
    trusted = {d.component.name: d.file for d in plan.deploys if d.identity and not d.secrets}
    return tuple(
        Publisher(
            component=workflow.component.name,
            file=trusted[workflow.component.name],
            run_file=orchestrator_file(workflow.environment) if plan.calls else workflow.file,
            environment=workflow.environment.name,
            tag=workflow.environment.source,
        )
        for workflow in plan.workflows
        if workflow.deploys and workflow.component.name in trusted
    )


def _of_plans(plan: Plan, environment: Environment, of_repository: Set[str]) -> GitHubEnvironment:
    """The GitHub Environment whose identity may only read. Pull requests log in there, too."""
    plans = [p for p in plan.plans if deploys_to(p.component, environment)]
    texts = [text for each in plans for text in _texts(each)]
    refs = _only_refs(plan, environment)
    if refs and environment.name in planned_for(plan.pull_requests):
        refs = (*refs, ("refs/pull/*/merge", "branch"))
    default = (_default_branch(plan) or plan.answers.default_branch, "branch")
    if refs and plan.drift and default not in refs:  # what a schedule starts runs there
        refs = (*refs, default)
    return GitHubEnvironment(
        name=plan_environment(environment.name),
        reviewed=False,
        refs=refs,
        secrets=_sorted(secret for each in plans for secret in each.secrets),
        variables=_sorted(_read_in(environment, plan.environments, texts) - of_repository),
        clouds=_sorted(each.cloud for each in plans if each.cloud),
        reads=environment.name,
    )


def _texts(workflow: BuildWorkflow | DeployWorkflow | ComponentPlan) -> list[str]:
    """The texts of a workflow that may name a variable of GitHub's.

    The login to a registry is left out if it runs in an environment of its own.
    """
    commands = workflow.commands if isinstance(workflow, BuildWorkflow) else (workflow.command,)
    if isinstance(workflow, DeployWorkflow) and workflow.plan:
        commands = (workflow.plan, *commands)
    login = () if isinstance(workflow, BuildWorkflow) and workflow.environment else workflow.login
    texts = [*login, *workflow.variables.values(), *(tool.text for tool in workflow.tools)]
    if isinstance(workflow, BuildWorkflow):
        for service in workflow.services.values():
            texts += service.get("env", {}).values()
    return texts + [value for command in commands for value in command.variables.values()]


def _read_in(
    environment: Environment, environments: Iterable[Environment], texts: list[str]
) -> set[str]:
    """The variables of GitHub's that texts read in an environment.

    A table of all environments' values names the variables of others, too."""
    here = named_variables(list(environment.env.values()))
    of_others = named_variables([v for e in environments for v in e.env.values()]) - here
    tables = [text for text in texts if "[inputs.environment]" in text]
    others = [text for text in texts if text not in tables]
    return named_variables(others) | (named_variables(tables) - of_others)


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    """Each name once, in alphabetical order."""
    return tuple(sorted(set(names)))


def _is_reviewed(plan: Plan, environment: Environment) -> bool:
    """Whether deployments themselves ask for a person.

    With one approval for all, they ask only if anybody could push a workflow of their own that
    names the environment: if the environment starts on a tag, on a pattern or by hand.
    """
    if not environment.production or plan.answers.approval == "none":
        return False
    return plan.answers.approval == "each" or not _only_branch(plan, environment)


def _checked_branches(plan: Plan) -> list[str]:
    """The branches that environments deploy on a push, without previews of unreviewed branches.

    A ruleset's pattern may match more than the environment's, but not every branch. The default
    branch is always one of them, because its workflows count as reviewed.
    """
    previews = [branch for _, branch in _previews(plan)]
    sources = [e.source for e in plan.environments if e.trigger == "branch"]
    named = _ruleset_branches([s for s in sources if s not in previews])
    return named if f"refs/heads/{_default_branch(plan)}" in named else [*named, "~DEFAULT_BRANCH"]


def _created_branches(plan: Plan) -> list[str]:
    """The patterns of branches that lead to production, unless they fit every branch.

    A rule that requires pull requests still lets anybody create such a branch.
    """
    first = [root(e, plan.environments) for e in plan.environments if e.production]
    return _ruleset_branches(
        [e.source for e in first if e.trigger == "branch" and is_pattern(e.source)]
    )


def _ruleset_branches(sources: list[str]) -> list[str]:
    """Branches as rulesets name them."""
    names = [name for source in sources for name in _ruleset_patterns(source)]
    return list(dict.fromkeys(f"refs/heads/{name}" for name in names if name[0] != "*"))


def _previews(plan: Plan) -> tuple[tuple[str, str], ...]:
    """(environment, branches): those that deploy a pattern of branches, and lead to no production.

    A ruleset that asks for a review would refuse every push to such a branch.
    """
    to_production = {e.root for e in plan.environments if e.production}
    return tuple(
        (e.name, e.source)
        for e in plan.environments
        if e.trigger == "branch" and is_pattern(e.source) and e.name not in to_production
    )


def _ruleset_patterns(ref: str) -> list[str]:
    """A filter of branches or tags as patterns of a ruleset, which may match more.

    Rulesets have Ruby's `fnmatch`: `**` crosses no `/` unless it is a folder of its own, and `+`
    and `?` repeat nothing. GitHub: "Creating rulesets for a repository".
    """
    if not is_pattern(re.sub(r"(?<!\*)\*(?!\*)", "", ref)):
        return [ref]
    start = re.sub(r"(?:.\?|[*+\[]).*", "", ref)
    rest = ref[len(start) :]
    folders = "**" in rest or "/" in rest
    return [f"{start}*", f"{start}*/**/*"] if folders else [f"{start}*"]


def _deployed(plan: Plan, trigger: str) -> tuple[str, ...]:
    """The branches that start environments, without patterns; or tags, as rulesets name them."""
    refs = [e.source for e in plan.environments if e.trigger == trigger]
    if trigger == "tag":
        return tuple(dict.fromkeys(pattern for ref in refs for pattern in _ruleset_patterns(ref)))
    return tuple(dict.fromkeys(ref for ref in refs if not is_pattern(ref)))


def _prerequisites(plan: Plan) -> tuple[str, ...]:
    texts: list[str] = []
    for component in plan.answers.components:
        texts += component.code_type.prerequisites
        logs_in = "deploy" in component.commands and not component.publishes
        if logs_in and component.cloud in component.code_type.clouds:
            texts += component.code_type.clouds[component.cloud].prerequisites
    return tuple(dict.fromkeys(texts))


def _only_branch(plan: Plan, environment: Environment) -> str:
    first = root(environment, plan.environments)
    literal = first.trigger == "branch" and not is_pattern(first.source)
    return first.source if literal else ""


def _only_refs(plan: Plan, *environments: Environment) -> tuple[tuple[str, str], ...]:
    """Which refs may deploy to a GitHub Environment, and their types, for its branch policies.

    What comes after another environment runs on the default branch, and so does, under `observe`,
    what comes after another component. Policies know `*`, and not the other patterns of triggers.
    GitHub: "Deployment branches and tags".
    """
    refs: dict[tuple[str, str], None] = {}
    for environment in environments:
        ref, kind = environment.source, environment.trigger
        if environment.trigger == "after":
            ref, kind = _only_branch(plan, environment), "branch"
        simple = not is_pattern(re.sub(r"(?<!\*)\*(?!\*)", "", ref))
        if kind not in ("branch", "tag") or not ref or not simple:
            return ()
        refs[ref, kind] = None
    if plan.observes and len(plan.waves) > 1:
        default = _default_branch(plan)
        if not default:
            return ()
        refs[default, "branch"] = None
    return tuple(refs)


def _pushing_refs(plan: Plan) -> tuple[tuple[str, str], ...]:
    """Which refs may push to a cloud's registry: those of the environments that build images."""
    files = {build.file for build in plan.builds if build.environment}
    calls = [(o.environment.name, call) for o in plan.orchestrators for call in o.builds]
    calls += [(w.environment.name, call) for w in plan.workflows for call in w.calls]
    building = {name for name, call in calls if call.file in files}
    return _only_refs(plan, *(e for e in plan.environments if e.name in building))


def _default_branch(plan: Plan) -> str:
    """`workflow_run` runs the workflow on the default branch, and counts as a run of that branch.

    So the chain works, and branch rules of its environments hold, only when the default branch is
    the one that the chain starts from. GitHub: "Events that trigger workflows", workflow_run.
    """
    chained = [e for e in plan.environments if e.trigger == "after"]
    if plan.observes and len(plan.waves) > 1:
        chained = chained or [e for e in plan.environments if e.trigger == "branch"]
    # If chains start from different branches, production's chain decides.
    chained.sort(key=lambda e: not e.production)
    return next((branch for e in chained if (branch := _only_branch(plan, e))), "")
