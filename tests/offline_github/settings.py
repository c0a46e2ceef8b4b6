"""The REST calls with which an administrator sets a repository up, and people review and re-run.

Whatever a call may say that is not modelled ends in NotModelledError.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

from . import environments, gh_stub, rulesets
from .model import Job, NotModelledError, Run
from .people import account, login_of, person_id
from .server import Answer, ApiError, Call, Request, Session, respond, route

if TYPE_CHECKING:
    from .github import OfflineGitHub

PLAN = "Failed to create the environment protection rule. Please ensure the billing plan supports "
BRANCH_PLAN = (
    "Fail to create protected rule, please ensure billing plan include protected branch gate."
)


_READ = dict.fromkeys(("actions", "contents", "deployments"), "read")
_WRITE = dict.fromkeys(_READ, "write")
#: What the token of somebody of this role may do.
RIGHTS = {
    "read": _READ,
    "write": _WRITE,
    "maintain": _WRITE,
    "admin": {**_WRITE, "administration": "write"},
}


def session(github: OfflineGitHub, person: str) -> Session:
    """What somebody's own token stands for."""
    run = Run(0, 0, "", "", "", "", None, "refs/heads/main", {})
    job = Job("", 0, 1, "", permissions=RIGHTS[github.role(person)])
    return Session(github, run, job, person)


def shell(github: OfflineGitHub, script: str, person: str) -> subprocess.CompletedProcess[str]:
    """Run a script in bash, in an empty folder, with a `gh` that is logged in as this person."""
    folder = github.workdir / "shell"
    folder.mkdir(exist_ok=True)
    who = session(github, person)

    def heard(method: str, path: str, body: Any) -> tuple[int, Any]:
        # Both sides have the other's words only as JSON.
        said = respond(who, Call(method, path, json.loads(json.dumps(body))))
        return said.status, json.loads(json.dumps(said.body))

    path = os.pathsep.join([str(folder), os.environ["PATH"]])
    with gh_stub.put_into(folder, github.name, heard):
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=folder,
            env={"PATH": path},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )


def _only(body: dict[str, Any], known: set[str], what: str) -> None:
    if unknown := sorted(set(body) - known):
        raise NotModelledError(f"{what}: {unknown}")


# The repository


@route("PATCH", "", "administration: write")
def patch_repository(request: Request) -> Answer:
    body = request.body or {}
    _only(body, {"name", "default_branch", "private", "visibility"}, "PATCH of the repository")
    github = request.github
    if "default_branch" in body:
        branch = body["default_branch"]
        if branch not in github.remote.refs("refs/heads/"):
            raise ApiError(422, f"The branch {branch} was not found.")
        github.default_branch = branch
    if "private" in body or "visibility" in body:
        github.private = body.get("private", body.get("visibility") != "public")
    return Answer(200, github.repository_payload())


# Environments


def _environment(request: Request) -> tuple[str, dict[str, Any]]:
    name = environments.named(request.github, request.parameters["environment"])
    if name is None:
        raise ApiError(404, "Not Found")
    return name, request.github.environments[name]


@route("PUT", "/environments/{environment}", "administration: write")
def put_environment(request: Request) -> Answer:
    """All or nothing; on a plan without the rule, nothing is left of those it had."""
    github, body = request.github, request.body or {}
    name = request.parameters["environment"]
    name = environments.named(github, name) or name
    known = {"wait_timer", "prevent_self_review", "reviewers", "deployment_branch_policy"}
    known.add("can_admins_bypass")  # not documented, but answers hold it, and Terraform sends it
    _only(body, known, "PUT of an environment")
    if body.get("wait_timer"):
        raise NotModelledError("wait timers")
    settings = github.environments.setdefault(name, {})
    kept: dict[str, Any] = {
        key: settings[key] for key in ("vars", "secrets", "approve") if key in settings
    }
    policies, reviewers = environments.has_rules(github)
    if not reviewers and set(body) & {"wait_timer", "prevent_self_review", "reviewers"}:
        github.environments[name] = kept
        raise ApiError(422, f"{PLAN}the required reviewers protection rule.")
    if not policies and body.get("deployment_branch_policy"):
        github.environments[name] = kept
        raise ApiError(422, BRANCH_PLAN)
    changed = dict(settings) if github.put_keeps else kept
    if "can_admins_bypass" in body:
        changed["can_admins_bypass"] = body["can_admins_bypass"]
    if "reviewers" in body:
        changed["reviewers"] = [_reviewer(each) for each in body["reviewers"] or []]
    if "prevent_self_review" in body:
        changed["prevent_self_review"] = body["prevent_self_review"]
    if "deployment_branch_policy" in body:
        # The patterns are a list of their own: a policy that stays custom keeps them.
        changed |= {kind: settings[kind] for kind in ("branches", "tags") if kind in settings}
        _change_policy(changed, body["deployment_branch_policy"])
    github.environments[name] = changed
    return Answer(200, environment_payload(github, name))


