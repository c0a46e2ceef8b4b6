"""Pull requests and the merge queue in the double of GitHub: each test shows one rule of GitHub."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from offline_github import DispatchError, NotModelledError, OfflineGitHub, Run
from offline_github.repository import git
from test_offline_github import CHECKOUT, built, commit, job, only

Make = Callable[..., OfflineGitHub]
QUICK = f"jobs: {{a: {job(**{'if': 'false'})}}}"
"""A job that takes no time, for tests that look only at which runs start."""


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A repository with these workflow files on main, and its work tree on a branch `feature`."""

    def build(workflows: dict[str, str], files: dict[str, str] | None = None) -> OfflineGitHub:
        github = built(tmp_path, workflows, {"file": "first\n", **(files or {})})
        github.push("main")
        switch(github, "--create", "feature")
        commit(github.remote.work_tree, {}, {"feature": "one\n"})
        return github

    return build


def switch(github: OfflineGitHub, *arguments: str) -> None:
    git("switch", "--quiet", *arguments, cwd=github.remote.work_tree)


def head(github: OfflineGitHub, branch: str = "HEAD") -> str:
    return git("rev-parse", branch, cwd=github.remote.work_tree).decode().strip()


def on_main(github: OfflineGitHub, workflows: dict[str, str], files: dict[str, str]) -> None:
    """Push another commit to main while the branch stays where it is."""
    switch(github, "main")
    commit(github.remote.work_tree, workflows, files)
    github.push("main")
    switch(github, "-")


def files(runs: list[Run]) -> list[str]:
    return sorted(run.workflow_file for run in runs)


# What starts


def test_a_pull_request_runs_on_its_merge_commit(make: Make) -> None:
    github = make(
        {
            "ci.yml": f"""
            on: pull_request
            permissions: {{contents: read}}
            jobs:
              show:
                name: Show ${{{{ github.sha }}}}
                runs-on: ubuntu-latest
                if: github.head_ref == 'feature' && github.base_ref == 'main'
                steps:
                  - {{uses: {CHECKOUT}, with: {{fetch-depth: 2}}}}
                  - run: echo $(git rev-parse HEAD HEAD^1 HEAD^2) && cat file feature
                  - env:
                      REF: '${{{{ github.ref }}}} ${{{{ github.ref_name }}}}'
                      BRANCHES: '${{{{ github.head_ref }}}} ${{{{ github.base_ref }}}}'
                      SHA: '${{{{ github.sha }}}} ${{{{ github.workflow_sha }}}}'
                    run: |
                      echo "$SHA|$REF|$BRANCHES"
                      echo "$GITHUB_SHA|$GITHUB_REF|$GITHUB_HEAD_REF $GITHUB_BASE_REF"
            """
        }
    )
    on_main(github, {}, {"file": "second\n"})
    run = only(github.pull_request("feature"))
    assert (run.event, run.conclusion, run.ref) == ("pull_request", "success", "refs/pull/1/merge")
    assert run.display_title == "A change"
    merged, base, own = (
        github.remote.resolve("refs/pull/1/merge"),
        head(github, "main"),
        head(github),
    )
    log = run.job("show").log
    assert f"{merged} {base} {own}\nsecond\none\n" in log
    assert f"{merged} {merged}|refs/pull/1/merge 1/merge|feature main\n" in log
    assert f"{merged}|refs/pull/1/merge|feature main" in log
    assert run.job("show").name == f"Show {merged}"
    # The API shows the pull request's own commit and branch.
    assert (run.sha, run.head_sha, run.head_branch) == (merged, own, "feature")
    assert github.run_payload(run)["head_sha"] == own
    assert github.remote.refs("refs/heads/") == {"feature": own, "main": base}


