"""`orchestration: observe`: components' workflows start by themselves, the orchestrator looks on.

How the scripts take what they are told is in tests/scripts (find-dependencies, watch-components);
here, what starts what. Only what is in question runs for real; what the other jobs come to is said
by the test (`Stage.ends`). The order of deployments is that of their jobs.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from generated_repositories import Made, commit, failed, package, reopened
from offline_github import OfflineGitHub, Run
from offline_github.model import Job
from offline_github.repository import git

REAL = ("changes", "watch", "deployment-summary")
"""The jobs that run, unless a test says otherwise."""
BUILD, DEPLOY = "build / build", "deploy / deploy"
ASKED = [("approval", "prd-approval")]
DIAMOND = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"], "e": ["d"]}


def answers(graph: Mapping[str, list[str]], **more: Any) -> dict[str, Any]:
    """Components that only deploy, and record the commit."""
    return {
        "components": {
            name: {"code_type": "generic", "deploy": f'ship {name} "$(git rev-parse HEAD)"'}
            for name in graph
        },
        "dependency_map": dict(graph),
        "orchestration": "observe",
        "pull_requests": False,
        "environments": [{"name": "dev", "branch": "main"}],
        **more,
    }


def building(given: dict[str, Any], *names: str) -> dict[str, Any]:
    """Let these components build a package as well."""
    for name in names:
        given["components"][name] |= {"build": f"make {name}", "produces": ["package.txt"]}
    return given


class Stage(dict[str, str]):
    """A repository, and the results of its jobs: like `forced_results`, but also by run."""

    def __init__(self, github: OfflineGitHub) -> None:
        super().__init__()
        self.github = github
        self.real = {*REAL}
        self.ends: dict[tuple[str, str], str] = {}
        """(component and environment, job) -> result; success if there is none."""
        self.before: Callable[[Run, str], None] | None = None
        """Called before each job."""
        self.deployed: list[str] = []
        """The deployments that succeeded, `a-dev`, in the order in which they began."""
        self._thread = threading.local()
        github.forced_results, github.before_job = self, self._begin
        github.environments["prd-approval"] = {"reviewers": True}
        github.tool("ship")
        github.tool("make", "#!/usr/bin/env bash\necho $RANDOM$RANDOM > package.txt\n")

    def _begin(self, run: Run, key: str) -> None:
        self._thread.run = run
        if self.before:
            self.before(run, key)
        if key == DEPLOY and self.result(run, key) == "success":
            self.deployed.append(run.workflow_file.removesuffix(".yml"))

    def result(self, run: Run, key: str) -> str | None:
        default = None if key in self.real else "success"
        return self.ends.get((run.workflow_file.removesuffix(".yml"), key), default)

    def get(self, key: str, default: Any = None) -> Any:
        return self.result(self._thread.run, key)

    @property
    def head(self) -> str:
        return git("rev-parse", "HEAD", cwd=self.github.remote.work_tree).decode().strip()

    def changed(self, branch: str = "main") -> str:
        """One more commit on a branch of the work tree."""
        work_tree = self.github.remote.work_tree
        git("switch", "--quiet", branch, cwd=work_tree)
        return commit(work_tree, {}, "A change")

    def pushed(self, branch: str = "main", orchestrator: str = "orchestrator-dev") -> Run:
        """Push a branch; the newest run of an orchestrator."""
        self.github.push(branch)
        return self.runs(orchestrator)[-1]

    def runs(self, name: str) -> list[Run]:
        """The runs of a workflow, in the order in which they began, by the newest attempt."""
        return [run for run in self.github.latest_attempts() if run.workflow_file == f"{name}.yml"]

    def run(self, name: str) -> Run:
        [run] = self.runs(name)
        return run

    def ignore(self, *workflows: str) -> None:
        """Let runs of these workflows succeed without a job."""
        self.github.forced_conclusions |= {f"{name}.yml": "success" for name in workflows}


Open = Callable[..., Stage]


@pytest.fixture
def stage(made: Made, tmp_path: Path) -> Open:
    def open_stage(name: str, given: dict[str, Any]) -> Stage:
        return Stage(reopened(made(name, given, {}), tmp_path, ("main", "develop")))

    return open_stage


@pytest.fixture
def diamond(stage: Open) -> Stage:
    return stage("diamond", answers(DIAMOND))


def table(run: Run) -> dict[str, tuple[str, str]]:
    """The result and the link of each component in the summary, in the order of the rows."""
    lines = run.job("deployment-summary").summary.splitlines()
    rows = [
        line.removeprefix("| ").removesuffix(" |").split(" | ")
        for line in lines
        if line.startswith("| ")
    ][2:]
    found = {name: (result.split(" ", 1)[1], link[7:-1]) for name, result, _, link in rows}
    assert found.pop("changes")[0] == "success"
    return found


def results(run: Run) -> list[tuple[str, str]]:
    return [(name, result) for name, (result, _) in table(run).items()]


def url(run: Run) -> str:
    return f"https://github.com/acme/demo/actions/runs/{run.id}"


SUCCESS = dict.fromkeys(["changes", "deploy", DEPLOY], "success")
NOT_YET = {"changes": "success", "deploy": "skipped"}
EMPTY = {"total_count": 0, "workflow_runs": []}


def deploying(runs: list[Run]) -> list[Run]:
    return [run for run in runs if run.results.get(DEPLOY) == "success"]


# How it goes


def test_each_deploys_once_after_all_it_waits_for(diamond: Stage) -> None:
    """Also if an earlier component has a run that only found that it was too early."""
    commit_sha = diamond.changed()
    started = diamond.github.push("main")
    assert [run.workflow_file for run in started] == ["a-dev.yml", "orchestrator-dev.yml"]
    assert diamond.deployed[0] == "a-dev" and diamond.deployed[3:] == ["d-dev", "e-dev"]
    assert sorted(diamond.deployed[1:3]) == ["b-dev", "c-dev"]
    first, watcher = started
    assert first.results == {"deploy": "success", DEPLOY: "success"}
    for name, triggers in {"b": ["a"], "c": ["a"], "d": ["b", "c"], "e": ["d", "d"]}.items():
        runs = diamond.runs(f"{name}-dev")
        before = sorted(run.triggered_by.workflow_file for run in runs if run.triggered_by)
        assert before == [f"{other}-dev.yml" for other in triggers]
        ends = sorted([run.results for run in runs], key=len)
        assert ends == [NOT_YET] * (len(runs) - 1) + [SUCCESS]
        assert {run.event for run in runs} == {"workflow_run"}
        assert all(r.display_title.startswith(f"Deploy {commit_sha} to dev - a, ") for r in runs)
    rows = {n: ("success", url(deploying(diamond.runs(f"{n}-dev"))[0])) for n in DIAMOND}
    assert list(table(watcher).items()) == list(rows.items())
    summary = watcher.job("deployment-summary").summary
    assert summary.startswith("## Deployment to dev succeeded\n")
    picture = summary.split("```mermaid\n")[1].splitlines()
    assert picture[1:6] == [f'  n{i}["{n}"]:::success' for i, n in enumerate("abcde")]
    assert picture[6:11] == [
        f"  n{i} --> n{j}" for i, j in ((0, 1), (0, 2), (1, 3), (2, 3), (3, 4))
    ]
    assert watcher.results == dict.fromkeys(REAL, "success")
    # The orchestrator starts nothing, and has no right to.
    assert watcher.job("watch").permissions == {"actions": "read", "contents": "read"}
    assert watcher.job("deployment-summary").permissions == {"actions": "read"}
    assert {call.method for call in diamond.github.api_calls} == {"GET"}
    assert watcher.concurrency == "orchestrator-dev"
    job = first.job(DEPLOY)
    assert (job.environment, job.concurrency) == ("dev", "a-dev")


@pytest.mark.parametrize(("last", "lag"), [("b-dev", None), ("c-dev", "b-dev")])
def test_two_that_end_in_the_same_second(diamond: Stage, last: str, lag: str | None) -> None:
    """In either order of their ids, and where a list does not know of one of them yet."""
    github = diamond.github
    diamond.ignore("orchestrator-dev")
    both, first = threading.Barrier(2), threading.Event()

    def together(run: Run, key: str) -> None:
        name = run.workflow_file.removesuffix(".yml")
        if key == DEPLOY and name in ("b-dev", "c-dev"):
            both.wait(20)
            github.same_second = True
            if name == last:
                first.wait(20)
        elif name == "d-dev":
            if not first.is_set() and lag:
                github.answer("GET", f"/{lag}.yml/runs$", 200, EMPTY, times=2)
            first.set()
            if key == DEPLOY:
                github.same_second = False

    diamond.before = together
    github.push("main")
    assert sorted(diamond.deployed) == [f"{name}-dev" for name in "abcde"]
    runs = diamond.runs("d-dev")
    assert sorted([run.results for run in runs], key=len) == [NOT_YET, SUCCESS]
    ends = [r.job(DEPLOY).completed_at for n in "bc" for r in deploying(diamond.runs(f"{n}-dev"))]
    assert ends[0] == ends[1]
    [run] = deploying(runs)
    assert run.triggered_by
    assert run.triggered_by.id == max(diamond.run(f"{name}-dev").id for name in "bc")


# What goes wrong, and how it goes on

JOIN = {"a": [], "b": [], "c": ["a", "b"], "d": ["c"]}


@pytest.mark.parametrize(("job", "end"), [(BUILD, "failure"), (DEPLOY, "cancelled")])
def test_what_waits_for_one_that_fails_goes_on_when_a_rerun_succeeds(
    stage: Open, job: str, end: str
) -> None:
    join = stage("join", building(answers(JOIN), "a", "b"))
    github = join.github
    join.ends = {("b-dev", job): end}
    watcher = join.pushed()
    assert join.deployed == ["a-dev"] and watcher.conclusion == "failure"
    assert {run.results["deploy"] for run in join.runs("c-dev")} == {"skipped"}
    failed_run = join.run("b-dev")
    result = "failure" if job == BUILD else failed_run.conclusion
    assert results(watcher) == [
        *(("b", result), ("c", "skipped"), ("d", "skipped"), ("a", "success")),
    ]
    assert table(watcher)["b"][1] == url(failed_run)
    summary = watcher.job("deployment-summary").summary
    what = "failed in b" if result == "failure" else "was not completed"
    assert summary.startswith(f"## Deployment to dev {what}\n")
    assert f'  n1["b"]:::{result}\n  n2["c"]:::skipped\n' in summary

    join.ends = {}
    again = github.rerun(failed_run, failed_only=True)
    assert (again.attempt, again.conclusion) == (2, "success")
    assert join.deployed == ["a-dev", "b-dev", "c-dev", "d-dev"]
    watcher = github.rerun(watcher, failed_only=True)
    assert watcher.conclusion == "success" and watcher.ran == ["deployment-summary", "watch"]
    assert results(watcher) == [(name, "success") for name in JOIN]


STOP = {"a": [], "b": [], "c": ["a"], "d": ["c"]}


def test_stop_starts_no_later_wave_after_a_failure(stage: Open) -> None:
    """Components that do not depend on the failed one wait, too, until a re-run succeeds."""
    environments = [{"name": "dev", "branch": "main", "on_failure": "stop"}]
    stop = stage("stop", answers(STOP, environments=environments))
    stop.ends = {("b-dev", DEPLOY): "failure"}
    watcher = stop.pushed()
    assert stop.deployed == ["a-dev"]
    assert results(watcher) == [
        *(("b", "failure"), ("c", "skipped"), ("d", "skipped"), ("a", "success")),
    ]
    stop.ends = {}
    stop.github.rerun(stop.run("b-dev"))
    assert stop.deployed == ["a-dev", "b-dev", "c-dev", "d-dev"]


def test_nobody_waits_for_one_that_does_nothing(stage: Open) -> None:
    """`b` has no commands. Components that wait for it wait for its dependencies instead."""
    given = answers({"a": [], "x": [], "b": ["a", "x"], "c": ["b"]})
    del given["components"]["b"]["deploy"]
    idle = stage("idle", given)
    watcher = idle.pushed()
    assert sorted(idle.deployed) == ["a-dev", "c-dev", "x-dev"] and idle.deployed[-1] == "c-dev"
    assert watcher.conclusion == "success"
    idle.changed()
    idle.deployed.clear()
    idle.ends = {("x-dev", DEPLOY): "failure"}
    watcher = idle.pushed()
    assert idle.deployed == ["a-dev"]
    assert results(watcher) == [
        *(("x", "failure"), ("b", "skipped"), ("c", "skipped"), ("a", "success")),
    ]


# What starts a component


def forge(stage: Stage, workflow: str, **what: Any) -> Run:
    """A run that nobody executed, with the jobs of a deployment."""
    name = workflow.removesuffix(".yml")
    given = {"head_sha": stage.head, "display_title": f"Deploy {stage.head} to dev - {name[0]}"}
    given |= what
    fire = given.pop("fire", False)
    run = stage.github.add_run(workflow, **given)
    for key, job_name in (("deploy", "deploy"), (DEPLOY, "Deploy")):
        job = Job(key, stage.github.new_id(), 1, run.workflow_path, job_name, "completed")
        job.result, job.completed_at = run.conclusion, run.updated_at
        run.jobs[key] = job
    if fire:
        with stage.github._outermost():
            stage.github._fire_workflow_run(run)
    return run


def foreign(stage: Stage) -> str:
    """A commit that is only on the branch `feature`."""
    work_tree = stage.github.remote.work_tree
    git("switch", "--quiet", "--force-create", "feature", "main", cwd=work_tree)
    sha = stage.changed("feature")
    stage.github.remote.push("refs/heads/feature")
    git("switch", "--quiet", "main", cwd=work_tree)
    return sha


OTHER_ENDS: list[dict[str, Any]] = [
    *({"conclusion": c} for c in ("failure", "cancelled", "skipped", "timed_out", "neutral")),
    {"fork": True},
    {"fork": True, "event": "workflow_dispatch"},
    {"fork": True, "event": "workflow_run"},
    {"fork": True, "event": "pull_request"},
    {"head_branch": "feature"},
    {"head_branch": "main2"},
    {"head_branch": "feature", "event": "workflow_dispatch"},
    {"event": "pull_request"},
    {"event": "pull_request_target"},
    {"event": "schedule"},
    {"event": "repository_dispatch"},
    {"event": "merge_group"},
    # Only a push starts these, and not the end of another workflow.
    {"event": "workflow_run"},
]
CHAIN = {"a": [], "s": [], "b": ["a"], "c": ["b"]}


@pytest.fixture
def chain(stage: Open) -> Stage:
    """develop-main: `prd` follows `test`; three waves are the most that GitHub starts there."""
    given = building(answers(CHAIN), "a")
    del given["environments"]
    chain = stage("chain", given)
    chain.github.environments["prd"] = {"branches": ["main"]}
    return chain


@pytest.mark.parametrize(
    ("ended", "after"),
    [
        ("a-test", ["b-test"]),
        ("orchestrator-test", ["a-prd", "orchestrator-prd", "s-prd"]),
    ],
)
def test_any_other_end_starts_nothing(chain: Stage, ended: str, after: list[str]) -> None:
    for what in OTHER_ENDS:
        before = len(chain.github.runs)
        forge(chain, f"{ended}.yml", fire=True, **what)
        started = chain.github.runs[before + 1 :]
        # The end of skipped runs starts the runs that wait for them, and these are skipped, too.
        assert {f"{name}.yml" for name in after} <= {run.workflow_file for run in started}, what
        for run in started:
            assert (run.conclusion, run.order) == ("skipped", []), what
    assert chain.github.api_calls == [] and chain.deployed == []


@pytest.fixture
def pair(stage: Open) -> Stage:
    """`b` waits for `a`, and takes its package."""
    pair = stage("pair", building(answers({"a": [], "b": ["a"]}), "a"))
    pair.ignore("orchestrator-dev")
    return pair


def test_a_run_of_an_unreviewed_file_starts_nothing(pair: Stage) -> None:
    """It claims to have run on `main`, as a run of a tag with this name does."""
    head, evil = pair.head, foreign(pair)
    by_hand = {"event": "workflow_dispatch"}
    nowhere = f"No branch like ^refs/heads/main$ has ever pointed to {evil}, so it is not deployed"
    unreviewed = (
        f"ran the workflows of {evil}, which is neither on the default branch nor on a branch like "
        "^refs/heads/main$: start b-dev.yml by hand with a commit that is"
    )
    cases: list[tuple[dict[str, str], str, str]] = [
        ({}, f"Deploy {head} to dev - a", unreviewed),
        (by_hand, f"Deploy {head} to dev - a", unreviewed),
        (by_hand, f"Deploy {evil} to dev - a", nowhere),
        (by_hand, "a", "has no commit: start b-dev.yml by hand, and give a commit"),
    ]
    for what, title, message in cases:
        forge(pair, "a-dev.yml", head_sha=evil, display_title=title, fire=True, **what)
        run = pair.runs("b-dev")[-1]
        assert failed(run) == {"changes"} and run.order == ["changes"]
        assert message in run.job("changes").errors[0]
    assert len(pair.runs("b-dev")) == len(cases) and pair.deployed == []


def test_a_tag_named_like_the_branch_with_its_own_workflow(pair: Stage) -> None:
    """The same with a real run, as a person who may push tags can try it."""
    github, head = pair.github, pair.head
    work_tree = github.remote.work_tree
    git("switch", "--quiet", "--create", "feature", cwd=work_tree)
    file = work_tree / ".github/workflows/a-dev.yml"
    text = file.read_text(encoding="utf-8")
    text = re.sub(r"run-name: .*", f"run-name: Deploy {head} to dev - a", text)
    file.write_text(text.replace("branches: [main]", "tags: ['**']"), encoding="utf-8")
    unreviewed = pair.changed("feature")
    pair.ends = {("a-dev", "changes"): "success"}
    [run] = github.tag("main")
    assert (run.workflow_file, run.conclusion, run.head_branch) == ("a-dev.yml", "success", "main")
    second = pair.run("b-dev")
    assert (
        second.job("changes")
        .errors[0]
        .startswith(
            f"{url(run)} ran the workflows of {unreviewed}, which is neither on the default branch "
        )
    )
    assert failed(second) == {"changes"} and pair.deployed == ["a-dev"]


FORGED: list[dict[str, Any]] = [
    {"fork": True},
    {"head_branch": "feature", "foreign": True},
    # Of a tag like the branch.
    {"foreign": True},
    {"event": "workflow_dispatch", "foreign": True},
    {"event": "pull_request", "head_branch": "feature", "foreign": True},
    # Its head is merged; its base is a branch with other workflow files.
    {"event": "pull_request"},
]


def test_nothing_is_taken_of_forged_runs(stage: Open) -> None:
    """`b` really takes the package that `a` has built, and no newer one."""
    given = building(answers({"a": [], "x": [], "b": ["a", "x"]}), "a")
    packages = stage("packages", given)
    packages.ignore("orchestrator-dev")
    packages.real |= {BUILD}
    packages.ends = {("b-dev", DEPLOY): ""}

    def add(run: Run, key: str) -> None:
        if (run.workflow_file, key) == ("x-dev.yml", DEPLOY):
            while not packages.runs("a-dev")[0].conclusion:
                time.sleep(0.01)
            evil, files = foreign(packages), package(packages.head, {"package.txt": b"forged"})
            for settings in FORGED:
                what = {"head_sha": packages.head, **settings}
                if what.pop("foreign", False):
                    what["head_sha"] = evil
                forge(packages, "a-dev.yml", artifacts={"a-package-dev": files}, **what)

    packages.before = add
    packages.github.tools.watch([".packages/a/package.txt"], [])
    packages.github.push("main")
    real, *forged = packages.runs("a-dev")
    assert {run.conclusion for run in forged} == {"success"} and len(forged) == len(FORGED)
    assert min(run.id for run in forged) > packages.run("x-dev").id
    [run] = deploying(packages.runs("b-dev"))
    assert run.job("changes").outputs["packages"] == f'{{"a":{{"run":{real.id}}}}}'
    [ship] = packages.github.commands("ship")
    assert ship.arguments == ["b", packages.head] and ship.files


ELSEWHERE = [
    {"name": "dev", "branch": "release/**"},
    {"name": "test", "tag": "v*"},
    {"name": "lab", "manual": True},
]


def test_branches_by_pattern_tags_and_people(stage: Open) -> None:
    elsewhere = stage("elsewhere", answers({"a": [], "b": ["a"]}, environments=ELSEWHERE))
    github = elsewhere.github
    by_hand = elsewhere.head
    github.dispatch("a-lab.yml", "main")
    github.dispatch("orchestrator-lab.yml", "main")
    tagged = elsewhere.changed()
    github.remote.push("refs/heads/main")
    github.tag("v1")
    git("switch", "--quiet", "--create", "release/1", cwd=github.remote.work_tree)
    pushed = elsewhere.changed("release/1")
    github.push("release/1")
    assert elsewhere.deployed == [f"{n}-{e}" for e in ("lab", "test", "dev") for n in "ab"]
    for name, commit_sha in {"lab": by_hand, "test": tagged, "dev": pushed}.items():
        title = f"Deploy {commit_sha} to {name} - a, then b"
        assert elsewhere.run(f"b-{name}").display_title == title
        watcher = elsewhere.run(f"orchestrator-{name}")
        assert results(watcher) == [("a", "success"), ("b", "success")]


# By hand

BACK = {"a": [], "b": [], "c": ["a"], "d": ["b"], "e": ["c", "d"]}


def test_once_more_by_hand(stage: Open) -> None:
    """The first deployment of the commit does not count while the second one runs."""
    back = stage("back", answers(BACK))
    github, newer = back.github, back.changed()
    back.pushed()
    back.deployed.clear()
    for name in BACK:
        assert len(deploying(back.runs(f"{name}-dev"))) == 1
    started: list[Run] = []
    hand = {"commit": newer}

    def dispatch(run: Run, key: str) -> None:
        if (run.workflow_file, key) == ("a-dev.yml", DEPLOY) and not started:
            started.append(run)
            started.append(github.dispatch("b-dev.yml", "main", hand))
            started.append(github.dispatch("orchestrator-dev.yml", "main", hand))
        elif (run.workflow_file, key) == ("b-dev.yml", DEPLOY):
            # Until what follows `a` has looked at what precedes `e`.
            while len(back.runs("e-dev")) < 3 or back.runs("e-dev")[2].status != "completed":
                time.sleep(0.01)

    back.before = dispatch
    github.dispatch("a-dev.yml", "main", hand)
    assert back.deployed == ["a-dev", "c-dev", "b-dev", "d-dev", "e-dev"]
    newest = {name: back.runs(f"{name}-dev")[-1] for name in BACK}
    assert all(run.display_title.startswith(f"Deploy {newer} to dev - ") for run in newest.values())
    assert newest["e"].display_title == f"Deploy {newer} to dev - b, then d, then e"
    watcher = started[2]
    assert watcher.conclusion == "success"
    assert {name: link for name, (_, link) in table(watcher).items()} == {
        name: url(run) for name, run in newest.items()
    }


def test_an_older_commit_goes_back_by_hand_alone(diamond: Stage) -> None:
    """No event deploys an older commit over a newer one, so nothing follows a start by hand."""
    github, older = diamond.github, diamond.head
    diamond.ignore("orchestrator-dev")
    diamond.changed()
    diamond.pushed()
    newest = diamond.run("b-dev")
    diamond.deployed.clear()
    hand = {"commit": older}
    github.dispatch("a-dev.yml", "main", hand)
    follower = diamond.runs("b-dev")[-1]
    assert diamond.deployed == ["a-dev"] and follower.conclusion == "success"
    assert follower.results == NOT_YET
    why = (
        f"##[notice]{url(newest)} is newer, so this run deploys nothing: to deploy "
        f"{older} all the same, start b-dev.yml by hand with that commit"
    )
    assert why in follower.job("changes").log.splitlines()
    github.dispatch("b-dev.yml", "main", hand)
    assert diamond.deployed == ["a-dev", "b-dev"]


# Production


def ships(stage: Stage, environment: str) -> list[tuple[str, str]]:
    """(component, commit in its workspace) of each deployment that really ran, in order."""
    jobs = {run.id: run.workflow_file for run in stage.github.runs}
    return [
        (command.arguments[0], command.arguments[1])
        for command in stage.github.commands("ship")
        if jobs[command.run].endswith(f"-{environment}.yml")
    ]


def test_production_gets_what_was_tested(chain: Stage) -> None:
    """Production gets the commit and its bytes, also if `main` moves; each component asks."""
    github = chain.github
    tested = chain.changed()
    chain.real |= {"approval", BUILD, DEPLOY}
    idle = [(f"{n}-{e}", DEPLOY) for n in "sc" for e in ("test", "prd")]
    chain.ends = dict.fromkeys(idle, "success")
    github.tools.watch(["package.txt", ".packages/a/package.txt"], [])

    def move_on(run: Run, key: str) -> None:
        if (run.workflow_file, key) == ("c-test.yml", DEPLOY):
            chain.changed()
            github.remote.push("refs/heads/main")

    chain.before = move_on
    github.push("main")
    for environment in ("test", "prd"):
        assert ships(chain, environment) == [("a", tested), ("b", tested)]
        watcher = chain.run(f"orchestrator-{environment}")
        assert watcher.conclusion == "success"
        assert results(watcher) == [(name, "success") for name in CHAIN]
    prd = chain.run("orchestrator-prd")
    assert chain.head != tested and prd.head_sha == chain.head
    assert prd.job("changes").outputs == {"commit": tested, "deploy": "true"}
    assert prd.display_title == f"Deploy {tested} to test, then prd"
    [second], [third] = (deploying(chain.runs(f"{name}-prd")) for name in "bc")
    via = third.display_title.split(" - ")[1][0]
    assert via in "as"
    assert third.display_title == f"{prd.display_title} - {via}, then b, then c"
    assert [links(run) for run in (prd, chain.run("a-prd"), third)] == [1, 1, 3]
    for run in (chain.run("a-prd"), chain.run("s-prd"), second, third):
        assert run.approvals == ASKED and run.job(DEPLOY).environment == "prd"
    assert all(
        run.approvals == [] for run in github.runs if not run.workflow_file.endswith("-prd.yml")
    )

    artifact = chain.run("a-test").packages["a-package-test"]
    assert chain.run("a-prd").packages == {"a-package-prd": artifact}
    digests = {digest for c in github.commands("ship") for digest in c.files.values()}
    assert len(digests) == 1 and all(c.files for c in github.commands("ship"))


def links(run: Run) -> int:
    """How many workflows' ends led to it."""
    return 1 + links(run.triggered_by) if run.triggered_by else 0