def _reviewer(given: dict[str, Any]) -> str:
    if given["type"] != "User":
        raise NotModelledError(f"reviewers: {given['type']}")
    login = login_of(given["id"])
    if login is None:
        raise ApiError(422, "Reviewers must be a list of valid users or teams")
    return login


def _change_policy(settings: dict[str, Any], policy: dict[str, bool] | None) -> None:
    if policy is None:
        settings.pop("branches", None)
        settings.pop("tags", None)
        return
    if policy["protected_branches"] == policy["custom_branch_policies"]:
        message = "protected_branches and custom_branch_policies cannot have the same value"
        raise ApiError(422, message)
    if policy["protected_branches"]:
        raise NotModelledError("deployment_branch_policy: protected_branches")
    settings.setdefault("branches", [])
    settings.setdefault("tags", [])


def environment_payload(github: OfflineGitHub, name: str) -> dict[str, Any]:
    settings = environments.rules(github, name)
    rules: list[dict[str, Any]] = []
    if people := environments.reviewers(settings):
        users = [{"type": "User", "reviewer": {"login": p, "id": person_id(p)}} for p in people]
        rules.append(
            {
                "id": 1,
                "type": "required_reviewers",
                "prevent_self_review": bool(settings.get("prevent_self_review")),
                "reviewers": users,
            }
        )
    policy = None
    if environments.has_policy(settings):
        rules.append({"id": 2, "type": "branch_policy"})
        policy = {"protected_branches": False, "custom_branch_policies": True}
    return {
        "id": github.workflow_id(name),
        "name": name,
        "protection_rules": rules,
        "deployment_branch_policy": policy,
    }


@route("GET", "/environments/{environment}", "actions: read")
def get_environment(request: Request) -> Answer:
    name, _ = _environment(request)
    return Answer(200, environment_payload(request.github, name))


@route("GET", "/environments", "actions: read")
def list_environments(request: Request) -> Answer:
    github = request.github
    shown = [environment_payload(github, name) for name in sorted(github.environments)]
    return request.page(shown, "environments")


@route("DELETE", "/environments/{environment}", "administration: write")
def delete_environment(request: Request) -> Answer:
    name, _ = _environment(request)
    del request.github.environments[name]
    return Answer(204)


POLICIES = "/environments/{environment}/deployment-branch-policies"


def _policies(settings: dict[str, Any]) -> list[dict[str, Any]]:
    both = [("branch", glob) for glob in settings.get("branches") or []]
    both += [("tag", glob) for glob in settings.get("tags") or []]
    return [{"id": i, "name": glob, "type": kind} for i, (kind, glob) in enumerate(both, 1)]


@route("GET", POLICIES, "actions: read")
def list_policies(request: Request) -> Answer:
    name, _ = _environment(request)
    return request.page(_policies(environments.rules(request.github, name)), "branch_policies")


@route("POST", POLICIES, "administration: write")
def add_policy(request: Request) -> Answer:
    _, settings = _environment(request)
    body = request.body or {}
    _only(body, {"name", "type"}, "deployment-branch-policies")
    if not environments.has_policy(settings):
        # GitHub says so where the environment lets everything in.
        raise ApiError(404, "Not Found")
    kind = {"branch": "branches", "tag": "tags"}[body.get("type", "branch")]
    if body["name"] in settings.setdefault(kind, []):
        raise ApiError(303, "Existing branch policy")
    settings[kind].append(body["name"])
    return Answer(200, _policies(settings)[-1])


@route("DELETE", POLICIES + "/{policy}", "administration: write")
def delete_policy(request: Request) -> Answer:
    _, settings = _environment(request)
    wanted = int(request.parameters["policy"])
    for policy in _policies(settings):
        if policy["id"] == wanted:
            kind = {"branch": "branches", "tag": "tags"}[policy["type"]]
            settings[kind].remove(policy["name"])
            return Answer(204)
    raise ApiError(404, "Not Found")


# Reviews


@route("GET", "/actions/runs/{run}/pending_deployments", "actions: read")
def pending_deployments(request: Request) -> Answer:
    github, run = request.github, request.run()
    names = dict.fromkeys(environment for _, environment in github.waiting(run))
    shown = []
    for name in names:
        environment = environment_payload(github, name)
        rules = environment["protection_rules"]
        reviewers = next(r["reviewers"] for r in rules if r["type"] == "required_reviewers")
        user = request.session.user
        may = user is not None and environments.may_review(github, name, run, user)
        shown.append(
            {
                "environment": {"id": environment["id"], "name": name},
                "wait_timer": 0,
                "wait_timer_started_at": None,
                "current_user_can_approve": may,
                "reviewers": reviewers,
            }
        )
    return Answer(200, shown)


@route("POST", "/actions/runs/{run}/pending_deployments", "deployments: write")
def review_deployments(request: Request) -> Answer:
    github, run, body = request.github, request.run(), request.body or {}
    _only(body, {"environment_ids", "state", "comment"}, "pending_deployments")
    names = {github.workflow_id(name): name for name in github.environments}
    if not request.session.user:  # the token of a job is nobody's
        raise ApiError(403, "Resource not accessible by integration")
    decide = {"approved": github.approve, "rejected": github.reject}[body["state"]]
    for number in body["environment_ids"]:
        try:
            decide(run, environment=names.get(number, ""), by=request.session.user)
        except environments.ReviewError as error:
            raise ApiError(422, str(error)) from error
    return Answer(200, [])


