"""Scripts read from the double of GitHub: refs, environments, runs and packages. Every read may
fail once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from offline_github import OfflineGitHub, Run
from offline_github.repository import git
from test_offline_github import DOWNLOAD, SCRIPT, UPLOAD, built, commit, only

Make = Callable[..., OfflineGitHub]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A repository whose workflow runs a script, which may return something."""

    def build(script: str, **files: str) -> OfflineGitHub:
        return built(tmp_path, {"ask.yml": asking(script), **files}, {})

    return build


def asking(script: str) -> str:
    step = {"id": "ask", "uses": SCRIPT, "with": {"script": script}}
    job = {
        "runs-on": "x",
        "outputs": {"result": "${{ steps.ask.outputs.result }}"},
        "steps": [step],
    }
    permissions = {"actions": "read", "contents": "read"}
    workflow = {"name": "Ask", "on": "workflow_dispatch", "permissions": permissions}
    return json.dumps({**workflow, "run-name": "Ask for a title", "jobs": {"ask": job}})


def asked(github: OfflineGitHub) -> Any:
    run = github.dispatch("ask.yml", "main")
    assert run.conclusion == "success", run.job("ask").log
    return json.loads(run.job("ask").outputs["result"])


UPLOADS = f"""
name: Uploads
on: push
jobs:
  a:
    runs-on: x
    steps:
      - run: mkdir -p one/deep; echo 1 > one/deep/1; echo 2 > one/2
      - {{uses: {UPLOAD}, with: {{name: one, path: one, overwrite: true}}}}
"""


def test_an_annotated_tag_points_to_an_object_of_its_own(make: Make) -> None:
    github = make(
        """
        const { git } = github.rest
        const { data: all } = await git.listMatchingRefs({ ...context.repo, ref: 'tags/v' })
        const { data: one } = await git.getRef({ ...context.repo, ref: 'tags/v2' })
        const { data: tag } = await git.getTag({ ...context.repo, tag_sha: one.object.sha })
        const none = await git.getTag({ ...context.repo, tag_sha: '1'.repeat(40) }).catch(e => e)
        return [all.map(({ ref, object }) => [ref, object.type, object.sha]), tag, none.status]
        """
    )
    github.push("main")
    work_tree = github.remote.work_tree
    git("tag", "--annotate", "--message", "The second", "v2", cwd=work_tree)
    for name in ("v1", "v2", "other"):
        github.tag(name)
    head, of_tag = (git("rev-parse", n, cwd=work_tree).decode().strip() for n in ("HEAD", "v2"))
    refs, tag, missing = asked(github)
    assert refs == [["refs/tags/v1", "commit", head], ["refs/tags/v2", "tag", of_tag]]
    assert (tag["tag"], tag["message"], tag["object"]["sha"]) == ("v2", "The second", head)
    assert missing == 404


def test_an_environment_has_its_reviewers(make: Make) -> None:
    github = make(
        """
        const ask = environment_name => github.rest.repos
          .getEnvironment({ ...context.repo, environment_name })
          .then(({ data }) => data.protection_rules.map(rule => [rule.type, rule.reviewers?.length ?? 0]))
          .catch(error => error.status)
        return Promise.all(['asks', 'branch', 'open', 'gone'].map(ask))
        """  # noqa: E501
    )
    github.environments = {
        "asks": {"reviewers": True},
        "branch": {"branches": ["main"]},
        "open": {},
    }
    github.push("main")
    assert asked(github) == [[["required_reviewers", 1]], [["branch_policy", 0]], [], 404]


