"""A repository's own workflows that start on a push which an environment deploys.

What such a workflow deploys would be deployed twice. No program can tell for sure which workflows
deploy. So all are named, each with the sign that it deploys, or with a note that there is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from .environments import Environment, filter_to_regex, is_pattern
from .errors import one_line
from .plan import Plan
from .repository_files import WORKFLOWS
from .yaml_text import NOT_YAML

ACTION = re.compile(
    r"deploy|publish|release|configure-aws-credentials|google-github-actions/auth"
    r"|^(azure|docker)/(login|build-push-action|login-action)|ecr-login|setup-(helm|kubectl)",
    re.IGNORECASE,
)
"""Actions that deploy or publish, or that log in before that."""

COMMAND = re.compile(
    r"(?:terraform|tofu|terragrunt) apply|kubectl (?:apply|set|rollout|replace)"
    r"|helm (?:upgrade|install)|docker push|docker buildx build [^\n]*--push|pulumi up"
    r"|ansible-playbook|(?:npm|poetry|uv|cargo) publish|twine upload|aws s3 (?:sync|cp)"
    r"|aws (?:lambda|ecs) update-\S+|\brsync\b|\bscp\b|\S*deploy\S*",
    re.IGNORECASE,
)
"""Commands that deploy or publish."""

NAME = re.compile(r"deploy|deliver|publish|release|(?<![a-z])cd(?![a-z])", re.IGNORECASE)
"""What the name of a workflow that deploys contains."""


def deploying_twice(plan: Plan, texts: Mapping[str, str]) -> list[str]:
    """One line for each own workflow that starts on a push which an environment deploys.

    `texts` are the repository's own workflows, by file name.
    """
    workflows: dict[str, dict[Any, Any]] = {}
    lines = {}
    for name, text in texts.items():
        try:
            workflow = yaml.safe_load(text)
        except NOT_YAML:
            lines[name] = "cannot be read; check yourself what it does"
            continue
        if isinstance(workflow, dict):
            workflows[name] = workflow
    for name, how in _started(plan, workflows).items():
        lines[name] = f"starts on {how}; {_whether_it_deploys(name, workflows)}"
    return [one_line(f"{WORKFLOWS}/{name}: {lines[name]}") for name in sorted(lines)]


# What starts it ------------------------------------------------------------------------------


def _started(plan: Plan, workflows: Mapping[str, dict[Any, Any]]) -> dict[str, str]:
    """The workflows that a deployed push starts, at once or after one another, with how."""
    deploying = [e for e in plan.environments if e.trigger in ("branch", "tag")]
    found = {}
    for name, workflow in workflows.items():
        events = _events(workflow)
        ways = [way for e in deploying for way in [_how_started(events, e)] if way]
        if ways:
            found[name] = " and ".join(dict.fromkeys(ways))
    while True:
        started = {_title(name, workflows[name]): name for name in found}
        more = {
            name: f"the end of {before}"
            for name, workflow in workflows.items()
            for before in _as_list(_events(workflow).get("workflow_run", {}).get("workflows"))
            if name not in found and before in started
        }
        if not more:
            return found
        found |= more


def _title(name: str, workflow: Mapping[Any, Any]) -> str:
    """The name by which `workflow_run` knows it: its path, if it has no name."""
    return str(workflow.get("name") or f"{WORKFLOWS}/{name}")


def _events(workflow: Mapping[Any, Any]) -> dict[str, Mapping[str, Any]]:
    """What starts a workflow, with its filters."""
    on = workflow.get("on", workflow.get(True))  # a bare `on` is `true` to YAML 1.1
    if isinstance(on, dict):
        return {str(event): f if isinstance(f, dict) else {} for event, f in on.items()}
    return {event: {} for event in _as_list(on)}


def _how_started(events: Mapping[str, Mapping[str, Any]], environment: Environment) -> str:
    """How a push that an environment deploys starts a workflow; empty if it does not."""
    source, name = environment.source, environment.name
    branch = environment.trigger == "branch"
    push = events.get("push")
    if push is not None and _lets_in(push, environment):
        # GitHub does not look at paths when a tag is pushed.
        some = branch and ("paths" in push or "paths-ignore" in push)
        files = " (of some files)" if some else ""
        return f"a push {'to' if branch else 'of a tag'} {source}{files}, which deploys to {name}"
    if "create" in events and (not branch or is_pattern(source)):
        return f"the creation of {source}, which deploys to {name}"
    for event in ("pull_request", "pull_request_target"):
        filters = events.get(event, {})
        if branch and "closed" in _as_list(filters.get("types")) and _lets_in(filters, environment):
            return f"a merge to {source}, which deploys to {name}"
    return ""


def _lets_in(filters: Mapping[str, Any], environment: Environment) -> bool:
    """Whether filters of branches and tags let in a push that an environment deploys."""
    mine, other = "branches", "tags"
    if environment.trigger == "tag":
        mine, other = other, mine
    if mine in filters:
        let_in = False
        for pattern in _as_list(filters[mine]):
            if pattern.startswith("!"):
                let_in = let_in and not _covers(pattern[1:], environment.source)
            else:
                let_in = let_in or _overlap(pattern, environment.source)
        return let_in
    if f"{mine}-ignore" in filters:
        ignored = _as_list(filters[f"{mine}-ignore"])
        return not any(_covers(pattern, environment.source) for pattern in ignored)
    return other not in filters and f"{other}-ignore" not in filters


def _covers(pattern: str, source: str) -> bool:
    """Whether a filter matches every name that an environment's branch or tag matches."""
    if is_pattern(source):
        return pattern in (source, "**")
    return _matches(pattern, source)


