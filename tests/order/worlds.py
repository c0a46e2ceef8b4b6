"""A repository with generated pipelines on a GitHub without machines, and all that is deployed.

Packages are modelled as their scripts keep and verify them: a build makes other bytes each time, a
digest is one of the commit and the bytes, and who takes a package compares both.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from offline_github import MemoryRepository, OfflineGitHub, Run
from offline_github.model import Artifact
from offline_github.people import BOT
from offline_github.runner import JobOutcome
from offline_github.work import Going, Step, Work

ENVIRONMENTS = ("dev", "test", "prd")
LEAD = "lead"
EVIL = "evil"
"""The bytes of an attacker's package, which was not built from a reviewed commit."""
COMPONENTS = "actions/what-changed/components.json"


def told_plan(run: Run, environment: str) -> Any:
    """What the job `changes` has decided: an output, or under `dispatch` an artifact."""
    output = run.jobs["changes"].outputs.get("plan")
    if output:
        return json.loads(output)
    [text] = run.artifacts[f"plan-{environment}"].values()
    return json.loads(text)


def digest(content: tuple[str, str]) -> str:
    """The contents of a package: the commit that it names, and its bytes."""
    return hashlib.sha256("\n".join(content).encode()).hexdigest()


def age(run: Run) -> int:
    """The id of the run that decides: the orchestrator's, if one has started this run."""
    return int(run.inputs.get("orchestrator") or run.id) if run.actor == BOT else run.id


@dataclass
class Deployment:
    component: str
    environment: str
    commit: str
    run: Run
    """The attempt."""
    packages: dict[str, tuple[str, str]]
    """The packages that it took, by producer: the commit that each names, and its bytes."""
    line: list[str]
    """The commits of its branch at that time, the newest first."""
    checked: int
    """When its job began. Moments are numbers: each event has one."""
    overtaken: list[Run]
    """The runs that were allowed to deploy there before, and that make this one too old."""
    begin: int = 0
    end: int = 0
    result: str = ""

    @property
    def place(self) -> tuple[str, str]:
        return self.component, self.environment


@dataclass
class Pipelines:
    """A kind of repository: its answers, and how it is set up."""

    work_tree: Path
    components: tuple[str, ...]
    """Those that are deployed, in order."""
    orchestration: str = "call"
    approval: str = "once"
    tag: bool = False
    """Whether a tag starts production, and nothing comes before it but dev."""

    broken: tuple[tuple[str, str, str], ...] = ()
    """Files of `.github`, with texts that are replaced to break them, and the new texts."""
    trunk: bool = False
    """Whether there is one branch, and test comes after dev."""
    touched: tuple[str, ...] = ()
    """Folders that a commit changes unless its test names others."""

    @property
    def before(self) -> dict[str, str]:
        """Where an environment's packages were deployed before."""
        if self.tag:
            return {}
        return {"prd": "test", "test": "dev"} if self.trunk else {"prd": "test"}

    def branch(self, environment: str) -> str:
        return "develop" if environment == "dev" and not self.trunk else "main"

    @property
    def environments(self) -> tuple[str, ...]:
        return ("test", "prd") if self.tag else ENVIRONMENTS


@dataclass
class Notes:
    """The packages that a job has taken and made so far."""

    component: str = ""
    checked: int = 0
    line: list[str] = field(default_factory=list)
    overtaken: list[Run] = field(default_factory=list)
    taken: dict[str, tuple[str, str]] = field(default_factory=dict)
    downloaded: tuple[str, str] | None = None
    collected: tuple[str, str] = ("", "")


@functools.cache
def generated_files(work_tree: Path) -> dict[str, str]:
    """All files of `.github`. Many tests share the work tree, which nobody writes to."""
    return {
        path.relative_to(work_tree).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted((work_tree / ".github").rglob("*"))
        if path.is_file()
    }


def repository_of(pipelines: Pipelines) -> MemoryRepository:
    """The pipelines as they are generated, or broken."""
    files = dict(generated_files(pipelines.work_tree))
    for file, old, new in pipelines.broken:
        assert old in files[f".github/{file}"], "what is to be broken is no longer generated so"
        files[f".github/{file}"] = files[f".github/{file}"].replace(old, new)
    return MemoryRepository(files)