def test_the_same_branch_again_is_the_same_pull_request(make: Make) -> None:
    github = make({"ci.yml": f"{{on: pull_request, {QUICK}}}"})
    first = only(github.pull_request("feature"))
    base, before = head(github, "main"), head(github)
    after = commit(github.remote.work_tree, {})
    second = only(github.pull_request("feature"))
    switch(github, "--create", "other")
    third = only(github.pull_request("other"))
    seen = [(run.payload["action"], run.payload["number"]) for run in (first, second, third)]
    assert seen == [("opened", 1), ("synchronize", 1), ("opened", 2)]
    assert [run.ref for run in (second, third)] == ["refs/pull/1/merge", "refs/pull/2/merge"]
    assert "before" not in first.payload
    assert (second.payload["before"], second.payload["after"]) == (before, after)
    pull = second.payload["pull_request"]
    assert (pull["number"], pull["head"]["ref"], pull["head"]["sha"]) == (1, "feature", after)
    assert (pull["base"]["ref"], pull["base"]["sha"]) == ("main", base)
    assert pull["head"]["repo"] == pull["base"]["repo"] == second.payload["repository"]
    assert second.payload["sender"]["login"] == "octocat"


def test_pull_requests_start_only_workflows_whose_filters_match(make: Make) -> None:
    triggers = {
        "any.yml": "[push, pull_request]",
        "base.yml": "{pull_request: {branches: [main]}}",
        "head.yml": "{pull_request: {branches: [feature]}}",
        "not-main.yml": "{pull_request: {branches-ignore: [main]}}",
        "opened.yml": "{pull_request: {types: opened}}",
        "pushed.yml": "{pull_request: {types: [synchronize]}}",
        "closed.yml": "{pull_request: {types: [closed]}}",
        "push.yml": "push",
        "queue.yml": "merge_group",
    }
    github = make({name: f"{{on: {on}, {QUICK}}}" for name, on in triggers.items()})
    github.runs.clear()
    assert files(github.pull_request("feature")) == ["any.yml", "base.yml", "opened.yml"]
    assert files(github.pull_request("feature")) == ["any.yml", "base.yml", "pushed.yml"]
    switch(github, "--create", "release")
    github.remote.push("refs/heads/release")
    switch(github, "feature")
    assert files(github.pull_request("feature", base="release")) == [
        *("any.yml", "not-main.yml", "opened.yml")
    ]
    # The head's branch is there, but nobody pushed it.
    assert {run.event for run in github.runs} == {"pull_request"}


@pytest.mark.parametrize("event", ["pull_request", "merge_group"])
def test_filters_of_paths_are_not_modelled(make: Make, event: str) -> None:
    github = make({"ci.yml": f"{{on: {{{event}: {{paths-ignore: ['*.md']}}}}, {QUICK}}}"})
    with pytest.raises(NotModelledError, match="paths"):
        getattr(github, event)("feature")


def test_the_workflow_files_are_those_of_the_merge_commit(make: Make) -> None:
    github = make({"old.yml": f"{{on: pull_request, {QUICK}}}", "bad.yml": "on: [pull_request"})
    on_main(github, {"base.yml": f"{{name: Base, on: pull_request, {QUICK}}}"}, {})
    changed = {"old.yml": f"on: pull_request\njobs: {{b: {job(**{'if': 'false'})}}}"}
    commit(github.remote.work_tree, {"head.yml": f"{{on: pull_request, {QUICK}}}", **changed})
    runs = github.pull_request("feature")
    assert files(runs) == ["base.yml", "head.yml", "old.yml"]
    assert [[*run.jobs] for run in runs] == [["a"], ["a"], ["b"]]
    assert runs[0].workflow_name == "Base"


@pytest.mark.parametrize("event", ["pull_request", "merge_group"])
def test_a_conflict_starts_nothing_until_it_is_resolved(make: Make, event: str) -> None:
    github = make({"ci.yml": f"{{on: [pull_request, merge_group], {QUICK}}}"})
    on_main(github, {}, {"file": "second\n"})
    commit(github.remote.work_tree, {}, {"file": "third\n"})
    assert getattr(github, event)("feature") == []
    assert not github.remote.resolve("refs/pull/1/merge")
    assert github.remote.resolve("refs/pull/1/head") == head(github)
    commit(github.remote.work_tree, {}, {"file": "first\n"})
    assert only(getattr(github, event)("feature")).conclusion == "skipped"
    assert "refs/pull/2/head" not in github.remote.refs("refs/")