def _overlap(one: str, other: str) -> bool:
    """Whether a name may match both. Two patterns may, unless their beginnings differ."""
    if not is_pattern(other):
        return _matches(one, other)
    if not is_pattern(one):
        return _matches(other, one)
    # What `?` and `+` repeat is the character before them, which may be missing.
    beginnings = [re.split(r".[?+]|[*\[]", pattern)[0] for pattern in (one, other)]
    short, long = sorted(beginnings, key=len)
    return long.startswith(short)


def _matches(pattern: str, name: str) -> bool:
    try:
        return bool(re.match(filter_to_regex(pattern), name))
    except re.error:
        return True  # GitHub does not read it either; naming one too many is safer


def _as_list(value: Any) -> list[str]:
    """Text or a list of it, as a list."""
    values = value if isinstance(value, list) else [value]
    return [str(item) for item in values if item is not None and not isinstance(item, (dict, list))]


# Whether it deploys --------------------------------------------------------------------------


def _whether_it_deploys(name: str, workflows: Mapping[str, dict[Any, Any]]) -> str:
    """The sign that a workflow deploys, or the note that there is none."""
    unknown = []
    for sign, certain in _signs(name, workflows, set()):
        if certain:
            return f"looks as if it deploys: {sign}"
        unknown.append(sign)
    if unknown:
        return f"it may deploy elsewhere: {unknown[0]}"
    return "nothing in it looks like a deployment"


def _signs(
    name: str, workflows: Mapping[str, dict[Any, Any]], seen: set[str]
) -> Iterator[tuple[str, bool]]:
    """The signs that it deploys, and whether each is certain; also in workflows that it calls."""
    seen.add(name)
    workflow = workflows[name]
    title = str(workflow.get("name") or name)
    jobs = workflow.get("jobs")
    jobs = {k: v for k, v in jobs.items() if isinstance(v, dict)} if isinstance(jobs, dict) else {}
    for job_id, job in jobs.items():
        if job.get("environment"):
            environment = job["environment"]
            if isinstance(environment, dict):
                environment = environment.get("name")
            yield f"its job {job_id} has the environment {environment}", True
        steps = job.get("steps")
        for step in [job, *(steps if isinstance(steps, list) else [])]:
            uses, run = (
                str(step.get(k, "")) if isinstance(step, dict) else "" for k in ("uses", "run")
            )
            if ACTION.search(uses.partition("@")[0]):
                yield f"it uses {uses.partition('@')[0]}", True
            elif match := COMMAND.search(run):
                yield f"it runs `{match[0][:60]}`", True
        called = str(job.get("uses", ""))
        its_name = called.removeprefix(f"./{WORKFLOWS}/")
        if its_name in workflows and its_name not in seen:
            yield from _signs(its_name, workflows, seen)
        elif called and its_name not in seen:
            yield f"it calls {called}", False
    for permissions in (
        workflow.get("permissions"),
        *(j.get("permissions") for j in jobs.values()),
    ):
        if isinstance(permissions, dict) and permissions.get("id-token") == "write":
            yield "it logs in by OIDC", True
    for text in (title, name):
        if NAME.search(text):
            yield f"it is called {text}", True