def test_production_waits_for_a_test_that_a_rerun_mends(chain: Stage) -> None:
    github = chain.github
    unwatched = {("orchestrator-prd", "watch"): "success"}
    chain.ends = {("b-test", DEPLOY): "failure", **unwatched}
    chain.ignore("a-prd", "s-prd", "b-prd", "c-prd")
    test = chain.pushed("main", "orchestrator-test")
    assert test.conclusion == "failure"
    assert sorted(chain.deployed) == ["a-test", "s-test"]
    assert chain.runs("orchestrator-prd")[-1].conclusion == "skipped"

    chain.ends = unwatched
    github.rerun(chain.run("b-test"), failed_only=True)
    assert chain.deployed[2:] == ["b-test", "c-test"]  # and the orchestrator has not looked again
    assert chain.runs("orchestrator-prd")[-1].conclusion == "skipped"
    again = github.rerun(test, failed_only=True)
    assert again.conclusion == "success"
    [prd] = [run for run in chain.runs("orchestrator-prd") if run.order]
    assert prd.display_title == f"Deploy {chain.head} to test, then prd"


def test_a_rerun_in_production_is_approved_anew(chain: Stage) -> None:
    """After a failure no later wave starts (`stop`), until somebody approves a re-run."""
    github = chain.github
    chain.ends = {("s-prd", DEPLOY): "failure", ("a-prd", "changes"): "success"}
    github.forced_outputs["changes"] = {"commit": chain.head, "deploy": "true"}
    forge(chain, "orchestrator-test.yml", display_title=f"Deploy {chain.head} to test", fire=True)
    assert chain.deployed == ["a-prd"]
    assert results(chain.run("orchestrator-prd")) == [
        *(("s", "failure"), ("b", "skipped"), ("c", "skipped"), ("a", "success")),
    ]
    chain.ends = {}
    chain.real |= {"approval", DEPLOY}
    again = github.rerun(chain.run("s-prd"), failed_only=True)
    assert again.approvals == [] and again.job(DEPLOY).errors[0] == (
        'Attempt 2 of this run has no approval: choose "Re-run all jobs", which asks for one'
    )
    assert chain.deployed == ["a-prd"]
    chain.ends = {(f"{name}-prd", DEPLOY): "success" for name in "bc"}
    again = github.rerun(again)
    assert again.approvals == ASKED and ships(chain, "prd") == [("s", chain.head)]
    assert chain.deployed == ["a-prd", "b-prd", "c-prd"]


