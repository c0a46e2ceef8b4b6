"""The decisions of the job `changes` on real git repositories, with its own script and the double's
API.

Nothing is cloned: the script reads only lists of files of commits.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import planner
import pytest
import toolbox
from made_answers import generic, plan
from offline_github import OfflineGitHub
from offline_github import scripts as node
from offline_github.model import Job
from offline_github.repository import git
from offline_github.server import Session

ACTIONS = toolbox.ROOT / "template" / ".github" / "actions"
RIGHTS = {"contents": "read", "actions": "read"}
REFS = "^refs/heads/main$"
CONFIG = ".github/actions/what-changed/components.json"
ODD = "dätä/ß 🚀 (q) +"
"""A folder whose name git quotes. The name of a file in it also has a new line."""


def deployed(path: str, **settings: Any) -> dict[str, Any]:
    return generic(path=path, build="make", produces=["x"], deploy="ship", **settings)


COMPONENTS = {
    "api": deployed("api"),
    "inner": deployed("api/inner"),
    "odd": deployed(ODD),
    "site": deployed("web", watches=["libs/**/*.py", "a b/*.txt", "!**/*.md"]),
    "vendor": deployed("vendor/lib/app"),
}
NEEDS = [{"code_type": "site", "depends_on": ["odd"]}]
FILES = {
    **{f"{path}/{name}": f"{path} {name}\n" for path in ("api", "api/inner") for name in "xy"},
    f"{ODD}/a\nb": "odd\n",
    "web/index.html": "<html>\n",
    "web/README.md": "site\n",
    "libs/a/b/c.py": "c\n",
    "a b/c d.txt": "c d\n",
    "README.md": "all\n",
    "api-v2/x": "another\n",
    "api.md": "about it\n",
}
ENVIRONMENTS = [{"name": "test", "branch": "main"}]


@pytest.fixture(scope="module")
def action(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts as in a generated repository. Each test writes its own components.json."""
    folder = tmp_path_factory.mktemp("actions")
    for name in ("shared", "what-changed"):
        shutil.copytree(ACTIONS / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def ask() -> Iterator[planner.Planner]:
    with planner.started() as process:
        yield process


@dataclass
class Found:
    build: set[str]
    deploy: set[str]
    nobody: set[str]
    plan: dict[str, Any]
    #: The lists of files that were read.
    trees: list[str]
    calls: list[str]


@dataclass
class Scene:
    """A repository with deployments, and a way to ask what has changed."""

    github: OfflineGitHub
    folder: Path
    ask: planner.Planner
    config: dict[str, Any] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)

    @property
    def files(self) -> Path:
        return self.github.remote.work_tree

    def git(self, *arguments: str) -> str:
        return git(*arguments, cwd=self.files).decode().strip()

    def configure(self, components: Mapping[str, Any], **answers: Any) -> str:
        data = plan(components=components, environments=ENVIRONMENTS, **answers).components_data
        self.config = json.loads(data)
        (self.folder / "what-changed/components.json").write_text(data, encoding="utf-8")
        self.write({CONFIG: data})
        return data

    def write(self, files: Mapping[str, str | None]) -> None:
        """Write files; None deletes a file."""
        for name, text in files.items():
            path = self.files / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                path.unlink()
            else:
                path.write_text(text, encoding="utf-8")

    def commit(self, files: Mapping[str, str | None] | None = None) -> str:
        self.write(files or {})
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "A change")
        return self.git("rev-parse", "HEAD")

    def submodule(self, path: str, commit: str) -> None:
        (self.files / path).mkdir(parents=True, exist_ok=True)
        self.git("update-index", "--add", "--cacheinfo", f"160000,{commit},{path}")

    def push(self, branch: str = "main") -> None:
        self.github.remote.push(f"refs/heads/{branch}")  # this starts nothing

    def plan(self, commit: str, payload: dict[str, Any] | None = None) -> Found:
        """The plan of the script for a commit: of a push, or of the pull request in `payload`."""
        github, environment = self.github, "" if payload else "test"
        run = github.add_run("orchestrator-test.yml", head_sha=commit)
        run.status, run.conclusion = "in_progress", None
        run.payload = {**github._payload("octocat"), **(payload or {})}
        job = Job("changes", github.new_id(), 1, run.workflow_path, permissions=RIGHTS)
        env = {
            "GITHUB_REPOSITORY": github.name,
            "GITHUB_RUN_ID": str(run.id),
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_SHA": commit,
            "COMMIT": commit,
            "ENVIRONMENT": environment,
            "REFS": REFS if environment else "",
            "RUNNER_TEMP": str(self.folder),
            "ALL": "false",
        }
        place = self.folder / "what-changed/what.cjs"
        code = f"await require({json.dumps(str(place))})({{ github, context, core }})"
        before = len(github.api_calls)
        going = node.run(Session(github, run, job), code, env, self.folder, Random(0))
        while True:
            try:
                assert next(going) == 0, self.github.failures  # a retry would wait
            except StopIteration as stop:
                end = stop.value
                break
        assert not github.failures
        run.status, run.conclusion = "completed", "failure" if end["failed"] else "success"
        if end["failed"]:
            raise AssertionError("\n".join(end["log"]))
        told = {n: json.loads(text) for n, text in end["outputs"].items() if n != "file"}
        calls = [call.path for call in github.api_calls[before:]]
        [notice] = [line for line in end["log"] if "that belong to no component: " in line] or [""]
        named = (
            notice.partition("that belong to no component: ")[2]
            .partition(". Add files")[0]
            .split(", ")
        )
        nobody = told["plan"]["nobody"] if environment else [name for name in named if name]
        return Found(
            {*told["build"]},
            {*told["deploy"]},
            {*nobody},
            told.get("plan", {}),
            [path for path in calls if "/git/trees/" in path],
            calls,
        )

    def deploy(self, commit: str) -> Found:
        """Run everything with success; returns the plan, and leaves a manifest."""
        self.push()
        found = self.plan(commit)
        now = self.github.next_second()
        results = {f"{name}-build": "success" for name in found.build}
        results |= {f"{name}-test": "success" for name in found.deploy}
        self.memory = self.ask(
            "remember",
            config=self.config,
            plan=found.plan,
            memory=self.memory or None,
            results=results,
            digests={name: f"{name} of {commit}" for name in found.build},
            run=self.github.new_id() + 2,
            commit=commit,
            environment="test",
            at=now,
            planned=now,
        )
        self.leave(commit, {**self.memory, "environment": "test", "at": now}, found.plan)
        return found

    def leave(self, commit: str, memory: dict[str, Any], plan: dict[str, Any]) -> None:
        """Add a run that has deployed the plan and left this manifest."""
        self.memory = memory
        artifacts = {"manifest-test": {"manifest.json": json.dumps(memory).encode()}}
        for name, packages in memory["packages"].items():
            if any(package["run"] == memory["run"] for package in packages):
                artifacts[f"{name}-package-test"] = {"package": b""}
        while self.github.new_id() < memory["run"] - 1:
            pass  # the run needs the id that the manifest contains
        run = self.github.add_run("orchestrator-test.yml", head_sha=commit, artifacts=artifacts)
        assert run.id == memory["run"]
        for artifact in run.artifact_store.values():
            artifact.retention_days = 1
        jobs = {"summary": "Deployment summary"}
        for name in plan["deploy"]:
            jobs[f"{name}-test"] = f"{name}-test"
            jobs[f"{name}-test / deploy"] = f"Deploy {plan['deployKeys'][name]}"
        for key, name in jobs.items():
            job = Job(key, self.github.new_id(), 1, run.workflow_path, name)
            job.status, job.result = "completed", "success"
            job.steps = {"Check that it may be deployed": "success"}
            job.created_at = job.started_at = run.created_at
            job.completed_at = self.github.next_second()
            run.jobs[job.key] = job