# Forks

SHOW = """
      - env:
          SECRETS: "${{ secrets.PASS == '1234' }} ${{ secrets.ENV == '56789' }}"
          TOKEN: "${{ secrets.GITHUB_TOKEN == github.token }}"
          VARS: "${{ vars.VAR }} ${{ vars.SCOPED }}"
        run: echo "[$SECRETS $TOKEN $VARS ${ACTIONS_ID_TOKEN_REQUEST_URL:+oidc}]"
"""
CALLER = f"""
on: TRIGGER
run-name: Run ${{{{ vars.VAR }}}}
permissions: {{contents: write, id-token: write, actions: read}}
jobs:
  own:
    runs-on: ubuntu-latest
    environment: dev
    steps:{SHOW}
  call:
    uses: ./.github/workflows/callee.yml
    secrets: inherit
"""
CALLEE = f"""
on: {{workflow_call: {{secrets: {{PASS: {{required: true}}}}}}}}
jobs:
  work:
    runs-on: ubuntu-latest
    if: vars.VAR == 'VALUE'
    environment: dev
    permissions: {{id-token: write, contents: write}}
    steps:{SHOW}
"""
FULL = "[true true true repo env oidc]"
BARE = "[false false true   ]"


def with_rights(make: Make, trigger: str, value: str) -> OfflineGitHub:
    """Two jobs that print their values. The second runs only if the variable has this value."""
    callee = CALLEE.replace("VALUE", value)
    github = make({"ci.yml": CALLER.replace("TRIGGER", trigger), "callee.yml": callee})
    github.secrets["PASS"], github.variables["VAR"] = "1234", "repo"
    github.environments["dev"] = {"secrets": {"ENV": "56789"}, "vars": {"SCOPED": "env"}}
    return github


def shown(run: Run) -> list[str]:
    return [run.job(key).log.splitlines()[-1] for key in ("own", "call / work")]


def test_a_forks_pull_request_has_no_secrets_no_variables_and_a_token_that_only_reads(
    make: Make,
) -> None:
    github = with_rights(make, "pull_request", "")
    run = only(github.pull_request("feature", fork=True))
    # A job that asks for more than it gets is not refused: GitHub takes the rights away silently.
    assert (run.conclusion, shown(run)) == ("success", [BARE, BARE])
    assert run.display_title == "Run "
    assert run.job("own").permissions == {"contents": "read", "actions": "read"}
    assert run.job("call / work").permissions == {"contents": "read"}
    again = github.rerun(run)
    assert (shown(again), again.sha, again.head_sha) == ([BARE, BARE], run.sha, run.head_sha)


def test_the_repositorys_own_pull_request_has_all_its_rights(make: Make) -> None:
    github = with_rights(make, "pull_request", "repo")
    run = only(github.pull_request("feature"))
    assert (run.conclusion, shown(run)) == ("success", [FULL, FULL])
    assert run.job("call / work").permissions == {"contents": "write", "id-token": "write"}


