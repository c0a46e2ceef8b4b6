"""Runs, jobs and artifacts, as tests look at them."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass, field
from typing import Any


class NotModelledError(NotImplementedError):
    """A workflow uses something that this double does not imitate."""


@dataclass
class Job:
    """One job of one attempt; a calling job has the aggregated result of what it called."""

    key: str
    id: int
    attempt: int
    workflow: str
    name: str = ""
    status: str = "queued"
    result: str | None = None
    log: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""
    environment: str | None = None
    #: Whether GitHub records a deployment: the job has an environment that allows it.
    deployment: bool = False
    concurrency: str | None = None
    runs_on: Any = None
    permissions: dict[str, str] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)
    inputs: dict[str, Any] = field(default_factory=dict)
    steps: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    created_at: str = ""
    started_at: str | None = None
    completed_at: str | None = None

    @property
    def errors(self) -> list[str]:
        """The messages of `::error::` commands, in order."""
        return [
            line.removeprefix("##[error]")
            for line in self.log.splitlines()
            if line.startswith("##[error]")
        ]


@dataclass
class Artifact:
    id: int
    name: str
    run_id: int
    data: bytes = b""
    digest: str = ""
    created_at: str = ""
    retention_days: int | None = None
    expired: bool = False
    final: bool = False

    def fill(self, files: dict[str, bytes]) -> None:
        """An artifact that no job has uploaded."""
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        self.data, self.final = data.getvalue(), True
        self.digest = f"sha256:{hashlib.sha256(self.data).hexdigest()}"

    @property
    def files(self) -> dict[str, bytes]:
        with zipfile.ZipFile(io.BytesIO(self.data)) as archive:
            return {
                name: archive.read(name) for name in archive.namelist() if not name.endswith("/")
            }


@dataclass
class Review:
    """A review of a job that waited for one."""

    job: str
    environment: str
    #: "approved" or "rejected".
    state: str
    by: str


@dataclass
class PullRequest:
    """A pull request of a branch of the work tree, as if it were a fork's if `fork`."""

    number: int
    head: str
    base: str
    fork: bool
    #: The commits with which it was opened and pushed to.
    commits: list[str] = field(default_factory=list)

    @property
    def author(self) -> str:
        return "stranger" if self.fork else "octocat"


@dataclass
class Run:
    """One attempt of a workflow run."""

    id: int
    number: int
    workflow_path: str
    workflow_name: str
    event: str
    #: As the API shows them. For a pull request these are its own commit and branch.
    head_sha: str
    head_branch: str | None
    ref: str
    payload: dict[str, Any]
    #: `github.sha`, the commit whose workflow files run. For a pull request it is the merge commit.
    sha: str = ""
    attempt: int = 1
    display_title: str = ""
    status: str = "queued"
    conclusion: str | None = None
    #: Why GitHub refused to start it, or cancelled it.
    message: str = ""
    jobs: dict[str, Job] = field(default_factory=dict)
    #: Keys of jobs in the order in which they started.
    order: list[str] = field(default_factory=list)
    #: (job, environment) pairs that somebody had to approve.
    approvals: list[tuple[str, str]] = field(default_factory=list)
    #: The reviews of jobs that waited for one.
    reviews: list[Review] = field(default_factory=list)
    inputs: dict[str, Any] = field(default_factory=dict)
    concurrency: str | None = None
    cancelled: bool = False
    actor: str = "octocat"
    #: Who started this attempt.
    triggering_actor: str = "octocat"
    created_at: str = ""
    #: When this attempt began, and when it or one of its jobs changed last.
    started_at: str = ""
    updated_at: str = ""
    head_repository: str = "acme/demo"
    triggered_by: Run | None = None
    artifact_store: dict[int, Artifact] = field(default_factory=dict)

    #: Its statuses and conclusions, each with its time in seconds.
    history: list[tuple[float, str, str | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sha = self.sha or self.head_sha

    def seen(self, moment: float, late: bool) -> tuple[str | None, str | None]:
        """Its status and conclusion, now or at a given time."""
        before = [entry for entry in self.history if entry[0] <= moment] if late else []
        return before[-1][1:] if before else (self.status, self.conclusion)

    @property
    def workflow_file(self) -> str:
        return self.workflow_path.rsplit("/", 1)[-1]

    @property
    def artifacts(self) -> dict[str, dict[str, bytes]]:
        """Artifact name -> path -> content."""
        return {a.name: a.files for a in self.artifact_store.values() if a.final and not a.expired}

    @property
    def packages(self) -> dict[str, dict[str, bytes]]:
        """Its artifacts, without the manifest that an orchestrator leaves."""
        return {name: files for name, files in self.artifacts.items() if "-package-" in name}

    @property
    def results(self) -> dict[str, str | None]:
        return {key: job.result for key, job in self.jobs.items()}

    @property
    def ran(self) -> list[str]:
        """The jobs that ran steps in this attempt, sorted."""
        return sorted(self.order)

    def job(self, key: str) -> Job:
        return self.jobs[key]
