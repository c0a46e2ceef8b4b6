"""Runs the commands of generated jobs as a runner of GitHub does, without the rest of the job."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import toolbox
import yaml
from copies import copy

MACHINE = ("UV_", "PIP_", "SSL_", "REQUESTS_", "HTTP", "NO_PROXY", "HOME", "XDG_", "TZ")
"""What tools read of a machine: where its packages are, how to trust them, and uv's cache."""

BASE_PYTHON = str(Path(sys.base_prefix) / "bin")
"""The Python that the suite's own was made from."""

ANSWERS: dict[str, Any] = {
    "components": {
        "app": {"code_type": "python", "path": "app"},
        "lib": {"code_type": "python", "path": "lib", "produces": ["dist"]},
        "infra": {"code_type": "terraform", "path": "infra"},
        "tofu": {"code_type": "opentofu", "path": "tofu"},
        "image": {"code_type": "docker", "path": "image"},
        "cluster": {"code_type": "kubernetes", "path": "cluster"},
    },
    "dependency_map": {
        "app": [],
        "lib": [],
        "infra": [],
        "tofu": [],
        "image": [],
        "cluster": ["image"],
    },
}

STUB = """\
#!{python} -SE
# Writes down how it was called, and which files of interest were there; fails if it was told to.
import json, os, sys
from pathlib import Path
arguments = sys.argv[1:]
entry = {{"tool": Path(sys.argv[0]).name, "arguments": arguments, "files": {{}}}}
entry["folder"] = os.getcwd()
for name in arguments:
    if name.endswith("requirements.txt"):
        entry["files"][name] = Path(name).read_text()
with open({log!r}, "a") as log:
    log.write(json.dumps(entry) + "\\n")
if " ".join([entry["tool"], *arguments]).startswith(os.environ.get("STUB_FAILS", "\\0")):
    sys.exit(1)
real = os.environ.get("REAL_" + entry["tool"].upper())
if real and not arguments[0].startswith("pip-audit"):
    os.execv(real, [real, *arguments])
"""


@dataclass(frozen=True)
class Step:
    """The step of a generated job that runs its command."""

    script: str
    variables: Mapping[str, str]


@dataclass
class Outcome:
    code: int
    output: str

    @property
    def notices(self) -> list[str]:
        lines = self.output.splitlines()
        return [line for line in lines if line.startswith("::notice::")]


def steps(template: Path, folder: Path, answers: Mapping[str, Any]) -> dict[str, Step]:
    """`component/job` -> the step with its command, as generated for the environment dev.

    And `pull-request/component-job`, as generated for pull requests.
    """
    repository = copy(template, folder, answers)
    found = {}
    checks = repository / ".github" / "workflows" / "pull-request.yml"
    for job_id, job in yaml.safe_load(checks.read_text(encoding="utf-8"))["jobs"].items():
        for step in job["steps"]:
            if job["name"].endswith(f" / {step['name']}"):
                found[f"pull-request/{job_id}"] = Step(step["run"], step["env"])
    for component in answers["components"]:
        file = repository / ".github" / "workflows" / f"{component}-dev.yml"
        workflow = yaml.safe_load(file.read_text(encoding="utf-8"))
        assert workflow["defaults"]["run"]["shell"] == "bash"
        for job_id, job in workflow["jobs"].items():
            for step in job.get("steps", []):
                if step["name"] == job["name"]:
                    found[f"{component}/{job_id}"] = Step(step["run"], step["env"])
    return found


@dataclass
class Runner:
    """One machine that runs jobs: with a temporary folder, and recorded tools."""

    folder: Path
    steps: Mapping[str, Step]
    environment: dict[str, str] = field(default_factory=dict)
    """What its jobs find beside what is generated: MACHINE names what tools read of a machine."""

    def __post_init__(self) -> None:
        self.tools = self.folder / "tools"
        self.tools.mkdir(parents=True)
        for name in ("uv", "uvx"):
            (self.tools / name).symlink_to(toolbox.script(name))
        self._log = self.folder / "commands.jsonl"

    def record(self, name: str) -> None:
        """Put a recorded stub on the PATH; for `uvx`, one that hands on all but pip-audit."""
        text = STUB.format(python=sys.executable, log=str(self._log))
        stub = self.tools / name
        stub.unlink(missing_ok=True)
        stub.write_text(text, encoding="utf-8")
        stub.chmod(0o755)

    @property
    def recorded(self) -> list[dict[str, Any]]:
        if not self._log.exists():
            return []
        return [json.loads(line) for line in self._log.read_text(encoding="utf-8").splitlines()]

    @property
    def lines(self) -> list[str]:
        """The recorded calls, as one would type them."""
        return [" ".join([call["tool"], *call["arguments"]]) for call in self.recorded]

    def run(self, job: str, project: Path, **variables: str) -> Outcome:
        """A job's command in a project's folder, in a temporary folder of the job's own."""
        step, temporary = self.steps[job], self.folder / f"temp-{job.replace('/', '-')}"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        script = temporary / "step.sh"
        script.write_text(step.script, encoding="utf-8")
        machine = {k: v for k, v in os.environ.items() if k.upper().startswith(MACHINE)}
        # The suite's own Python, with all that is installed beside it, is no runner's Python.
        folders = os.environ["PATH"].split(os.pathsep)
        path = [str(self.tools), BASE_PYTHON, *(f for f in folders if Path(f) != toolbox.SCRIPTS)]
        environment = {
            **machine,
            "LANG": "C.UTF-8",
            "PATH": os.pathsep.join(path),
            "RUNNER_TEMP": str(temporary),
            "GITHUB_WORKSPACE": str(project.parent),
            "UV_PYTHON_DOWNLOADS": "never",
            **step.variables,
            **self.environment,
            **variables,
        }
        # What `shell: bash` means: docs.github.com, "Workflow syntax", steps[*].shell.
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=project,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            timeout=120,
        )
        return Outcome(done.returncode, done.stdout)


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """A project with these files."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder
