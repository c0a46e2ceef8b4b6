"""The double of GitHub itself, on small workflows: each test shows one rule of GitHub."""

from __future__ import annotations

import itertools
import json
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from offline_github import DispatchError, NotModelledError, OfflineGitHub, Run, events
from offline_github.repository import git

Make = Callable[..., OfflineGitHub]

CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1"
SCRIPT = "actions/github-script@ed597411d8f924073f98dfc5c65a23a2325f34cd"
UPLOAD = "actions/upload-artifact@bbbca2ddaa5d8feaa63e36b76fdaad77386f024f"
DOWNLOAD = "actions/download-artifact@3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c"
SETUP_UV = "astral-sh/setup-uv@20cfd1bf945f4377ade1205e4dbc17946fc9a30d"


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A repository with these workflow files (name -> YAML), and other files (path -> text)."""

    def build(workflows: dict[str, str], files: dict[str, str] | None = None) -> OfflineGitHub:
        return built(tmp_path, workflows, files or {})

    return build


def built(folder: Path, workflows: dict[str, str], files: dict[str, str]) -> OfflineGitHub:
    """A GitHub in this folder, with a work tree that holds these files on main."""
    work_tree = folder / "work tree"
    work_tree.mkdir()
    git("init", "--quiet", "--initial-branch=main", cwd=work_tree)
    git("config", "user.name", "Test", cwd=work_tree)
    git("config", "user.email", "test@example.invalid", cwd=work_tree)
    commit(work_tree, workflows, files)
    return OfflineGitHub(folder / "github", work_tree)


def commit(work_tree: Path, workflows: dict[str, str], files: dict[str, str] | None = None) -> str:
    """Write files, commit everything, and return the commit."""
    named = {f".github/workflows/{name}": textwrap.dedent(text) for name, text in workflows.items()}
    for name, text in {**named, **(files or {})}.items():
        path = work_tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    git("add", "--all", cwd=work_tree)
    git("commit", "--quiet", "--allow-empty", "--message", "A change", cwd=work_tree)
    return git("rev-parse", "HEAD", cwd=work_tree).decode().strip()


def only(runs: list[Run]) -> Run:
    assert len(runs) == 1, runs
    return runs[0]


def job(run: str = "true", **keys: str) -> str:
    """One job in flow style: its keys as YAML, and one step."""
    shown = "".join(f"{key.replace('_', '-')}: {value}, " for key, value in keys.items())
    return f"{{runs-on: ubuntu-latest, {shown}steps: [{{run: '{run}'}}]}}"


# Order and conditions


def test_jobs_run_after_what_they_need_and_see_its_outputs(make: Make) -> None:
    github = make(
        {
            "ci.yml": """
            name: CI
            run-name: Build ${{ github.ref_name }} by ${{ github.actor }}
            on: push
            env: {GREETING: hello}
            jobs:
              last:
                needs: [first, middle]
                runs-on: [self-hosted, linux]
                if: needs.middle.outputs.word == 'hello world'
                steps:
                  - name: Print
                    env: {NEEDS: '${{ toJSON(needs) }}'}
                    run: echo "$NEEDS" | tr -d " \\n"
              middle:
                needs: first
                runs-on: {group: big, labels: [linux]}
                outputs: {word: '${{ steps.word.outputs.word }}', empty: ''}
                steps:
                  - id: word
                    run: echo "word=$GREETING ${{ needs.first.outputs.name }}" >> "$GITHUB_OUTPUT"
              first:
                runs-on: ubuntu-latest
                outputs: {name: '${{ steps.name.outputs.name }}'}
                steps:
                  - {id: name, run: echo name=world >> "$GITHUB_OUTPUT"}
                  - {if: "false", run: exit 1}
                  - {run: 'echo "### Hello" >> "$GITHUB_STEP_SUMMARY"'}
            """
        }
    )
    run = only(github.push("main"))
    assert (run.conclusion, run.event, run.head_branch) == ("success", "push", "main")
    assert run.display_title == "Build main by octocat"
    assert run.order == ["first", "middle", "last"]
    assert run.results == {"last": "success", "middle": "success", "first": "success"}
    assert run.job("middle").outputs == {"word": "hello world"}
    assert run.job("first").summary == "### Hello\n"
    assert run.job("last").steps == {"Print": "success"}
    shown = json.loads(run.job("last").log.splitlines()[-1])
    assert shown["first"] == {"result": "success", "outputs": {"name": "world"}}


def test_a_skipped_or_failed_ancestor_stops_jobs_without_a_status_function(make: Make) -> None:
    jobs = {
        "skipped": job(**{"if": "false"}),
        "bridge": job(needs="skipped", **{"if": "'!cancelled()'"}),
        "far": job(needs="bridge"),
        "far-result": job(needs="bridge", **{"if": "needs.bridge.result == 'success'"}),
        "broken": job("exit 3"),
        "after": job(needs="broken"),
        "on-failure": job(needs="after", **{"if": "failure()"}),
        "always": job(needs="[after, far]", **{"if": "always()"}),
        "independent": job(),
    }
    text = "\n".join(["on: push", "jobs:", *(f"  {name}: {body}" for name, body in jobs.items())])
    run = only(make({"ci.yml": text}).push("main"))
    assert run.results == {
        "skipped": "skipped",
        "bridge": "success",
        "far": "skipped",
        "far-result": "skipped",
        "broken": "failure",
        "after": "skipped",
        "on-failure": "success",
        "always": "success",
        "independent": "success",
    }
    assert run.ran == ["always", "bridge", "broken", "independent", "on-failure"]
    assert run.conclusion == "failure"
    assert run.job("broken").errors == ["Process completed with exit code 3."]


def test_every_job_starts_in_an_empty_workspace_of_its_own(make: Make) -> None:
    empty = 'test -z "$(ls -A; ls -A "$RUNNER_TEMP"; ls "$HOME")"'
    github = make(
        {
            "ci.yml": f"""
            on: push
            jobs:
              one: {job(f'{empty} && touch here "$RUNNER_TEMP/there" "$HOME/home"')}
              two: {job(empty, needs="one")}
            """
        }
    )
    assert only(github.push("main")).results == {"one": "success", "two": "success"}


# Called workflows

CALLEE = """
on:
  workflow_call:
    inputs:
      name: {type: string, required: true}
      loud: {type: boolean, default: false}
    outputs:
      greeting: {value: '${{ jobs.inner.outputs.greeting }}'}