def test_packages_are_found_by_name_and_runs_have_their_data(make: Make) -> None:
    github = make(
        """
        const { actions } = github.rest
        const one = { ...context.repo, name: 'one' }
        const { data: { artifacts } } = await actions.listArtifactsForRepo(one)
        const [{ id, workflow_run }] = artifacts
        const of = await actions.listWorkflowRunArtifacts({ ...one, run_id: workflow_run.id })
        const none = await actions.listWorkflowRunArtifacts({ ...one, name: 'two', run_id: workflow_run.id })
        const single = await actions.getArtifact({ ...context.repo, artifact_id: id })
        const { data: run } = await actions.getWorkflowRun({ ...context.repo, run_id: context.runId })
        return { artifacts, of: of.data.artifacts, none: none.data.total_count, single: single.data, run }
        """,  # noqa: E501
        **{"uploads.yml": UPLOADS},
    )
    old = only(github.push("main"))
    github.expire(old, "one")
    commit(github.remote.work_tree, {})
    new = only(github.push("main"))
    said = asked(github)
    newest, oldest = said["artifacts"]
    assert [newest["expired"], oldest["expired"]] == [False, True]
    assert newest["created_at"] > oldest["created_at"]
    assert newest["digest"].startswith("sha256:")
    where = {"id": new.id, "head_sha": new.head_sha, "head_branch": "main"}
    assert where.items() <= newest["workflow_run"].items()
    assert said["of"] == [newest] == [said["single"]]
    assert said["none"] == 0
    assert said["run"]["display_title"] == "Ask for a title"
    assert said["run"]["path"] == ".github/workflows/ask.yml"
    assert said["run"]["run_number"] == 1


def test_a_package_is_downloaded_by_its_id_also_from_another_run(make: Make) -> None:
    def downloads(run: str) -> str:
        return f"""
        on: {{workflow_dispatch: {{inputs: {{run: , ids: , merge: }}}}}}
        permissions: {{actions: read}}
        jobs:
          a:
            runs-on: x
            steps:
              - uses: {DOWNLOAD}
                with:
                  artifact-ids: ${{{{ inputs.ids }}}}
                  path: to
                  run-id: ${{{{ inputs.run }}}}
                  github-token: ${{{{ github.token }}}}
              - run: find to -type f | sort
        """

    github = make("", **{"uploads.yml": UPLOADS, "takes.yml": downloads("1")})
    first = only(github.push("main"))
    other = github.add_run("uploads.yml", head_sha="1" * 40, artifacts={"x": {"x": b"x"}})
    ids = {
        name: a.id for r in (first, other) for a in r.artifact_store.values() for name in [a.name]
    }

    def found(run: Run, *names: str) -> list[str]:
        inputs = {"run": run.id, "ids": ", ".join(str(ids[name]) for name in names)}
        ended = github.dispatch("takes.yml", "main", inputs)
        return (
            ended.job("a").log.splitlines()[-2:]
            if ended.conclusion == "success"
            else ended.job("a").errors
        )

    assert found(first, "one") == ["to/2", "to/deep/1"]
    assert found(other, "x")[-1:] == ["to/x"]
    assert "None of the provided artifact IDs were found" in found(first, "x")[0]


def test_a_run_uploads_a_name_only_once_unless_it_overwrites_it(make: Make) -> None:
    steps = f"""
              - run: echo 1 > 1; echo 2 > 2
              - {{uses: {UPLOAD}, with: {{name: a, path: 1}}}}
              - {{uses: {UPLOAD}, with: {{name: a, path: 2, overwrite: true}}}}
              - {{name: Again, uses: {UPLOAD}, with: {{name: a, path: 1}}}}
    """
    workflow = (
        f"on: push\njobs:\n  a:\n    runs-on: x\n    steps:{steps.replace(' ' * 14, ' ' * 6)}"
    )
    run = only(make("", **{"up.yml": workflow}).push("main"))
    assert run.artifacts == {"a": {"2": b"2\n"}}
    assert run.job("a").steps["Again"] == "failure"
    assert "(409) Conflict: an artifact with this name already exists" in run.job("a").errors[0]