def nothing_runs(work: Any) -> None:
    raise AssertionError("no job runs here")


@dataclass
class First:
    """A repository after a deployment of everything, with the manifest of that run."""

    work_tree: Path
    config: str
    commit: str
    memory: dict[str, Any] = field(default_factory=dict)
    plan: dict[str, Any] = field(default_factory=dict)


@pytest.fixture(scope="module")
def first(action: Path, ask: planner.Planner, tmp_path_factory: pytest.TempPathFactory) -> First:
    folder = tmp_path_factory.mktemp("first")
    work_tree = folder / "repository"
    work_tree.mkdir()
    git("init", "--quiet", "--initial-branch=main", "--template=", cwd=work_tree)
    git("config", "user.name", "Test", cwd=work_tree)
    git("config", "user.email", "test@example.invalid", cwd=work_tree)
    scene = Scene(OfflineGitHub(folder / "github", work_tree, nothing_runs), action, ask)
    config = scene.configure(COMPONENTS, dependency_map=NEEDS)
    scene.submodule("vendor/lib", "1" * 40)
    commit = scene.commit(FILES)
    scene.git("tag", "first")
    found = scene.deploy(commit)
    assert found.build == found.deploy == {*COMPONENTS}
    return First(work_tree, config, commit, scene.memory, found.plan)