permissions: {}
jobs:
  inner:
    uses: ./.github/workflows/deep.yml
    with: {text: 'hello ${{ inputs.name }}', loud: '${{ inputs.loud }}'}
"""
DEEP = """
on:
  workflow_call:
    inputs:
      text: {type: string}
      loud: {type: boolean}
    outputs:
      greeting: {value: '${{ jobs.say.outputs.greeting }}'}
jobs:
  say:
    runs-on: ubuntu-latest
    outputs: {greeting: '${{ steps.say.outputs.greeting }}'}
    steps:
      - id: say
        env: {TEXT: '${{ inputs.text }}', MARK: "${{ inputs.loud && '!' || '' }}"}
        run: |
          echo "greeting=$TEXT$MARK $CALLER $GITHUB_EVENT_NAME $GITHUB_WORKFLOW" >> "$GITHUB_OUTPUT"
"""


def test_outputs_pass_through_two_levels_of_calls(make: Make) -> None:
    github = make(
        {
            "callee.yml": CALLEE,
            "deep.yml": DEEP,
            "main.yml": """
            name: Main
            on: push
            env: {CALLER: leaked}
            jobs:
              call:
                uses: ./.github/workflows/callee.yml
                with: {name: world, loud: true}
              after:
                needs: call
                runs-on: ubuntu-latest
                steps: [{run: 'echo "got ${{ needs.call.outputs.greeting }}"'}]
            """,
        }
    )
    run = only(github.push("main"))
    assert run.results == dict.fromkeys(
        ["call", "call / inner", "call / inner / say", "after"], "success"
    )
    assert run.order == ["call / inner / say", "after"]
    assert run.job("call").outputs == {"greeting": "hello world!  push Main"}
    assert "got hello world!  push Main" in run.job("after").log


def test_a_failing_callee_fails_its_caller_and_nothing_else(make: Make) -> None:
    github = make(
        {
            "callee.yml": f"""
            on: workflow_call
            jobs:
              lint: {job("exit 1")}
              test: {job()}
              deploy: {job(needs="[lint, test]")}
              report: {job(needs="deploy", **{"if": "always()"})}
            """,
            "main.yml": f"""
            on: push
            jobs:
              broken: {{uses: ./.github/workflows/callee.yml}}
              dependent: {{uses: ./.github/workflows/callee.yml, needs: broken}}
              despite: {{uses: ./.github/workflows/callee.yml, needs: broken, if: always()}}
              independent: {job("test ! -t 1")}
              summary: {job(needs="[broken, dependent]", **{"if": "always()"})}
            """,
        }
    )
    run = only(github.push("main"))
    assert run.results == {
        "broken": "failure",
        "broken / lint": "failure",
        "broken / test": "success",
        "broken / deploy": "skipped",
        "broken / report": "success",
        "dependent": "skipped",
        # success() in a callee looks at the caller's ancestors too: only always() runs.
        "despite": "success",
        "despite / lint": "skipped",
        "despite / test": "skipped",
        "despite / deploy": "skipped",
        "despite / report": "success",
        "independent": "success",
        "summary": "success",
    }
    assert run.conclusion == "failure"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("with: {name: x, nmae: y}", "nmae is not defined"),
        ("with: {}", "Input name is required"),
        ("with: {name: x}, secrets: {TOKEN: x}", "TOKEN is not defined"),
        ("with: {name: x}, needs: nobody", "needs unknown job nobody"),
        ("with: {name: x}, timeout-minutes: 5", "timeout-minutes is not allowed"),
        ("with: {name: x}, needs: call", "cycle"),
    ],
)
def test_a_call_that_does_not_fit_stops_the_run(make: Make, call: str, message: str) -> None:
    main = f"""
    on: push
    jobs:
      call: {{uses: ./.github/workflows/callee.yml, {call}}}
      other: {job()}
    """
    run = only(make({"callee.yml": CALLEE, "deep.yml": DEEP, "main.yml": main}).push("main"))
    assert (run.conclusion, run.jobs, run.order) == ("startup_failure", {}, [])
    assert message in run.message


@pytest.mark.parametrize(
    ("granted", "conclusion"),
    [
        ("{contents: read, actions: write}", "success"),
        ("{contents: read}", "startup_failure"),
        ("{}", "startup_failure"),
    ],
)
def test_a_callee_may_not_ask_for_more_than_it_is_granted(
    make: Make, granted: str, conclusion: str
) -> None:
    github = make(
        {
            "callee.yml": f"""
            on: workflow_call
            permissions: {{}}
            jobs:
              work: {job(permissions="{contents: read, actions: read}")}
            """,
            "main.yml": f"""
            on: push
            permissions: {{}}
            jobs:
              call: {{uses: ./.github/workflows/callee.yml, permissions: {granted}}}
            """,
        }
    )
    run = only(github.push("main"))
    assert run.conclusion == conclusion
    if conclusion != "success":
        assert "requesting 'actions: read', but is only allowed 'actions: none'" in run.message


def test_secrets_reach_a_callee_only_when_they_are_passed(make: Make) -> None:
    callee = """
    on: {workflow_call: {secrets: {REPO: {}}}}
    jobs:
      work:
        runs-on: ubuntu-latest
        environment: prd
        steps:
          - env: {REPO: '${{ secrets.REPO }}', ENV: '${{ secrets.ENV }}', VAR: '${{ vars.VAR }}'}
            run: echo "repo ${#REPO} env ${#ENV} var $VAR" && echo "masked $ENV" && env
    """
    main = """
    on: push
    jobs:
      none: {uses: ./.github/workflows/callee.yml}
      one: {uses: ./.github/workflows/callee.yml, secrets: {REPO: '${{ secrets.REPO }}'}}
      all: {uses: ./.github/workflows/callee.yml, secrets: inherit}
    """
    github = make({"callee.yml": callee, "main.yml": main})
    github.secrets["REPO"] = "1234"
    github.environments["prd"] = {
        "reviewers": True,
        "vars": {"VAR": "x"},
        "secrets": {"ENV": "s3cr3t"},
    }
    run = only(github.push("main"))
    seen = {key: job.log.split("\n")[1:3] for key, job in run.jobs.items() if "work" in key}
    assert seen == {
        "none / work": ["repo 0 env 0 var x", "masked "],
        "one / work": ["repo 4 env 0 var x", "masked "],
        "all / work": ["repo 4 env 6 var x", "masked ***"],
    }
    assert "s3cr3t" not in "".join(job.log for job in run.jobs.values())
    assert sorted(run.approvals) == [
        ("all / work", "prd"),
        ("none / work", "prd"),
        ("one / work", "prd"),
    ]


# Events


@pytest.mark.parametrize(
    ("globs", "name", "expected"),
    [
        (["main"], "main", True),
        (["main"], "main2", False),
        (["release/*"], "release/1", True),
        (["release/*"], "release/1/2", False),
        (["release/**"], "release/1/2", True),
        (["v[0-9]+.*"], "v12.1", True),
        (["v[0-9]+.*"], "vx.1", False),
        (["**", "!feature/**"], "feature/a", False),
        (["**", "!feature/**", "feature/keep"], "feature/keep", True),
        (["!main"], "other", False),
        (["*.x"], "1.x", True),
        (["*.x"], "1ax", False),
    ],
)
def test_filter_patterns(globs: list[str], name: str, expected: bool) -> None:
    assert events.matches(globs, name) is expected


def test_pushes_start_only_workflows_whose_filters_match(make: Make) -> None:
    triggers = {
        "any.yml": "push",
        "main.yml": "{push: {branches: [main]}}",
        "release.yml": "{push: {branches: ['release/**']}}",
        "tag.yml": "{push: {tags: ['v*']}}",
        "both.yml": "{push: {branches: [main], tags: ['v*']}}",
        "not-main.yml": "{push: {branches-ignore: [main]}}",
        "hand.yml": "workflow_dispatch",
    }
    github = make({name: f"{{on: {on}, jobs: {{a: {job()}}}}}" for name, on in triggers.items()})
    started = {"main": github.push("main")}
    git("switch", "--quiet", "--create", "release/1/x", cwd=github.remote.work_tree)
    started["release"] = github.push("release/1/x")
    started["tag"] = github.tag("v1")
    started["other tag"] = github.tag("w1")
    assert {name: sorted(run.workflow_file for run in runs) for name, runs in started.items()} == {
        "main": ["any.yml", "both.yml", "main.yml"],
        "release": ["any.yml", "not-main.yml", "release.yml"],
        "tag": ["any.yml", "both.yml", "tag.yml"],
        "other tag": ["any.yml"],
    }
    assert started["tag"][0].ref == "refs/tags/v1"


def test_workflow_run_chains_know_the_run_before_them_and_end_after_three_links(make: Make) -> None:
    def link(name: str, after: str) -> str:
        return f"""
        name: {name}
        on:
          workflow_run: {{workflows: [{after}], types: [completed], branches: [main, release]}}
        jobs:
          guard:
            runs-on: ubuntu-latest
            if: github.event.workflow_run.head_repository.id == github.event.repository.id
            steps:
              - run: echo "$SHA ${{{{ github.event.workflow_run.head_sha }}}}" "$REF"
                env: {{SHA: '${{{{ github.sha }}}}', REF: '${{{{ github.ref }}}}'}}
        """

    names = ["First", "Second", "Third", "Fourth", "Fifth"]
    chain = {f"{n}.yml": link(n, before) for before, n in itertools.pairwise(names)}
    first = f"""
    name: First
    on: {{push: {{branches: [release]}}}}
    jobs: {{a: {job("exit 1")}}}
    """
    github = make({"First.yml": first, **chain})
    on_main = git("rev-parse", "HEAD", cwd=github.remote.work_tree).decode().strip()
    assert github.push("main") == []
    git("switch", "--quiet", "--create", "release", cwd=github.remote.work_tree)
    on_release = commit(github.remote.work_tree, {})
    pushed = only(github.push("release"))
    assert (pushed.conclusion, pushed.head_sha) == ("failure", on_release)
    # It fires for every conclusion, and knows the commit; its own is the default branch's.
    assert [run.workflow_name for run in github.runs] == ["First", "Second", "Third", "Fourth"]
    second, third = github.runs[1:3]
    assert (second.event, second.ref, second.head_sha) == (
        "workflow_run",
        "refs/heads/main",
        on_main,
    )
    assert second.payload["workflow_run"]["conclusion"] == "failure"
    assert f"{on_main} {on_release} refs/heads/main" in second.job("guard").log
    assert f"{on_main} {on_main} refs/heads/main" in third.job("guard").log

    github.add_run("First.yml", head_sha=on_release, head_branch="main", fork=True, fire=True)
    assert github.runs_of("Second.yml")[-1].results == {"guard": "skipped"}


def test_dispatch_takes_only_declared_inputs_and_existing_refs(make: Make) -> None:
    github = make(
        {
            "hand.yml": """
            on:
              workflow_dispatch:
                inputs:
                  commit: {type: string, required: true}
                  really: {type: boolean, default: true}
                  size: {type: choice, options: [small, large], default: small}
            jobs:
              show:
                runs-on: ubuntu-latest
                if: inputs.really == true
                steps:
                  - env: {REALLY: '${{ github.event.inputs.really }}'}
                    run: echo "${{ inputs.commit }} ${{ inputs.size }} $REALLY"
            """,
            "push.yml": f"{{on: push, jobs: {{a: {job()}}}}}",
        }
    )
    github.push("main")
    run = github.dispatch("hand.yml", "main", {"commit": "abc"})
    assert "abc small true" in run.job("show").log
    assert (
        github.dispatch("hand.yml", "main", {"commit": "x", "really": False}).conclusion
        == "skipped"
    )
    for file, ref, inputs in (
        ("hand.yml", "main", {"commit": "x", "other": "y"}),
        ("hand.yml", "main", {}),
        ("hand.yml", "main", {"commit": "x", "size": "huge"}),
        ("hand.yml", "gone", {"commit": "x"}),
        ("hand.yml", run.head_sha, {"commit": "x"}),
        ("push.yml", "main", {}),
    ):
        with pytest.raises(DispatchError):
            github.dispatch(file, ref, inputs)


# Artifacts and REST


def test_artifacts_pass_between_jobs_and_runs_without_modes_and_hidden_files(make: Make) -> None:
    other_run = "run-id: '${{ inputs.run }}', github-token: '${{ github.token }}'"
    github = make(
        {
            "ci.yml": f"""
            on: push
            permissions: {{}}
            jobs:
              build:
                runs-on: ubuntu-latest
                outputs: {{id: '${{{{ steps.upload.outputs.artifact-id }}}}'}}
                steps:
                  - run: |
                      mkdir -p package/sub 'package/with space' package/empty
                      echo one > package/run.sh && chmod 755 package/run.sh
                      echo two > package/.hidden && echo three > 'package/with space/sub file'
                  - id: upload
                    uses: {UPLOAD}
                    with: {{name: all, path: package, include-hidden-files: true}}
                  - uses: {UPLOAD}
                    with: {{name: visible, path: package, retention-days: 7}}
                  - uses: {UPLOAD}
                    with: {{name: one, path: package/run.sh}}
              use:
                needs: build
                runs-on: ubuntu-latest
                steps:
                  - {{uses: {DOWNLOAD}, with: {{name: all, path: got}}}}
                  - run: test -f got/.hidden && test ! -x got/run.sh
                  - run: cat 'got/with space/sub file'
              again:
                needs: use
                runs-on: ubuntu-latest
                steps:
                  - run: echo more > more
                  - {{uses: {UPLOAD}, with: {{name: one, path: more, overwrite: true}}}}
                  - {{uses: {UPLOAD}, with: {{name: all, path: more}}}}
              nothing:
                runs-on: ubuntu-latest
                steps:
                  - uses: {UPLOAD}
                    with: {{name: none, path: missing, if-no-files-found: error}}
            """,
            "other.yml": f"""
            on: {{workflow_dispatch: {{inputs: {{run: {{type: string}}}}}}}}
            permissions: {{}}
            jobs:
              allowed:
                runs-on: ubuntu-latest
                permissions: {{actions: read}}
                steps:
                  - uses: {DOWNLOAD}
                    with: {{name: visible, {other_run}}}
                  - run: find . -type f | sort
              forbidden:
                runs-on: ubuntu-latest
                steps:
                  - uses: {DOWNLOAD}
                    with: {{name: visible, {other_run}}}
              missing:
                runs-on: ubuntu-latest
                steps: [{{uses: {DOWNLOAD}, with: {{name: visible}}}}]
            """,
        }
    )
    run = only(github.push("main"))
    assert run.results == {
        "build": "success",
        "use": "success",
        "again": "failure",
        "nothing": "failure",
    }
    assert run.artifacts == {
        "all": {".hidden": b"two\n", "run.sh": b"one\n", "with space/sub file": b"three\n"},
        "visible": {"run.sh": b"one\n", "with space/sub file": b"three\n"},
        "one": {"more": b"more\n"},
    }
    days = {artifact.name: artifact.retention_days for artifact in run.artifact_store.values()}
    assert days == {"all": None, "visible": 7, "one": None}
    assert "(409) Conflict: an artifact with this name already exists" in run.job("again").errors[0]
    assert "No files were found" in run.job("nothing").errors[0]

    other = github.dispatch("other.yml", "main", {"run": str(run.id)})
    assert other.results == {"allowed": "success", "forbidden": "failure", "missing": "failure"}
    assert "./run.sh\n./with space/sub file" in other.job("allowed").log
    assert "not accessible by integration" in other.job("forbidden").errors[0]
    assert "Artifact not found for name: visible" in other.job("missing").errors[0]
    github.expire(run, "visible")
    assert (
        github.dispatch("other.yml", "main", {"run": str(run.id)}).job("allowed").result
        == "failure"
    )


ASK = textwrap.indent(
    """