def test_a_package_of_one_that_deploys_nothing_reaches_production(stage: Open) -> None:
    """No component waits for `lib` in production: it only promotes its package."""
    given = building(answers({"lib": [], "api": [], "web": ["lib", "api"]}), "lib")
    del given["environments"], given["components"]["lib"]["deploy"]
    packages = stage("lib", given)
    packages.real |= {BUILD, "approval"}
    packages.ends = {("web-test", DEPLOY): "", ("web-prd", DEPLOY): ""}
    packages.github.tools.watch([".packages/lib/package.txt"], [])
    packages.github.push("main")
    assert packages.run("orchestrator-prd").conclusion == "success"
    test, prd = packages.github.commands("ship")
    assert test.files and test.files == prd.files


def test_trunk(stage: Open) -> None:
    given = answers({"a": [], "b": ["a"]}, branching="trunk")
    del given["environments"]
    trunk = stage("trunk", given)
    commit_sha = trunk.changed()
    trunk.github.push("main")
    assert trunk.deployed == [f"{n}-{e}" for e in ("dev", "test", "prd") for n in "ab"]
    titles = {
        "dev": f"Deploy {commit_sha} to dev",
        "test": f"Deploy {commit_sha} to dev, then test",
        "prd": f"Deploy {commit_sha} to dev, then test, then prd",
    }
    for environment, title in titles.items():
        watcher = trunk.run(f"orchestrator-{environment}")
        assert (watcher.display_title, watcher.conclusion) == (title, "success")
        assert trunk.run(f"b-{environment}").display_title == f"{title} - a, then b"