class World:
    """One repository; `github` is its double."""

    def __init__(self, folder: Path, pipelines: Pipelines, seed: int = 0) -> None:
        self.pipelines = pipelines
        self.repository = repository_of(pipelines)
        self.github = OfflineGitHub(folder, self.repository, execute=self.execute, seed=seed)
        self.github.groups.shuffle(seed)
        refs = {"tags": ["v*"]} if pipelines.tag else {"branches": ["main"]}
        self.github.environments = {
            "dev": {"branches": [pipelines.branch("dev")]},
            "test": {"branches": ["main"]},
            "prd": dict(refs),
        }
        if pipelines.approval == "once":
            self.github.environments["prd-approval"] = {"reviewers": [LEAD], **refs}
        if pipelines.approval == "each":
            self.github.environments["prd"]["reviewers"] = [LEAD]
        self.deployments: list[Deployment] = []
        self.admitted: list[tuple[str, Run]] = []
        """(environment, run) of deployments that passed their own check."""
        self.contents: dict[int, tuple[str, str]] = {}
        """The contents of artifacts, by id."""
        self.failing: Callable[[Step], bool] = lambda step: False
        """Whether a step that checks, builds or deploys fails."""
        self.instead: Callable[[Step], Any] = lambda step: None
        """What a test makes a step do, if somebody has changed it."""
        self.forgotten: Callable[[], None] = lambda: None
        """What of that a test takes away again."""
        self.hold: Callable[[Work], bool] = lambda work: False
        """Whether a job has not begun yet."""
        self.checked_out: list[tuple[Run, str]] = []
        """The refs that jobs have checked out: any text that git accepts as a commit."""
        self.failed: set[int] = set()
        """Ages of runs in which a step failed because the test said so."""
        self.lines: dict[str, list[str]] = {}
        """By branch: each commit that it has pointed to after a push, the newest last."""
        self.moment = 0
        self._notes: defaultdict[tuple[int, int, str], Notes] = defaultdict(Notes)
        self._builds = self._commits = 0

    # What people do

    def commit(
        self, branch: str = "main", files: Mapping[str, str | None] | None = None, **more: Any
    ) -> str:
        if files is None and "merge" not in more:
            self._commits += 1
            folders = self.pipelines.touched
            files = {f"{folder}/version.txt": f"{self._commits}\n" for folder in folders}
        return self.repository.commit(branch, files, **more)

    def push(self, branch: str = "main", **more: Any) -> list[Run]:
        runs = self.github.push(branch, **more)
        commit = self.repository.resolve(f"refs/heads/{branch}")
        assert commit
        self.lines.setdefault(branch, []).append(commit)
        return runs

    def merged(self, branch: str = "main", files: Mapping[str, str | None] | None = None) -> str:
        """Push one more commit, and go on until nothing more happens by itself."""
        sha = self.commit(branch, files)
        self.push(branch)
        self.github.settle()
        return sha

    def approve(self, run: Run, **more: Any) -> None:
        self.github.approve(run, **more)
        self.github.settle()

    def started(self, file: str, ref: str = "main", **inputs: Any) -> Run:
        """Start a run by hand, and go on until nothing more happens by itself."""
        by = str(inputs.pop("by", "octocat"))
        run = self.github.dispatch(file, ref, inputs, by=by)
        self.github.settle()
        return run

    def candidate(self) -> Run:
        """The newest run of production."""
        return self.github.runs_of("orchestrator-prd.yml")[-1]

    def waiting(self) -> list[Run]:
        return [run for run in self.github.latest_attempts() if self.github.waiting(run)]

    def set_up(self) -> None:
        """Run the commands of docs/ci-cd.md for branches, tags, environments and reviewers."""
        page = (self.pipelines.work_tree / "docs/ci-cd.md").read_text(encoding="utf-8")
        part = page.partition("### Branches and tags")[2].partition("### Secrets")[0]
        commands = re.findall(r"^```sh\n(.*?)^```", part, re.MULTILINE | re.DOTALL)
        commands += re.findall(r"`(gh api [^`]*)`", part)
        self.github.environments.clear()
        self.github.roles[LEAD] = "admin"
        done = self.github.shell("\n".join(commands), by=LEAD)
        assert done.returncode == 0, done.stderr
        self.forgotten()

    # What can be asked

    def first_parents(self, commit: str) -> list[str]:
        """A commit and the earlier ones of its branch, if it has always been on this branch."""
        line = [commit]
        while parents := self.repository.parents(line[-1]):
            line.append(parents[0])
        return line

    def line(self, environment: str) -> list[str]:
        """The commits that the environment's branch has pointed to, the newest first."""
        branch = self.pipelines.branch(environment)
        newest = self.github.remote.resolve(f"refs/heads/{branch}")
        return self.first_parents(newest) if newest else []

    @staticmethod
    def is_older(one: str, other: str, line: list[str]) -> bool:
        """Whether one commit comes before another on this branch."""
        return one in line and other in line and line.index(one) > line.index(other)

    def of_environment(self, name: str) -> list[Deployment]:
        return [d for d in self.deployments if d.environment == name]

    def at(self, environment: str) -> dict[str, str]:
        """The commit of each component's last deployment that succeeded."""
        return {
            d.component: d.commit for d in self.of_environment(environment) if d.result == "success"
        }

    def orchestrator(self, run: Run) -> Run:
        """The attempt of the orchestrator that started a run; the run itself if none did."""
        if age(run) == run.id:
            return run
        attempt = int(run.inputs["attempt"])
        starter = self.github.find_run(age(run), attempt)
        assert starter
        return starter

    def by_hand(self, run: Run) -> bool:
        return self.orchestrator(run).event == "workflow_dispatch"

    def let_in(self, environment: str, component: str) -> dict[int, Run]:
        """By age, the runs that were allowed to deploy: approved, or past their own check."""
        files = (f"orchestrator-{environment}.yml", f"{component}-{environment}.yml")
        found = {}
        for run in self.github.runs:
            gate = run.jobs.get("approval")
            if run.workflow_file in files and gate and gate.result == "success":
                found[age(run)] = run
        for place, run in self.admitted:
            if place == environment and {
                self.orchestrator(run).workflow_file,
                run.workflow_file,
            } & {*files}:
                found[age(run)] = run
        return found

    def commit_of(self, run: Run) -> str:
        """The commit that its title names; empty if it names none."""
        words = run.display_title.split()
        return words[1] if words[:1] == ["Deploy"] else ""

    def makes_too_old(self, other: Run, run: Run, commit: str, line: list[str]) -> bool:
        """Whether a run that was allowed to deploy overtakes another one with this commit."""
        if age(other) == age(run) or self.commit_of(other) not in line:
            return False
        by_tag = self.pipelines.tag and "-prd." in other.workflow_file
        if age(other) > age(run) and not by_tag:
            return True
        ahead = self.is_older(commit, self.commit_of(other), line)
        return ahead and (age(other) > age(run) or not self.by_hand(run))

    # What jobs do

    def execute(self, work: Work) -> Going:
        while self.hold(work):
            yield 5
        return (yield from work.steps(self.decide))

    def decide(self, step: Step) -> Any:
        self.moment += 1
        ended = self.instead(step)
        if ended is not None:
            return ended
        run, name, env = step.work.run, step.name, step.env
        notes = self._notes[run.id, run.attempt, step.work.key]
        if step.uses == "$/.github/actions/may-deploy":
            notes.component, notes.checked = step.inputs["component"], self.moment
            notes.line = self.line(env["ENVIRONMENT"])
            let_in = self.let_in(env["ENVIRONMENT"], notes.component).values()
            notes.overtaken = [
                r for r in let_in if self.makes_too_old(r, run, env["COMMIT"], notes.line)
            ]
        if name == "Check out the commit" and notes.component:
            self.admitted.append((env["ENVIRONMENT"], run))
        if step.uses == "$/.github/actions/run-component":
            self.admitted.append((run.workflow_file.removesuffix(".yml").split("-")[-1], run))
        if name in ("Lint", "Test", "Validate", "Build") and self._fails(step):
            return "failure"
        match name:
            case "Collect the files":
                return self._collect(step, notes)
            case "Verify and place the package":
                return self._verify(step, notes)
            case "Name the package":
                return {"name": f"{env['PRODUCER']}-package-{env['ENVIRONMENTS'].split()[0]}"}
            case "Deploy":
                return self._deploy(step, notes)
        if name.startswith("Plant "):
            # A job of an attacker's own: "Plant NAME of COMMIT".
            _, artifact, _, commit = name.split()
            if artifact.startswith("manifest-"):
                self.remember(run, self.forged(run, artifact.removeprefix("manifest-"), commit))
            else:
                self.upload(run, artifact, (commit, EVIL))
            return None
        match step.uses:
            case "actions/checkout":
                self.checked_out.append((run, step.inputs.get("ref", "")))
            case "actions/upload-artifact" if name in ("Keep the manifest", "Keep the plan"):
                kept = Path(step.inputs["path"])
                self.keep(run, step.inputs["name"], {kept.name: kept.read_bytes()})
            case "actions/upload-artifact":
                number = self.upload(run, step.inputs["name"], notes.collected)
                days = step.inputs.get("retention-days", "90")
                run.artifact_store[number].retention_days = int(days)
            case "actions/download-artifact":
                artifact = self.github.artifact(int(step.inputs["artifact-ids"]))
                if not artifact or artifact.expired:
                    return "failure"
                notes.downloaded = self.contents[artifact.id]
        return None

    def _fails(self, step: Step) -> bool:
        fails = self.failing(step)
        if fails:
            self.failed.add(age(step.work.run))
        return fails

    def upload(self, run: Run, name: str, content: tuple[str, str]) -> int:
        """Upload a package that expires before the one in the plan.

        Returns the id of its artifact.
        """
        # No two archives are equal, because they contain the times of their files.
        made = "\n".join([*content, str(self.moment)])
        artifact = self.keep(run, name, {"package": made.encode()})
        artifact.retention_days = 1
        self.contents[artifact.id] = content
        return artifact.id

    def keep(self, run: Run, name: str, files: dict[str, bytes]) -> Artifact:
        """Upload an artifact as the action does with `overwrite`."""
        store = run.artifact_store
        for artifact in [a for a in store.values() if a.name == name]:
            del store[artifact.id]
        artifact = self.github.new_artifact(run, name)
        artifact.fill(files)
        return artifact

    def remember(self, run: Run, memory: dict[str, Any]) -> None:
        """Upload the manifest of an environment, as the last job of its pipeline does."""
        text = json.dumps(memory).encode()
        self.keep(run, f"manifest-{memory['environment']}", {"manifest.json": text})

    def memories(self, environment: str) -> list[tuple[Run, Artifact]]:
        """The manifests of an environment, the oldest first, each with its run."""
        found = [
            (artifact, run)
            for run in self.github.latest_attempts()
            for artifact in run.artifact_store.values()
            if artifact.name == f"manifest-{environment}"
        ]
        return [(run, artifact) for artifact, run in sorted(found, key=lambda one: one[0].id)]

    def remembered(self, environment: str) -> dict[str, Any]:
        """The content of its newest manifest."""
        [text] = self.memories(environment)[-1][1].files.values()
        memory: dict[str, Any] = json.loads(text)
        return memory

    def forged(self, run: Run, environment: str, commit: str) -> dict[str, Any]:
        """A false manifest: all components are deployed, with packages that contain EVIL."""
        text = self.repository.text(commit, f".github/{COMPONENTS}")
        assert text
        components: dict[str, Any] = json.loads(text)["components"]
        package = {
            **{"key": "f" * 24, "digest": digest((commit, EVIL)), "commit": commit},
            **{"run": run.id, "environment": environment, "expires": "2099-01-01T00:00:00.000Z"},
        }
        entry = {
            **{"state": "success", "commit": commit, "run": run.id, "perEnvironment": False},
            **{"key": "f" * 24, "deployKey": "f" * 12},
        }
        return {
            **{"version": 1, "environment": environment, "commit": commit, "run": run.id},
            **dict.fromkeys(("planned", "at"), run.created_at),
            **{"keys": dict.fromkeys(components, "f" * 24), "packages": {}},
            "components": {
                name: {
                    **entry,
                    "kind": "deployed" if one["deployed"] else "carried",
                    "package": package if one["package"] else None,
                    "takes": dict.fromkeys(one["takes"], package),
                }
                for name, one in components.items()
            },
        }

    def _collect(self, step: Step, notes: Notes) -> dict[str, str]:
        name, commit = step.env["NAME"], step.env["COMMIT"]
        if "$/.github/actions/promote-package" in step.within:
            bytes_of_it = notes.taken[name.rpartition("-package-")[0]][1]
        else:
            self._builds += 1
            bytes_of_it = f"{name}, build {self._builds}, of {commit}"
        notes.collected = (commit, bytes_of_it)
        return {"digest": digest(notes.collected)}

    def _verify(self, step: Step, notes: Notes) -> JobOutcome:
        package = notes.downloaded
        assert package
        wanted, commit = step.env["DIGEST"], step.env["COMMIT"]
        if wanted and wanted != digest(package):
            return JobOutcome("failure", log="##[error]is not the one that the build has uploaded")
        if package[0] != commit:
            return JobOutcome("failure", log=f"##[error]was built from {package[0]}")
        notes.taken[step.env["FOLDER"].removeprefix(".packages/")] = package
        return JobOutcome("success", {"digest": digest(package)})

    def _deploy(self, step: Step, notes: Notes) -> Going:
        # Somebody may have forced the branch to another commit during this check.
        now = self.line(step.env["ENVIRONMENT"])
        deployment = Deployment(
            notes.component,
            step.env["ENVIRONMENT"],
            step.env["COMMIT"],
            step.work.run,
            dict(notes.taken),
            [commit for commit in notes.line if commit in now],
            notes.checked,
            [run for run in notes.overtaken if {self.commit_of(run), run.head_sha} <= {*now}],
        )
        self.moment += 1
        deployment.begin = self.moment
        self.deployments.append(deployment)
        deployment.result = "cancelled"  # unless it comes to its end
        try:
            for _ in range(3):
                yield 5
            deployment.result = "failure" if self._fails(step) else "success"
        finally:
            self.moment += 1
            deployment.end = self.moment
        return deployment.result
