"""A repository is set up over REST, with the same requests as the commands of a set-up page."""

from __future__ import annotations

from typing import Any

import pytest
from offline_github import NotModelledError, OfflineGitHub, PushError
from offline_github.people import person_id
from test_offline_driver import Quick, push, quick, work_of
from test_offline_github import job, only

__all__ = ["quick"]

DEPLOYS = f"on: {{push: , workflow_dispatch: }}\njobs: {{a: {job(environment='prd')}}}"
CUSTOM = {"protected_branches": False, "custom_branch_policies": True}
PRD = "/environments/prd"
POLICIES = f"{PRD}/deployment-branch-policies"


def user(login: str) -> dict[str, Any]:
    return {"type": "User", "id": person_id(login)}


def rules(github: OfflineGitHub) -> list[str]:
    return [rule["type"] for rule in github.rest("GET", PRD).body["protection_rules"]]


def test_an_environment_gets_reviewers_and_policies(quick: Quick) -> None:
    github = quick({"ci.yml": DEPLOYS})
    body = {"reviewers": [user("lead")], "prevent_self_review": True}
    made = github.rest("PUT", PRD, {**body, "deployment_branch_policy": CUSTOM})
    assert (made.status, rules(github)) == (200, ["required_reviewers", "branch_policy"])
    run = only(push(github))
    github.settle()
    assert run.conclusion == "failure", "a policy without a pattern lets nothing in"
    for name, kind in (("main", "branch"), ("v*", "tag")):
        assert github.rest("POST", POLICIES, {"name": name, "type": kind}).status == 200
    assert github.rest("POST", POLICIES, {"name": "main"}).status == 303
    shown = github.rest("GET", POLICIES).body["branch_policies"]
    assert [(policy["name"], policy["type"]) for policy in shown] == [
        ("main", "branch"),
        ("v*", "tag"),
    ]
    work_of(github).tag("main")
    runs = [*push(github), *github.tag("v1"), *github.tag("main")]
    github.settle()
    assert [run.conclusion or run.status for run in runs] == ["waiting", "waiting", "failure"]
    assert github.rest("DELETE", f"{POLICIES}/2").status == 204
    assert github.environments["prd"]["tags"] == []
    assert github.rest("PUT", PRD, {"deployment_branch_policy": None}).status == 200
    assert github.rest("POST", POLICIES, {"name": "main"}).status == 404
    assert github.rest("DELETE", PRD).status == 204
    assert github.rest("GET", PRD).status == 404


def test_a_put_keeps_or_removes_rules_that_it_does_not_name(quick: Quick) -> None:
    github = quick({"ci.yml": DEPLOYS})
    for keeps, left in (
        (True, ["required_reviewers", "branch_policy"]),
        (False, ["branch_policy"]),
    ):
        github.put_keeps = keeps
        github.rest("PUT", PRD, {"reviewers": [user("lead")]})
        github.rest("PUT", PRD, {"deployment_branch_policy": CUSTOM})
        assert rules(github) == left


@pytest.mark.parametrize("plan", ["pro", "team", "free"])
def test_reviewers_on_a_private_repository_of_a_small_plan_leave_no_rule(
    quick: Quick, plan: str
) -> None:
    github = quick({"ci.yml": DEPLOYS})
    github.plan = plan
    first = github.rest("PUT", PRD, {"deployment_branch_policy": CUSTOM})
    assert first.status == (422 if plan == "free" else 200)
    both = {"reviewers": [user("lead")], "deployment_branch_policy": CUSTOM}
    for body in (both, {"reviewers": None}, {"prevent_self_review": False}):
        github.environments["prd"] = {"branches": ["main"], "secrets": {"A": "b"}}
        refused = github.rest("PUT", PRD, body)
        assert refused.status == 422
        assert "billing plan" in refused.body["message"]
        assert (rules(github), github.environments["prd"]) == ([], {"secrets": {"A": "b"}})
    assert github.rest("PUT", PRD).status == 200
    github.rest("PATCH", "", {"private": False})
    assert github.rest("PUT", PRD, both).status == 200