READS = {
    "repos.get": "{}",
    "repos.getBranch": "{ branch: 'main' }",
    "repos.listBranches": "{}",
    "repos.listTags": "{}",
    "repos.getCommit": "{ ref: 'main' }",
    "repos.compareCommitsWithBasehead": "{ basehead: 'main...main' }",
    "repos.getEnvironment": "{ environment_name: 'prd' }",
    "git.listMatchingRefs": "{ ref: 'heads/main' }",
    "git.getRef": "{ ref: 'heads/main' }",
    "git.getTag": "{ tag_sha: TAG }",
    "actions.getWorkflow": "{ workflow_id: 'ask.yml' }",
    "actions.listWorkflowRuns": "{ workflow_id: 'ask.yml' }",
    "actions.listWorkflowRunsForRepo": "{}",
    "actions.getWorkflowRun": "{ run_id: RUN }",
    "actions.getWorkflowRunAttempt": "{ run_id: RUN, attempt_number: 1 }",
    "actions.listJobsForWorkflowRun": "{ run_id: RUN }",
    "actions.listJobsForWorkflowRunAttempt": "{ run_id: RUN, attempt_number: 1 }",
    "actions.listArtifactsForRepo": "{}",
    "actions.listWorkflowRunArtifacts": "{ run_id: RUN }",
    "actions.getArtifact": "{ artifact_id: ARTIFACT }",
}


@pytest.mark.parametrize("fault", ["502", "dropped", "cut", "unreachable"])
def test_every_read_may_fail_once(make: Make, fault: str) -> None:
    reads = ", ".join(f"['{name}', {arguments}]" for name, arguments in READS.items())
    github = make("", **{"uploads.yml": UPLOADS})
    [run] = github.push("main")
    git("tag", "--annotate", "--message", "x", "v1", cwd=github.remote.work_tree)
    github.tag("v1")
    github.environments["prd"] = {}
    script = f"""
    const TAG = '{github.remote.pointed()["refs/tags/v1"][1]}'
    const [RUN, ARTIFACT] = [{run.id}, {next(iter(run.artifact_store))}]
    const said = {{}}
    for (const [name, parameters] of [{reads}]) {{
      const [group, method] = name.split('.')
      const call = () => github.rest[group][method]({{ ...context.repo, ...parameters }})
      const answered = ({{ status, data }}) => [status, typeof data]
      const first = await call().then(answered, error => [error.status, error.message])
      said[name] = [first, await call().then(({{ status }}) => status, error => error.message)]
    }}
    return said
    """
    commit(github.remote.work_tree, {"ask.yml": asking(script)})
    github.remote.push("refs/heads/main")
    # One fault for each path: a path that is asked for twice is that of one route.
    paths = [
        *(
            "$",
            "/branches/main",
            "/branches$",
            "/tags$",
            "/commits/",
            "/compare/",
            "/environments/",
        ),
        *("/git/matching-refs/", "/git/ref/", "/git/tags/", "/actions/workflows/ask.yml$"),
        *("/actions/workflows/ask.yml/runs", "/actions/runs$", f"/actions/runs/{run.id}$"),
        *("/attempts/1$", f"/actions/runs/{run.id}/jobs", "/attempts/1/jobs"),
        *("/actions/artifacts$", f"/actions/runs/{run.id}/artifacts", r"/actions/artifacts/\d+$"),
    ]
    assert len(paths) == len(READS)
    for path in paths:
        whole = f"^/repos/acme/demo{path}" if path == "$" or not path.startswith("/att") else path
        if fault == "unreachable":
            github.unreachable(1, whole, "ECONNRESET", method="GET")
        elif fault == "cut":
            github.cut_off("GET", whole)
        else:
            github.answer("GET", whole, 502 if fault == "502" else 0, {"message": "Bad Gateway"})
    expected = {
        "502": [502, "Bad Gateway"],
        "dropped": [500, "other side closed"],
        "unreachable": [500, "read ECONNRESET"],
        # Octokit takes a body that it cannot parse for text, and the call for a success.
        "cut": [200, "string"],
    }
    said = asked(github)
    assert said.keys() == READS.keys()
    for name, (first, second) in said.items():
        assert second == 200, (name, second)
        assert first == expected[fault], name