def test_a_forks_branch_is_only_in_the_pull_request(make: Make) -> None:
    read = "permissions: {contents: read}, runs-on: ubuntu-latest"
    refs = {
        "history": "fetch-depth: 0",
        "head": "ref: '${{ github.event.pull_request.head.sha }}'",
        "name": "ref: refs/pull/1/head",
        "merge": "ref: refs/pull/1/merge, fetch-depth: 0",
        "branch": "ref: '${{ github.head_ref }}'",
    }
    jobs = "\n".join(
        f"  {name}: {{{read}, steps: [{{uses: {CHECKOUT}, with: {{{ref}}}}}, "
        f"{{run: git rev-parse HEAD}}]}}"
        for name, ref in refs.items()
    )
    github = make({"ci.yml": f"on: pull_request\njobs:\n{jobs}"})
    own = only(github.pull_request("feature"))
    commit(github.remote.work_tree, {})
    run = only(github.pull_request("feature", fork=True))
    assert (run.ref, run.payload["action"]) == ("refs/pull/2/merge", "opened")
    seen = {key: job.log.splitlines()[-1] for key, job in run.jobs.items()}
    assert seen == {
        "history": run.sha,
        "head": head(github),
        "name": own.head_sha,
        "merge": own.sha,
        # The repository has a branch of this name, too.
        "branch": own.head_sha,
    }
    assert github.remote.refs("refs/heads/")["feature"] == own.head_sha

    pull = run.payload["pull_request"]
    assert pull["head"]["repo"]["full_name"] == run.head_repository == "stranger/demo"
    assert (pull["head"]["repo"]["id"], pull["head"]["repo"]["fork"]) == (github.fork_id, True)
    assert (pull["base"]["repo"]["id"], pull["base"]["repo"]["fork"]) == (1001, False)
    assert run.actor == run.payload["sender"]["login"] == pull["user"]["login"] == "stranger"


# What follows


@pytest.mark.parametrize("fork", [False, True])
def test_workflow_run_sees_the_pull_requests_own_commit_and_branch(make: Make, fork: bool) -> None:
    after = """
    on: {workflow_run: {workflows: [CI], types: [completed], branches: [main]}}
    jobs:
      work:
        runs-on: ubuntu-latest
        permissions: {contents: write}
        steps: [{run: 'echo "[${{ secrets.PASS }} ${{ vars.VAR }} ${{ github.sha }}]"'}]
    """
    github = make({"ci.yml": f"{{name: CI, on: pull_request, {QUICK}}}", "after.yml": after})
    base = head(github, "main")
    github.secrets["PASS"] = github.variables["VAR"] = "here"
    github.remote.push("refs/heads/main", "refs/heads/release")
    assert only(github.pull_request("feature", fork=fork)).conclusion == "skipped"
    assert github.runs_of("after.yml") == []

    # A branch of a fork may have any name, so a filter of branches does not keep it out.
    switch(github, "main")
    commit(github.remote.work_tree, {}, {"feature": "two\n"})
    run = only(github.pull_request("main", base="release", fork=fork))
    follower = only(github.runs_of("after.yml"))
    seen = follower.payload["workflow_run"]
    assert (seen["event"], seen["head_branch"], seen["head_sha"]) == (
        "pull_request",
        "main",
        head(github),
    )
    assert seen["head_repository"]["id"] == (9001 if fork else 1001)
    numbers = [(pull["number"], pull["base"]["ref"]) for pull in seen["pull_requests"]]
    assert numbers == ([] if fork else [(2, "release")])
    assert follower.actor == run.actor == ("stranger" if fork else "octocat")
    # The follower runs with all rights on the default branch, never on the commit of a fork.
    assert follower.sha == (base if fork else head(github))
    assert f"[*** *** {follower.sha}]" in follower.job("work").log
    assert follower.job("work").permissions == {"contents": "write"}


def test_an_environment_knows_a_pull_request_by_its_whole_ref(make: Make) -> None:
    jobs = {name: job(environment=name) for name in ("branch", "short", "whole")}
    text = "\n".join(["on: pull_request", "jobs:", *(f"  {n}: {body}" for n, body in jobs.items())])
    github = make({"ci.yml": text})
    for name, glob in {
        "branch": "feature",
        "short": "*/merge",
        "whole": "refs/pull/*/merge",
    }.items():
        github.environments[name] = {"branches": [glob]}
    run = only(github.pull_request("feature"))
    assert run.results == {"branch": "failure", "short": "failure", "whole": "success"}
    assert 'Branch "refs/pull/1/merge" is not allowed to deploy to short' in run.job("short").log


def test_a_dispatch_takes_no_ref_of_a_pull_request(make: Make) -> None:
    github = make({"ci.yml": f"{{on: [pull_request, workflow_dispatch], {QUICK}}}"})
    github.pull_request("feature")
    with pytest.raises(DispatchError, match="No ref found"):
        github.dispatch("ci.yml", "refs/pull/1/merge")