def test_people_review_over_rest_and_jobs_do_not(quick: Quick) -> None:
    said: list[int] = []

    def execute(work: Any) -> None:
        body = {"environment_ids": [1], "state": "approved", "comment": ""}
        answer = work.rest("POST", f"/actions/runs/{work.run.id}/pending_deployments", body)
        said.append(answer.status)

    asks = job(permissions="{deployments: write}")
    github = quick(
        {"ci.yml": DEPLOYS, "ask.yml": f"on: workflow_dispatch\njobs: {{b: {asks}}}"}, execute
    )
    github.environments["prd"] = {"reviewers": ["lead"]}
    run = only(push(github))
    github.settle()
    path = f"/actions/runs/{run.id}"
    [pending] = github.rest("GET", f"{path}/pending_deployments", by="lead").body
    assert (pending["environment"]["name"], pending["current_user_can_approve"]) == ("prd", True)
    [other] = github.rest("GET", f"{path}/pending_deployments").body
    assert other["current_user_can_approve"] is False
    github.dispatch("ask.yml", "main")
    github.settle()
    assert said == [403]
    body = {
        "environment_ids": [pending["environment"]["id"]],
        "state": "approved",
        "comment": "ok",
    }
    assert github.rest("POST", f"{path}/pending_deployments", body).status == 422
    assert github.rest("POST", f"{path}/pending_deployments", body, by="lead").status == 200
    github.settle()
    assert run.conclusion == "success"
    [approval] = github.rest("GET", f"{path}/approvals").body
    assert (approval["state"], approval["user"]["login"]) == ("approved", "lead")


def test_the_default_branch_can_be_changed(quick: Quick) -> None:
    after = f"on: {{workflow_run: {{workflows: [CI], types: [completed]}}}}\njobs: {{a: {job()}}}"
    github = quick({"ci.yml": f"name: CI\n{DEPLOYS}", "after.yml": after})
    push(github)
    assert github.rest("PATCH", "", {"default_branch": "develop"}).status == 422
    push(github, "develop", files={".github/workflows/after.yml": None})
    github.settle()
    assert len(github.runs_of("after.yml")) == 2
    assert (
        github.rest("PATCH", "", {"default_branch": "develop"}).body["default_branch"] == "develop"
    )
    assert github.rest("GET", "").body["default_branch"] == "develop"
    push(github)
    github.settle()
    assert len(github.runs_of("after.yml")) == 2, "it is read from the default branch"


TAGS = {
    "name": "Tags",
    "target": "tag",
    "enforcement": "active",
    "conditions": {"ref_name": {"include": ["refs/tags/v*", "refs/tags/main"], "exclude": []}},
    "rules": [{"type": "creation"}, {"type": "update"}, {"type": "deletion"}],
    "bypass_actors": [
        {"actor_id": 5, "actor_type": "RepositoryRole", "bypass_mode": "always"},
    ],
}


def test_a_ruleset_limits_who_creates_and_moves_tags(quick: Quick) -> None:
    github = quick({"ci.yml": DEPLOYS})
    push(github)
    assert github.rest("POST", "/rulesets", TAGS).status == 201
    assert github.rest("POST", "/rulesets", TAGS).status == 422
    for tag in ("v1", "main"):
        with pytest.raises(PushError, match="the ruleset Tags forbids its creation"):
            github.tag(tag, by="mallory")
    assert "v1" not in github.remote.refs("refs/tags/")
    assert len(github.tag("other", by="mallory")) == 1
    assert len(github.tag("v1")) == 1, "an administrator may"
    work_of(github).commit("main")
    work_of(github).tag("v1")
    with pytest.raises(PushError):
        github.tag("v1", by="mallory")
    assert github.rest("DELETE", f"/rulesets/{github.rulesets[0]['id']}").status == 204
    assert len(github.tag("v1", by="mallory")) == 1


def test_a_ruleset_for_branches_wants_a_pull_request_and_no_force(quick: Quick) -> None:
    github = quick({"ci.yml": DEPLOYS})
    first = work_of(github).head
    push(github)
    names = {"ref_name": {"include": ["~DEFAULT_BRANCH"], "exclude": []}}
    rules = [{"type": "pull_request", "parameters": {}}, {"type": "non_fast_forward"}]
    body = {"name": "Main", "target": "branch", "enforcement": "active", "conditions": names}
    assert github.rest("POST", "/rulesets", {**body, "rules": rules}).status == 201
    work_of(github).commit("main")
    with pytest.raises(PushError, match="through a pull request"):
        github.push("main", by="mallory")
    assert len(github.push("main", by="mallory", merged=True)) == 1
    assert first
    work_of(github).move("main", first)
    with pytest.raises(PushError, match="non_fast_forward"):
        github.push("main", merged=True)
    with pytest.raises(PushError, match="denied to stranger"):
        github.push("main", by="stranger")