@pytest.fixture
def scene(tmp_path: Path, action: Path, ask: planner.Planner, first: First) -> Scene:
    """A repository after a deployment of everything. Its first commit has the tag `first`."""
    work_tree = shutil.copytree(first.work_tree, tmp_path / "repository", symlinks=True)
    scene = Scene(OfflineGitHub(tmp_path / "github", work_tree, nothing_runs), action, ask)
    scene.config = json.loads(first.config)
    (action / "what-changed/components.json").write_text(first.config, encoding="utf-8")
    scene.push()
    scene.leave(first.commit, first.memory, first.plan)
    return scene


def check(scene: Scene, commit: str, build: str = "", deploy: str = "", *nobody: str) -> Found:
    """Exactly these components are built and deployed, and these files belong to none."""
    scene.push()
    found = scene.plan(commit)
    said = (found.build, found.deploy, found.nobody)
    assert said == ({*build.split()}, {*deploy.split()}, {*nobody})
    return found


Change = Callable[[Scene], object]


def renamed(old: str, new: str) -> Change:
    def change(scene: Scene) -> None:
        (scene.files / new).parent.mkdir(parents=True, exist_ok=True)
        (scene.files / old).rename(scene.files / new)

    return change


def written(**files: str | None) -> Change:
    return lambda scene: scene.write(files)