@route("GET", "/actions/runs/{run}/approvals", "actions: read")
def list_reviews(request: Request) -> Answer:
    github = request.github
    shown = [
        {
            "state": review.state,
            "comment": "",
            "user": {"login": review.by, "id": person_id(review.by)},
            "environments": [
                {"id": github.workflow_id(review.environment), "name": review.environment}
            ],
        }
        for review in {(r.environment, r.state, r.by): r for r in request.run().reviews}.values()
    ]
    return Answer(200, shown)


# Re-runs


def _again(request: Request, run: Run, **which: Any) -> Answer:
    try:
        request.github.rerun(run, actor=request.session.login, **which)
    except ValueError as error:
        raise ApiError(403, str(error)) from error
    return Answer(201, {})


@route("POST", "/actions/runs/{run}/rerun", "actions: write")
def rerun(request: Request) -> Answer:
    return _again(request, request.run())


@route("POST", "/actions/runs/{run}/rerun-failed-jobs", "actions: write")
def rerun_failed(request: Request) -> Answer:
    return _again(request, request.run(), failed_only=True)


@route("POST", "/actions/jobs/{job}/rerun", "actions: write")
def rerun_job(request: Request) -> Answer:
    wanted = int(request.parameters["job"])
    for run in reversed(request.github.runs):
        for key, job in run.jobs.items():
            if job.id == wanted:
                return _again(request, run, job=key)
    raise ApiError(404, "Not Found")


# Rulesets, and what strangers may start


@route("GET", "/rulesets", "")
def list_rulesets(request: Request) -> Answer:
    return request.page(request.github.rulesets)


@route("POST", "/rulesets", "administration: write")
def add_ruleset(request: Request) -> Answer:
    github = request.github
    if github.private and github.plan == "free":
        message = "Upgrade to GitHub Pro or make this repository public to enable this feature."
        raise ApiError(403, message)
    ruleset = {**rulesets.checked(request.body or {}), "id": github.new_id()}
    if any(other["name"] == ruleset["name"] for other in github.rulesets):
        raise ApiError(422, "Name must be unique")
    github.rulesets.append(ruleset)
    return Answer(201, ruleset)


@route("DELETE", "/rulesets/{ruleset}", "administration: write")
def delete_ruleset(request: Request) -> Answer:
    wanted = int(request.parameters["ruleset"])
    kept = [ruleset for ruleset in request.github.rulesets if ruleset["id"] != wanted]
    if len(kept) == len(request.github.rulesets):
        raise ApiError(404, "Not Found")
    request.github.rulesets = kept
    return Answer(204)


APPROVAL = "/actions/permissions/fork-pr-contributor-approval"


@route("GET", APPROVAL, "administration: read")
def get_approval_policy(request: Request) -> Answer:
    return Answer(200, {"approval_policy": request.github.approval_policy})


@route("PUT", APPROVAL, "administration: write")
def put_approval_policy(request: Request) -> Answer:
    """Of public repositories: in private ones nobody outside can fork."""
    body = request.body or {}
    _only(body, {"approval_policy"}, "fork-pr-contributor-approval")
    if body["approval_policy"] not in rulesets.APPROVAL_POLICIES:
        raise ApiError(422, "Invalid approval policy")
    request.github.approval_policy = body["approval_policy"]
    return Answer(204)


@route("PUT", "/actions/permissions/workflow", "administration: write")
def put_workflow_permissions(request: Request) -> Answer:
    body = request.body or {}
    _only(body, {"can_approve_pull_request_reviews"}, "permissions of workflows")
    request.github.workflows_approve = body["can_approve_pull_request_reviews"]
    return Answer(204)


@route("POST", "/actions/runs/{run}/approve", "actions: write")
def approve_run(request: Request) -> Answer:
    run = request.run()
    if run.conclusion != "action_required":
        raise ApiError(403, "This run is not from a fork pull request or queued Copilot run")
    request.github.approve_run(run)
    return Answer(201, {})


# What the stub of `gh` asks for, which GitHub has elsewhere or encrypted


@route("GET", "/_user", "")
def get_user(request: Request) -> Answer:
    return Answer(200, account(request.session.login))


@route("PUT", "/_{kind}/{name}", "administration: write")
def put_value(request: Request) -> Answer:
    """A secret or variable, of the repository or of an environment that exists."""
    github, body, kind = request.github, request.body, request.parameters["kind"]
    kinds = {"secret": ("secrets", github.secrets), "variable": ("vars", github.variables)}
    key, values = kinds[kind]
    if body["env"]:
        if body["env"] not in github.environments:
            raise ApiError(404, "Not Found")
        values = github.environments[body["env"]].setdefault(key, {})
    values[request.parameters["name"]] = body["value"]
    return Answer(204)