def test_a_newer_commit_cancels_the_run_that_goes_on_if_the_group_says_so(make: Make) -> None:
    github = make(
        {
            "ci.yml": f"""
            on: [push, pull_request]
            concurrency:
              group: ${{{{ github.workflow }}}}-${{{{ github.ref }}}}
              cancel-in-progress: ${{{{ github.event_name == 'pull_request' }}}}
            jobs:
              a: {job()}
              b: {job(needs="a")}
              always: {job(needs="b", **{"if": "always()"})}
            """
        }
    )
    later: list[Run] = []

    def push_more(run: Run, key: str) -> None:
        if not later:
            commit(github.remote.work_tree, {})
            later.extend(github.pull_request("feature"))
            commit(github.remote.work_tree, {})
            later.extend(github.pull_request("feature", fork=True))

    github.before_job = push_more
    first = only(github.pull_request("feature"))
    assert first.results == {"a": "cancelled", "b": "skipped", "always": "success"}
    second, other = later
    assert [run.conclusion for run in (first, second, other)] == ["cancelled", "success", "success"]
    assert first.concurrency == second.concurrency != other.concurrency

    # The expression is false for a push, so the running run is not cancelled.
    later.clear()

    def push_once(run: Run, key: str) -> None:
        if not later:
            commit(github.remote.work_tree, {})
            later.extend(github.push("feature"))

    github.before_job = push_once
    assert [run.conclusion for run in (*github.push("feature"), *later)] == ["success"] * 2


# The merge queue


def test_the_merge_queue_runs_on_a_merge_commit_of_its_own_branch(make: Make) -> None:
    github = with_rights(make, "[push, pull_request, merge_group]", "repo")
    checkout = f"{{uses: {CHECKOUT}, with: {{fetch-depth: 2}}}}"
    show = "{run: 'echo \"$(git rev-parse HEAD HEAD^1 HEAD^2) [$GITHUB_HEAD_REF]\"'}"
    queue = f"""
    name: Queue
    on: {{merge_group: {{branches: [main]}}}}
    permissions: {{contents: read}}
    jobs: {{a: {{runs-on: x, steps: [{checkout}, {show}]}}}}
    """
    on_main(github, {"queue.yml": queue, "not.yml": queue.replace("[main]", "['gh-*/**']")}, {})
    base, own = head(github, "main"), head(github)
    github.runs.clear()
    rights, run = github.merge_group("feature")
    assert [run.event for run in github.runs] == ["merge_group", "merge_group"]
    assert shown(rights) == [FULL, FULL]
    branch = f"gh-readonly-queue/main/pr-1-{base}"
    merged = github.remote.refs("refs/heads/")[branch]
    assert (run.ref, run.head_branch) == (f"refs/heads/{branch}", branch)
    assert run.sha == run.head_sha == merged
    assert f"{merged} {base} {own} []" in run.job("a").log.replace("\n", " ")
    group = run.payload["merge_group"]
    assert run.payload["action"] == "checks_requested"
    assert (group["head_sha"], group["head_ref"]) == (merged, run.ref)
    assert (group["base_sha"], group["base_ref"]) == (base, "refs/heads/main")


def test_the_queue_has_all_rights_for_a_forks_pull_request_and_its_number(make: Make) -> None:
    github = make({"ci.yml": f"{{on: [pull_request, merge_group], {QUICK}}}"})
    git("branch", "other", cwd=github.remote.work_tree)
    github.pull_request("other")
    github.pull_request("feature", fork=True)
    run = only(github.merge_group("feature"))
    assert run.head_branch == f"gh-readonly-queue/main/pr-2-{head(github, 'main')}"
    assert (run.head_repository, run.actor) == ("acme/demo", "octocat")
    assert not github.restricted(run)
    assert sorted(github.remote.refs("refs/heads/")) == [run.head_branch, "main", "other"]