def test_a_private_repository_of_the_free_plan_has_no_rulesets(quick: Quick) -> None:
    github = quick({"ci.yml": DEPLOYS})
    github.plan = "free"
    assert github.rest("POST", "/rulesets", TAGS).status == 403
    github.private = False
    assert github.rest("POST", "/rulesets", TAGS).status == 201


def test_a_strangers_run_starts_after_an_approval(quick: Quick) -> None:
    github = quick({"pull.yml": f"on: pull_request\njobs: {{a: {job()}}}"})
    push(github)
    private = only(github.pull_request("main", fork=True))
    github.settle()
    assert private.conclusion == "success"
    github.private = False
    policy = "/actions/permissions/fork-pr-contributor-approval"
    assert (
        github.rest("PUT", policy, {"approval_policy": "all_external_contributors"}).status == 204
    )
    held = only(github.pull_request("main", fork=True))
    github.settle()
    assert (held.conclusion, held.ran) == ("action_required", [])
    assert github.rest("POST", f"/actions/runs/{held.id}/approve", by="stranger").status == 403
    assert github.rest("POST", f"/actions/runs/{held.id}/approve").status == 201
    github.settle()
    assert (held.conclusion, held.ran) == ("success", ["a"])
    own = only(github.pull_request("main"))
    github.settle()
    assert own.conclusion == "success"


def test_workflows_can_be_forbidden_to_approve_pull_requests(quick: Quick) -> None:
    github = quick({"ci.yml": DEPLOYS})
    policy, given = "/actions/permissions/workflow", {"can_approve_pull_request_reviews": False}
    assert github.rest("PUT", policy, given, by="mallory").status == 403
    assert github.rest("PUT", policy, given).status == 204
    assert not github.workflows_approve


def test_only_administrators_change_settings_and_unknown_ones_are_errors(quick: Quick) -> None:
    github = quick({"ci.yml": DEPLOYS})
    for method, path, body in (
        ("PUT", PRD, {}),
        ("PATCH", "", {"private": False}),
        ("POST", "/rulesets", TAGS),
    ):
        assert github.rest(method, path, body, by="mallory").status == 403
    other: Any
    for method, path, other in (
        ("PUT", PRD, {"wait_timer": 5}),
        ("PUT", PRD, {"reviewers": [{"type": "Team", "id": 1}]}),
        ("PUT", PRD, {"deployment_branch_policy": {**CUSTOM, **dict.fromkeys(CUSTOM, False)}}),
        ("PATCH", "", {"allow_auto_merge": True}),
        ("POST", "/rulesets", {**TAGS, "rules": [{"type": "required_signatures"}]}),
        ("POST", "/rulesets", {**TAGS, "enforcement": "evaluate"}),
        ("PUT", "/collaborators/mallory", {}),
    ):
        if "custom_branch_policies" in str(other):
            assert github.rest(method, path, other).status == 422
            continue
        with pytest.raises(NotModelledError):
            github.rest(method, path, other)


def test_commands_of_a_page_run_unchanged(quick: Quick) -> None:
    github = quick({"ci.yml": DEPLOYS})
    push(github)
    push(github, "it's")
    done = github.shell(
        r"""
        gh repo edit --default-branch 'it'\''s'
        gh api --method PUT "repos/{owner}/{repo}/environments/prd" --input - <<EOF
        {"deployment_branch_policy": {"protected_branches": false, "custom_branch_policies": true},
         "reviewers": [{"type": "User", "id": $(gh api user --jq .id)}]}
        EOF
        gh api --method POST "repos/{owner}/{repo}/environments/prd/deployment-branch-policies" \
          -f name=main -f type=branch
        gh secret set TOKEN --env prd <<<'a secret'
        gh variable set COLOUR --body "blue"
        gh workflow run ci.yml --ref main
        """.replace("\n        ", "\n")
    )
    assert done.returncode == 0, done.stderr
    assert github.default_branch == "it's"
    assert github.environments["prd"] == {
        **{"reviewers": ["octocat"], "branches": ["main"], "tags": []},
        "secrets": {"TOKEN": "a secret\n"},
    }
    assert github.variables == {"COLOUR": "blue"}
    assert github.runs[-1].event == "workflow_dispatch"
    refused = github.shell("gh repo edit --default-branch main", by="mallory")
    assert (refused.returncode, "HTTP 403" in refused.stderr) == (1, True)
    with pytest.raises(NotModelledError, match="repo delete"):
        github.shell("gh repo delete")