# At random


def random_graph(source: random.Random) -> dict[str, list[str]]:
    """Up to four waves of components, each of which waits for some earlier ones."""
    names = iter("abcdefgh")
    graph: dict[str, list[str]] = {}
    waves: list[list[str]] = []
    for _ in range(source.randint(2, 4)):
        wave = [next(names) for _ in range(source.randint(1, 2))]
        earlier = [name for other in waves for name in other]
        for name in wave:
            wanted = {source.choice(waves[-1])} if waves else set()
            wanted |= {n for n in earlier if source.random() < 0.4}
            graph[name] = sorted(wanted)
        waves.append(wave)
    return graph


@pytest.mark.parametrize("seed", [9, 10])
def test_random_graphs(stage: Open, seed: int) -> None:
    source = random.Random(seed)
    graph = random_graph(source)
    made = stage(f"random-{seed}", answers(graph))
    bad = {n: source.choice(["failure", "cancelled"]) for n in graph if source.random() < 0.2}
    pauses = {name: source.choice([0, 0, 0.1, 0.2]) for name in graph}
    ties = {name: source.random() < 0.5 for name in graph}
    made.ends = {(f"{name}-dev", DEPLOY): result for name, result in bad.items()}

    def hold(run: Run, key: str) -> None:
        if key == DEPLOY:
            made.github.same_second = ties[run.workflow_file[0]]
            time.sleep(pauses[run.workflow_file[0]])

    made.before = hold
    watcher = made.pushed()
    well: list[str] = []
    expected = {}
    for name, needed in graph.items():
        if not set(needed) <= set(well):
            expected[name] = "skipped"
        else:
            expected[name] = bad.get(name, "success")
            well += [name] * (name not in bad)
    assert sorted(made.deployed) == [f"{name}-dev" for name in well]
    place = {name[0]: index for index, name in enumerate(made.deployed)}
    assert all(place[other] < place[name] for name in well for other in graph[name])
    assert dict(results(watcher)) == expected
    assert watcher.conclusion == ("success" if len(well) == len(graph) else "failure")