# Name -> the change, what is built, what is deployed, and the files of no component.
CHANGES: dict[str, tuple[Change, str, str, tuple[str, ...]]] = {
    "nothing": (lambda scene: None, "", "", ()),
    "a file": (written(**{"api/x": "2\n"}), "api", "api", ()),
    "a file of two, one inside the other": (
        written(**{"api/inner/x": "2\n"}),
        "api inner",
        "api inner",
        (),
    ),
    "a new file": (written(**{"web/new": "2\n"}), "site", "site", ()),
    "a file that is removed": (written(**{"api/y": None}), "api", "api", ()),
    "the last file of a component": (
        written(**{"api/inner/x": None, "api/inner/y": None}),
        "api inner",
        "api inner",
        (),
    ),
    "a file that moves within a component": (renamed("api/x", "api/z"), "api", "api", ()),
    "a file that moves to another component": (
        renamed("api/x", "web/x"),
        "api site",
        "api site",
        (),
    ),
    "a file that moves out of every component": (
        renamed("api/x", "docs/x"),
        "api",
        "api",
        ("docs/x",),
    ),
    "a file that moves into a component": (
        renamed("api.md", "api/api.md"),
        "api",
        "api",
        ("api.md",),
    ),
    "names that only begin alike": (
        written(**{"api-v2/x": "2\n", "api.md": "2\n"}),
        "",
        "",
        ("api-v2/x", "api.md"),
    ),
    "a name that git quotes": (written(**{f"{ODD}/a\nb": "2\n"}), "odd site", "odd site", ()),
    "an odd name of no component": (
        written(**{'"ö"\t\\/\n': "2\n", " x ": "3\n"}),
        "",
        "",
        ('"ö"\t\\/\n', " x "),
    ),
    "a watched file": (written(**{"libs/a/b/c.py": "2\n"}), "site", "site", ()),
    "a watched file with spaces": (written(**{"a b/c d.txt": "2\n"}), "site", "site", ()),
    "a file with another ending than watched files": (
        written(**{"libs/a/b/c.txt": "2\n"}),
        "",
        "",
        ("libs/a/b/c.txt",),
    ),
    "an excluded file": (written(**{"web/README.md": "2\n"}), "", "", ("web/README.md",)),
    "only the executable bit": (
        lambda scene: (scene.files / "api/inner/x").chmod(0o755),
        "api inner",
        "api inner",
        (),
    ),
    "a file that becomes a link": (
        lambda scene: (
            (scene.files / "web/index.html").unlink(),
            (scene.files / "web/index.html").symlink_to("<html>"),
        ),
        "site",
        "site",
        (),
    ),
    "a submodule around a component": (
        lambda scene: scene.submodule("vendor/lib", "2" * 40),
        "vendor",
        "vendor",
        (),
    ),
    "a submodule in a component": (
        lambda scene: scene.submodule("web/theme", "2" * 40),
        "site",
        "site",
        (),
    ),
    "a submodule that may have watched files": (
        lambda scene: scene.submodule("libs/theirs", "2" * 40),
        "site",
        "site",
        (),
    ),
    "a submodule of no component": (
        lambda scene: scene.submodule("docs/theme", "2" * 40),
        "",
        "",
        ("docs/theme",),
    ),
    "the workflows of one component": (
        written(**{".github/workflows/api-build.yml": "2\n"}),
        "api",
        "api",
        (),
    ),
    "the deployment workflow of one component": (
        written(**{".github/workflows/api-deploy.yml": "2\n"}),
        "",
        "api",
        (),
    ),
    "an action that all components use": (
        written(**{".github/actions/check-out/action.yml": "2\n"}),
        " ".join(COMPONENTS),
        " ".join(COMPONENTS),
        (),
    ),
    "the rest of the pipeline": (
        written(**{".github/workflows/orchestrator-test.yml": "2\n", "docs/ci-cd.md": "2\n"}),
        "",
        "",
        (),
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_builds_and_deploys(name: str, scene: Scene) -> None:
    change, build, deploy, nobody = CHANGES[name]
    change(scene)
    check(scene, scene.commit(), build, deploy, *nobody)


def test_merges(scene: Scene) -> None:
    """Only the files after the merge count."""
    for branch, file in (("left", "api/x"), ("right", "web/x")):
        scene.git("checkout", "--quiet", "-b", branch, "first")
        scene.commit({file: f"{branch}\n"})
    scene.git("checkout", "--quiet", "main")
    scene.git("merge", "--quiet", "--no-ff", "--message", "m", "left")
    check(scene, scene.git("rev-parse", "HEAD"), "api", "api")
    scene.git("merge", "--quiet", "--no-ff", "--message", "m", "right")
    merged = scene.git("rev-parse", "HEAD")
    check(scene, merged, "api site", "api site")
    scene.deploy(merged)
    # This merge takes none of the merged changes.
    scene.git("checkout", "--quiet", "-b", "ours", "first")
    scene.commit({"api/inner/x": "ours\n"})
    scene.git("checkout", "--quiet", "main")
    scene.git("merge", "--quiet", "--strategy=ours", "--message", "m", "ours")
    check(scene, scene.git("rev-parse", "HEAD"))


def test_a_force_push(scene: Scene) -> None:
    """The removed commit stays deployed. Without common history, everything is deployed."""
    scene.deploy(scene.commit({"api/x": "2\n"}))
    scene.git("reset", "--quiet", "--hard", "first")
    check(scene, scene.git("rev-parse", "HEAD"), "", "api")
    scene.git("checkout", "--quiet", "--orphan", "anew")
    scene.git("branch", "--quiet", "--delete", "--force", "main")
    scene.git("branch", "--quiet", "--move", "main")
    check(scene, scene.commit({"web/x": "2\n"}), *[" ".join(COMPONENTS)] * 2)


def test_a_revert_uses_the_kept_package(scene: Scene) -> None:
    scene.deploy(scene.commit({f"{ODD}/a\nb": "2\n"}))
    scene.git("revert", "--no-edit", "HEAD")
    found = check(scene, scene.git("rev-parse", "HEAD"), "", "odd site")
    assert {one["commit"] for one in found.plan["packages"].values()} == {
        scene.git("rev-parse", "first")
    }


def test_a_first_run_deploys_everything(scene: Scene) -> None:
    scene.github.runs.clear()
    everything = " ".join(COMPONENTS)
    check(scene, scene.commit({"api/x": "2\n"}), everything, everything)


def test_a_commit_that_no_longer_exists(scene: Scene) -> None:
    """The deployed contents are known without it; only files of no component are not named."""
    gone = scene.git("rev-parse", "first")
    changed = scene.commit({"api/x": "2\n", "README.md": "2\n"})
    scene.push()
    lose(scene, gone)
    check(scene, changed, "api", "api")
    lose(scene, changed)
    with pytest.raises(AssertionError, match=f"has the files of commit {changed}"):
        scene.plan(changed)


def lose(scene: Scene, commit: str) -> None:
    """Make GitHub no longer find a commit by its id."""
    tree = scene.github.remote.resolve

    def resolve(name: str) -> str | None:
        return None if name == commit else tree(name)

    scene.github.remote.resolve = resolve  # type: ignore[method-assign]


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_a_truncated_list_of_files(limit: int, scene: Scene) -> None:
    """The result is the same as with the whole list."""
    scene.github.tree_limit = limit
    whole = scene.git("rev-parse", "HEAD")
    check(scene, whole)
    check(scene, scene.commit({"api/inner/x": "2\n", "z": "2\n"}), "api inner", "api inner", "z")


def test_no_history_is_needed(scene: Scene) -> None:
    """The script reads two lists of files, however many commits are between them."""
    scene.commit({f"history/{number}": "x\n" for number in range(9)})
    for _ in range(5):
        scene.commit()
    found = check(
        scene,
        scene.commit({"api/x": "2\n"}),
        "api",
        "api",
        *sorted(f"history/{number}" for number in range(9)),
    )
    assert len(found.trees) == 2
    assert not [path for path in found.calls if "/compare/" in path or "_clone" in path]
    assert len(found.calls) < 15


def test_a_component_in_the_root(scene: Scene) -> None:
    """It owns all files except generated ones, also those of other components, unless it excludes
    them."""
    root = deployed(".", watches=["!api"])
    scene.configure({"api": COMPONENTS["api"], "root": root, "all": deployed("./")})
    scene.deploy(scene.commit())
    check(scene, scene.commit({"api/x": "2\n"}), "all api", "all api")
    check(scene, scene.commit({"api/x": FILES["api/x"], "README.md": "2\n"}), *["all root"] * 2)
    generated = {".copier-answers.yml": "2\n", "docs/ci-cd.md": "2\n", ".github/own.yml": "2\n"}
    check(scene, scene.commit({"README.md": FILES["README.md"], **generated}))


def requested(scene: Scene, head: str, base: str = "main") -> Found:
    """The plan for the pull request of a commit: for GitHub's merge with the base."""
    tip = scene.github.remote.resolve(f"refs/heads/{base}")
    assert tip
    scene.git("push", "--quiet", scene.github.remote.url, f"{head}:refs/heads/feature")
    merged = scene.github.remote.merge(tip, head, "refs/pull/1/merge", "Merge")
    assert merged
    return scene.plan(merged, {"pull_request": {"base": {"ref": base, "sha": "0" * 40}}})


def test_a_pull_request(scene: Scene) -> None:
    """Only its own changes count, and the packages that they need, whatever the base has since."""
    scene.git("checkout", "--quiet", "-b", "change")
    head = scene.commit({"web/x": "2\n", "new\nline.md": "2\n", "docs/b": "2\n"})
    scene.git("checkout", "--quiet", "main")
    scene.commit({"api/x": "2\n", "README.md": "2\n"})
    scene.push()
    found = requested(scene, head)
    assert (found.build, found.deploy) == ({"odd", "site"}, set())
    assert found.nobody == {"docs/b", "new\nline.md"}
    # A tag with the name of the base is ignored.
    scene.git("tag", "main", head)
    scene.git("push", "--quiet", scene.github.remote.url, "refs/tags/main")
    assert requested(scene, head).build == {"odd", "site"}


def test_a_pull_request_that_adds_a_component(scene: Scene) -> None:
    """Its own pipeline counts: new components, and those with changed settings, are built."""
    scene.git("checkout", "--quiet", "-b", "change")
    new = {**COMPONENTS, "new": deployed("new"), "api": deployed("api", watches=["README.md"])}
    scene.configure(new, dependency_map=NEEDS)
    head = scene.commit({"new/x": "2\n"})
    assert requested(scene, head).build == {"api", "new"}
    scene.configure({"api": COMPONENTS["api"]})
    assert requested(scene, scene.commit({"web/x": "2\n"})).build == set()


def test_a_base_without_the_pipeline_builds_everything(scene: Scene) -> None:
    scene.git("rm", "--quiet", CONFIG)
    scene.commit()
    scene.push()
    scene.git("checkout", "--quiet", "-b", "change")
    scene.configure(COMPONENTS, dependency_map=NEEDS)
    assert requested(scene, scene.commit()).build == {*COMPONENTS}