const repo = context.repo
const { rest, paginate } = github
const failed = error => error.status
const compare = basehead => rest.repos
  .compareCommitsWithBasehead({ ...repo, basehead }).then(({ data }) => data.status, failed)
const environment = environment_name => rest.repos
  .getEnvironment({ ...repo, environment_name })
  .then(({ data }) => data.protection_rules.length, failed)

const { data: { workflow_run_id: run_id } } = await rest.actions.createWorkflowDispatch({
  ...repo, workflow_id: 'child.yml', ref: 'main', inputs: { word: 'hi' }, return_run_details: true,
})
let child
do {
  await new Promise(resolve => setTimeout(resolve, 2000))
  child = (await rest.actions.getWorkflowRun({ ...repo, run_id })).data
} while (child.status !== 'completed')

const branches = await paginate(rest.repos.listBranches, { ...repo, per_page: 1 })
const tags = await paginate(rest.repos.listTags, repo)
const jobs = await paginate(rest.actions.listJobsForWorkflowRun, { ...repo, run_id })
const runs = await paginate(rest.actions.listWorkflowRuns, {
  ...repo, workflow_id: 'child.yml', head_sha: context.sha, status: 'success',
})
const pairs = ['main...side', 'side...main', 'main...main', 'main...gone']
return {
  compare: await Promise.all(pairs.map(compare)),
  branches: branches.map(b => b.name),
  tags: tags.map(t => t.name),
  child: [child.conclusion, child.display_title, jobs.map(j => [j.name, j.conclusion])],
  runs: runs.map(r => r.id === run_id),
  environments: await Promise.all(['prd', 'dev'].map(environment)),
}
""",
    " " * 24,
)


def test_scripts_reach_the_rest_api_as_far_as_their_permissions(make: Make) -> None:
    github = make(
        {
            "api.yml": f"""
            on: workflow_dispatch
            jobs:
              ask:
                runs-on: ubuntu-latest
                permissions: {{contents: read, actions: write}}
                outputs: {{result: '${{{{ steps.ask.outputs.result }}}}'}}
                steps:
                  - id: ask
                    uses: {SCRIPT}
                    with:
                      script: |{ASK}
              forbidden:
                runs-on: ubuntu-latest
                permissions: {{}}
                steps:
                  - uses: {SCRIPT}
                    with:
                      script: |
                        await github.rest.repos.getBranch({{ ...context.repo, branch: 'main' }})
            """,
            "child.yml": f"""
            name: Child
            run-name: Child ${{{{ inputs.word }}}}
            on: {{workflow_dispatch: {{inputs: {{word: {{type: string}}}}}}}}
            jobs: {{work: {job(name="Some work")}}}
            """,
        }
    )
    github.environments["prd"] = {"reviewers": True}
    github.push("main")
    github.tag("v1")
    git("switch", "--quiet", "--create", "side", cwd=github.remote.work_tree)
    commit(github.remote.work_tree, {})
    github.push("side")
    run = github.dispatch("api.yml", "main")
    assert run.job("ask").log.count("##[error]") == 0
    assert json.loads(run.job("ask").outputs["result"]) == {
        "compare": ["ahead", "behind", "identical", 404],
        "branches": ["main", "side"],
        "tags": ["v1"],
        "child": ["success", "Child hi", [["Some work", "success"]]],
        "runs": [True],
        "environments": [1, 404],
    }
    assert run.job("forbidden").result == "failure"
    assert "not accessible by integration" in run.job("forbidden").errors[0]
    assert [call.path for call in github.api_calls if call.method == "POST"] == [
        "/repos/acme/demo/actions/workflows/child.yml/dispatches"
    ]


# Actions and tools


def test_checkout_takes_the_given_commit(make: Make) -> None:
    github = make(
        {
            "ci.yml": f"""
            on: workflow_dispatch
            permissions: {{}}
            jobs:
              old:
                runs-on: ubuntu-latest
                permissions: {{contents: read}}
                steps:
                  - {{uses: {CHECKOUT}, with: {{ref: OLD, persist-credentials: false}}}}
                  - run: cat file && git rev-list --count HEAD
                  - run: '! git config --get-regexp extraheader'
              new:
                runs-on: ubuntu-latest
                permissions: {{contents: read}}
                steps:
                  - {{uses: {CHECKOUT}, with: {{path: below, fetch-depth: 0}}}}
                  - run: cat below/file && git -C below rev-list --count HEAD
              gone:
                runs-on: ubuntu-latest
                permissions: {{contents: read}}
                steps: [{{uses: {CHECKOUT}, with: {{ref: {"1" * 40}}}}}]
              forbidden:
                runs-on: ubuntu-latest
                steps: [{{uses: {CHECKOUT}}}]
            """
        },
        {"file": "first\n"},
    )
    tree = github.remote.work_tree
    old = git("rev-parse", "HEAD", cwd=tree).decode().strip()
    workflow = tree / ".github/workflows/ci.yml"
    workflow.write_text(workflow.read_text().replace("OLD", old))
    commit(tree, {}, {"file": "second\n"})
    github.push("main")
    run = github.dispatch("ci.yml", "main")
    assert run.results == {
        "old": "success",
        "new": "success",
        "gone": "failure",
        "forbidden": "failure",
    }
    assert "first\n1" in run.job("old").log
    assert "second\n2" in run.job("new").log


def test_an_input_that_an_action_does_not_have_fails_the_step(make: Make) -> None:
    github = make(
        {
            "ci.yml": f"""
            on: push
            jobs:
              right: {{runs-on: x, steps: [{{uses: {SETUP_UV}, with: {{enable-cache: false}}}}]}}
              wrong: {{runs-on: x, steps: [{{uses: {SETUP_UV}, with: {{enable-cahce: false}}}}]}}
            """
        }
    )
    run = only(github.push("main"))
    assert run.results == {"right": "success", "wrong": "failure"}
    assert "Unexpected input(s) 'enable-cahce'" in run.job("wrong").errors[0]
    assert [used["inputs"] for used in github.actions_used("astral-sh/setup-uv")] == [
        {"enable-cache": "false"}
    ]


def test_tools_are_recorded_and_can_be_told_to_fail(make: Make) -> None:
    github = make(
        {
            "ci.yml": f"""
            on: push
            jobs:
              plan: {job("mkdir sub && cd sub && TF_X=1 terraform plan -out=a")}
              apply: {job("terraform apply", needs="plan")}
              own: {job("greet you")}
            """
        }
    )
    github.fail_tool("terraform", arguments="^apply", job="apply")
    github.tool("greet", 'echo "hello $1"')
    run = only(github.push("main"))
    assert run.results == {"plan": "success", "apply": "failure", "own": "success"}
    assert "hello you" in run.job("own").log
    plan, apply = github.commands("terraform")
    assert (plan.line, plan.folder, plan.job) == ("terraform plan -out=a", "sub", "plan")
    assert (plan.environment["TF_X"], plan.code, apply.code) == ("1", 0, 1)


def test_a_key_that_is_not_modelled_is_an_error(make: Make) -> None:
    github = make({"ci.yml": f"{{on: push, jobs: {{a: {job(strategy='{matrix: {x: [1]}}')}}}}}"})
    with pytest.raises(NotModelledError, match="strategy"):
        github.push("main")


# Attempts, cancellation, concurrency


def test_rerunning_failed_jobs_keeps_those_that_succeeded(make: Make) -> None:
    github = make(
        {
            "callee.yml": """
            on: workflow_call
            jobs:
              build:
                runs-on: x
                outputs: {attempt: '${{ steps.a.outputs.attempt }}'}
                steps: [{id: a, run: 'echo "attempt=$GITHUB_RUN_ATTEMPT" >> "$GITHUB_OUTPUT"'}]
              deploy:
                runs-on: x
                needs: build
                environment: ${{ github.run_attempt > 1 && 'prd-retry' || 'prd' }}
                steps:
                  - env: {BUILT: '${{ needs.build.outputs.attempt }}'}
                    run: terraform apply "$BUILT" ${{ github.run_attempt }}
            """,
            "main.yml": f"""
            on: push
            jobs:
              one: {{uses: ./.github/workflows/callee.yml}}
              two: {{uses: ./.github/workflows/callee.yml, needs: one}}
              never: {job(**{"if": "false"})}
              summary: {job(needs="[one, two]", **{"if": "always()"})}
            """,
        }
    )
    github.environments["prd-retry"] = {"reviewers": True}
    github.fail_tool("terraform")
    first = only(github.push("main"))
    assert first.results == {
        "one": "failure",
        "one / build": "success",
        "one / deploy": "failure",
        "two": "skipped",
        "never": "skipped",
        "summary": "success",
    }
    github.tools.heal()
    second = github.rerun(first, failed_only=True)
    assert (second.id, second.attempt, second.conclusion) == (first.id, 2, "success")
    assert second.ran == ["one / deploy", "summary", "two / build", "two / deploy"]
    assert second.job("one / build").attempt == 1
    assert [c.line for c in github.commands()] == [
        "terraform apply 1 1",
        "terraform apply 1 2",
        "terraform apply 2 2",
    ]
    assert second.approvals == [("one / deploy", "prd-retry"), ("two / deploy", "prd-retry")]
    third = github.rerun(second)
    assert third.attempt == 3 and len(third.order) == 5


def test_a_cancelled_run_stops_its_jobs_and_still_runs_always(make: Make) -> None:
    github = make(
        {
            "ci.yml": f"""
            on: push
            jobs:
              before: {job()}
              slow: {job("work", needs="before")}
              after: {job(needs="slow")}
              unless: {job(needs="slow", **{"if": "'!cancelled()'"})}
              always: {job(needs="[after, slow]", **{"if": "always()"})}
            """
        }
    )
    beats = github.workdir / "beats"
    github.tool("work", f"while echo beat >> '{beats}'; do sleep 0.02; done")

    def cancel_when_working(run: Run) -> None:
        while not beats.exists():
            time.sleep(0.01)
        github.cancel(run)

    def cancel(run: Run, key: str) -> None:
        if key == "slow":
            threading.Thread(target=cancel_when_working, args=[run]).start()

    github.before_job = cancel
    run = only(github.push("main"))
    assert run.results == {
        "before": "success",
        "slow": "cancelled",
        "after": "skipped",
        "unless": "skipped",
        "always": "success",
    }
    assert run.conclusion == "cancelled"
    size = beats.stat().st_size
    time.sleep(0.2)
    assert beats.stat().st_size == size, "what the step had started goes on"


def test_a_group_holds_one_running_and_one_pending_run(make: Make) -> None:
    github = make({"ci.yml": f"{{on: push, concurrency: Deploy, jobs: {{a: {job()}}}}}"})
    pushed = []

    def push_more(run: Run, key: str) -> None:
        if not pushed:
            for _ in range(2):
                commit(github.remote.work_tree, {})
                pushed.extend(github.push("main"))
            assert pushed[-1].status == "pending"

    github.before_job = push_more
    first = only(github.push("main"))
    assert [run.conclusion for run in (first, *pushed)] == ["success", "cancelled", "success"]
    assert "higher priority waiting request for 'Deploy'" in pushed[0].message


def test_caller_and_callee_with_the_same_group_block_each_other(make: Make) -> None:
    github = make(
        {
            "callee.yml": f"{{on: workflow_call, concurrency: DEPLOY, jobs: {{a: {job()}}}}}",
            "main.yml": """
            on: push
            concurrency: deploy
            jobs: {c: {uses: ./.github/workflows/callee.yml}}
            """,
        }
    )
    run = only(github.push("main"))
    assert (run.conclusion, run.results) == ("cancelled", {"c": "cancelled"})
    assert "deadlock" in run.job("c").log


def test_runs_of_others_can_be_made_up(make: Make) -> None:
    github = make({"ci.yml": f"{{name: CI, on: push, jobs: {{a: {job()}}}}}"})
    github.push("main")
    files = {"package": {"a.txt": b"a"}}
    run = github.add_run("ci.yml", head_sha="1" * 40, fork=True, artifacts=files)
    assert run.artifacts == files
    shown = github.run_payload(run)
    assert shown["head_repository"]["id"] != shown["repository"]["id"]


# What scenarios use to set the stage


def test_forced_results_decide_which_jobs_run(make: Make) -> None:
    github = make(
        {
            "callee.yml": f"{{on: workflow_call, jobs: {{a: {job()}, b: {job(needs='a')}}}}}",
            "main.yml": """
            on: push
            jobs:
              one: {uses: ./.github/workflows/callee.yml}
              two: {uses: ./.github/workflows/callee.yml, needs: one, if: '!cancelled()'}
            """,
        }
    )
    github.forced_results = {"one / b": "cancelled", "two / a": "success"}
    run = only(github.push("main"))
    assert github.job_keys("main.yml") == ["one / a", "one / b", "two / a", "two / b"]
    assert run.results == {
        "one": "cancelled",
        "one / a": "success",
        "one / b": "cancelled",
        "two": "skipped",
        "two / a": "skipped",
        "two / b": "skipped",
    }


def test_an_invalid_file_is_a_failed_run_and_does_not_stop_others(make: Make) -> None:
    github = make({"bad.yml": "on: [push", "good.yml": f"{{on: push, jobs: {{a: {job()}}}}}"})
    assert {r.workflow_file: r.conclusion for r in github.push("main")} == {
        "bad.yml": "startup_failure",
        "good.yml": "success",
    }


def test_an_environment_may_refuse_a_branch_and_outputs_with_secrets_are_dropped(
    make: Make,
) -> None:
    github = make(
        {
            "ci.yml": f"""
            on: push
            jobs:
              deploy: {job(environment="prd")}
              leak:
                runs-on: x
                environment: {{name: dev, url: 'https://example.invalid'}}
                outputs:
                  secret: ${{{{ steps.a.outputs.b }}}}
                  other: x ${{{{ job.status }}}}
                steps: [{{id: a, run: 'echo b=pass-$S >> $GITHUB_OUTPUT', env: {{S: $ }}}}]
            """.replace("env: {S: $ }", "env: {S: '${{ secrets.S }}'}")
        }
    )
    github.environments["prd"] = {"branches": ["release/*"]}
    github.secrets["S"] = "word"
    run = only(github.push("main"))
    assert run.results == {"deploy": "failure", "leak": "success"}
    assert "not allowed to deploy to prd" in run.job("deploy").log
    assert run.job("leak").outputs == {"other": "x success"}
    assert run.job("leak").environment == "dev"


def test_rest_answers_can_be_planned(make: Make) -> None:
    github = make(
        {
            "ci.yml": f"""
            on: push
            permissions: {{contents: read}}
            jobs:
              ask:
                runs-on: x
                steps:
                  - uses: {SCRIPT}
                    with:
                      script: |
                        const ask = () => github.rest.repos.listTags(context.repo)
                          .then(({{ status }}) => status, error => error.status)
                        core.info(`got ${{await ask()}} ${{await ask()}} ${{await ask()}}`)
            """
        }
    )
    github.answer("GET", "/tags$", 503)
    github.answer("GET", "/tags$", 0)
    assert "got 503 500 200" in only(github.push("main")).job("ask").log
    assert [call.status for call in github.api_calls] == [503, 0, 200]


def test_a_call_that_the_server_does_not_know_is_an_error(make: Make) -> None:
    script = "await github.rest.issues.list()"
    step = f"{{uses: {SCRIPT}, with: {{script: '{script}'}}}}"
    github = make({"ci.yml": f"{{on: push, jobs: {{a: {{runs-on: x, steps: [{step}]}}}}}}"})
    with pytest.raises(NotModelledError, match="GET /issues"):
        github.push("main")
