"""Runs the commands of generated jobs as a runner of GitHub does, without the rest of the job."""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import toolbox
import yaml
from copies import copy
from pipeline.code_type_model import JOBS
from pipeline.code_types import load_code_types

OWN_ACTION = "$/.github/actions/setup-"

INSTALLS = "inputs.job"
"""By which a step of an action says that it is for builds: it installs what the project has."""

CODE_TYPES = load_code_types(toolbox.ROOT / "code_types")

MACHINE = ("UV_", "PIP_", "SSL_", "REQUESTS_", "HTTP", "NO_PROXY", "HOME", "XDG_", "TZ")
"""What tools read of a machine: where its packages are, how to trust them, and uv's cache."""

BASE_PYTHON = str(Path(sys.base_prefix) / "bin")
"""The Python that the suite's own was made from."""

PATH = [
    folder
    for folder in os.environ["PATH"].split(os.pathsep)
    # The suite's own Python, with all that is installed beside it, is no runner's Python.
    if Path(folder) != toolbox.SCRIPTS
    # pyenv's shims are shell scripts, and uv asks each of them what Python it is, again and again.
    and not folder.endswith(".pyenv/shims")
]
"""Where the tools of this machine are."""

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
# It imports nothing that takes longer to load than all of its work.
import os, sys
arguments = sys.argv[1:]
entry = {{"tool": os.path.basename(sys.argv[0]), "arguments": arguments, "files": {{}}}}
entry["folder"] = os.getcwd()
for name in arguments:
    if name.endswith(("requirements.txt", "versions.txt")):
        with open(name) as file:
            entry["files"][name] = file.read()
with open({log!r}, "a", encoding="utf-8") as log:
    log.write(ascii(entry) + "\\n")
if " ".join([entry["tool"], *arguments]).startswith(os.environ.get("STUB_FAILS", "\\0")):
    sys.exit(1)
if "pip-audit" in " ".join(arguments[:1]):
    nothing = '{{"dependencies": [{{"name": "all", "version": "1", "vulns": []}}]}}'
    report = os.environ.get("STUB_AUDIT", nothing)
    with open(arguments[arguments.index("--output") + 1], "w") as file:
        file.write(report)
    sys.exit("fix_versions" in report)
real = os.environ.get("REAL_" + entry["tool"].upper())
if real:
    os.execv(real, [real, *arguments])
"""


COMMIT = "0123456789abcdef0123456789abcdef01234567"

EXPRESSION = re.compile(r"\$\{\{ (.+?) \}\}")


@dataclass(frozen=True)
class Step:
    """The step of a generated job that runs its command."""

    script: str
    variables: Mapping[str, str] = field(default_factory=dict)
    """Those of the job, and the step's own."""
    setup: str = ""
    """The script of its code type's own action, where the job calls that."""
    action: Path | None = None
    """That action's folder, where it has further files for its steps."""


@dataclass
class Outcome:
    code: int
    output: str
    said: Mapping[str, str] = field(default_factory=dict)
    """What it wrote to $GITHUB_OUTPUT."""

    @property
    def notices(self) -> list[str]:
        lines = self.output.splitlines()
        return [line for line in lines if line.startswith("::notice::")]


def steps(template: Path, folder: Path, answers: Mapping[str, Any]) -> dict[str, Step]:
    """`component/command` -> the step with it, as generated: `app/lint`, `app/deploy`.

    And `component/setup`, the script of its code type's own action.
    """
    repository = copy(template, folder, answers)
    found = {}
    for component, settings in answers["components"].items():
        code_type = CODE_TYPES[settings["code_type"]]
        names = {code_type.jobs[job].name: job for job in JOBS}
        if code_type.publish:
            names[code_type.publish.name] = "deploy"
        if settings.get("plan"):
            names["Plan"] = "plan"
        for kind in ("build", "deploy"):
            file = repository / ".github/workflows" / f"{component}-{kind}.yml"
            if not file.exists():
                continue
            workflow = yaml.safe_load(file.read_text(encoding="utf-8"))
            [job] = workflow["jobs"].values()
            assert job["defaults"]["run"]["shell"] == "bash"
            setup, installs = "", None
            for step in job["steps"]:
                if step.get("uses", "").startswith(OWN_ACTION):
                    action = repository / ".github/actions" / step["uses"].rpartition("/")[2]
                    script = (action / "setup.sh").read_text(encoding="utf-8")
                    setup = f"export GITHUB_ACTION_PATH={shlex.quote(str(action))}\n{script}"
                    steps_of = yaml.safe_load((action / "action.yml").read_text("utf-8"))["runs"]
                    runs = any(_installs(one) for one in steps_of["steps"])
                    installs = action if runs and kind == "build" else None
                    found[f"{component}/setup"] = Step(setup, job["env"], action=installs)
                if command := names.get(step["name"]) if "run" in step else None:
                    variables = {**job["env"], **step.get("env", {})}
                    found[f"{component}/{command}"] = Step(step["run"], variables, setup, installs)
    return found


def _installs(step: Mapping[str, Any]) -> bool:
    """Whether a step of an action installs the project, by a script; not a language or a tool."""
    condition = step.get("if", "")
    return "run" in step and INSTALLS in condition and "steps.find" not in condition


def outputs_of(file: Path) -> dict[str, str]:
    """What a step wrote to $GITHUB_OUTPUT, in either of its forms."""
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    found = re.findall(r"^(?:([\w-]+)=(.*)|([\w-]+)<<(\S+)\n((?:.*\n)*?)\4)$", text, re.MULTILINE)
    return {one or other: value or block.rstrip("\n") for one, value, other, _, block in found}


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
        self._log = self.folder / "commands"

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
        lines = self._log.read_text(encoding="utf-8").splitlines()
        return [ast.literal_eval(line) for line in lines]

    @property
    def lines(self) -> list[str]:
        """The recorded calls, as one would type them."""
        return [" ".join([call["tool"], *call["arguments"]]) for call in self.recorded]

    def run(self, job: str, project: Path, again: bool = False, **variables: str) -> Outcome:
        """One command alone in a project's folder, in a temporary folder of its own.

        `again`: in the one of the time before, where everything is installed.
        """
        temporary = self.folder / f"temp-{job.replace('/', '-')}"
        if not again:
            shutil.rmtree(temporary, ignore_errors=True)
        return self._run(job, project, temporary, variables)

    def build(
        self, component: str, project: Path, jobs: Sequence[str] = JOBS, **variables: str
    ) -> dict[str, Outcome]:
        """What a build job runs, one after the other, in one temporary folder."""
        temporary = self.folder / f"temp-{component}"
        shutil.rmtree(temporary, ignore_errors=True)
        return {
            job: self._run(f"{component}/{job}", project, temporary, variables)
            for job in jobs
            if job != "deploy" and f"{component}/{job}" in self.steps
        }

    def _run(
        self, job: str, project: Path, temporary: Path, variables: Mapping[str, str]
    ) -> Outcome:
        step = self.steps[job]
        temporary.mkdir(exist_ok=True)
        environment = variables.get("ENVIRONMENT", "dev")
        # A deployment is of one environment.
        several = "" if job.endswith("/deploy") else variables.get("ENVIRONMENTS", "")
        values = {
            "inputs.environment": environment,
            "inputs.environments": several,
            "inputs.commit": COMMIT,
            "inputs.cache": "false",
            "inputs.push": "false",
            "github.workspace": variables.get("GITHUB_WORKSPACE", str(project.parent)),
            "runner.temp": str(temporary),
        }
        given = {
            "RUNNER_TEMP": values["runner.temp"],
            "GITHUB_WORKSPACE": values["github.workspace"],
        }
        reads = any("steps.setup" in text for text in step.variables.values())
        calls = re.search(r'^ *(\.|bash) "\$RUNNER_TEMP/', step.script, re.M)
        if step.setup and (reads or calls):
            # What a job says for all its steps; nothing there is a set-up's own output.
            of_job = {k: text for k, text in step.variables.items() if "${{" not in text}
            found = {**given, "ENVIRONMENT": environment, **of_job, **variables}
            found["ENVIRONMENTS"] = several or environment
            outcome = self._bash(step.setup, project, temporary / "setup", found)
            if outcome.code:
                return outcome
            values |= {f"steps.setup.outputs.{k}": text for k, text in outcome.said.items()}

        path: list[str] = []
        if step.action and not job.endswith("/setup"):
            outcome = self._install(step.action, project, temporary, {**given, **variables})
            if outcome.code:
                return outcome
            given |= {k: v for k, v in outcome.said.items() if k != "PATH"}
            path = outcome.said.get("PATH", "").split()

        def value(match: re.Match[str]) -> str:
            terms = match[1].split(" || ")
            if not all(term in values or term.startswith("steps.setup.") for term in terms):
                return match[0]
            return next((values[term] for term in terms if values.get(term)), "")

        own = {name: EXPRESSION.sub(value, text) for name, text in step.variables.items()}
        found = {**given, **own, **variables}
        return self._bash(step.script, project, temporary / "step", found, path)

    def _install(
        self, action: Path, project: Path, temporary: Path, variables: Mapping[str, str]
    ) -> Outcome:
        """What the steps of an action run, once in a temporary folder; `said`: the environment."""
        said, folders = temporary / "environment", temporary / "path"
        if not said.exists():
            for step in yaml.safe_load((action / "action.yml").read_text("utf-8"))["runs"]["steps"]:
                if not _installs(step):
                    continue
                files = {"GITHUB_ENV": str(said), "GITHUB_PATH": str(folders)}
                given = {**variables, **files, "GITHUB_ACTION_PATH": str(action)}
                outcome = self._bash(step["run"], project, temporary / "install", given)
                self.installed = outcome
                if outcome.code:
                    return outcome
        path = folders.read_text("utf-8") if folders.exists() else ""
        return Outcome(0, "", {**outputs_of(said), "PATH": path})

    def _bash(
        self,
        text: str,
        project: Path,
        file: Path,
        variables: Mapping[str, str],
        first: Sequence[str] = (),
    ) -> Outcome:
        script, output = file.with_suffix(".sh"), file.with_suffix(".output")
        script.write_text(text, encoding="utf-8")
        output.unlink(missing_ok=True)
        machine = {k: v for k, v in os.environ.items() if k.upper().startswith(MACHINE)}
        # What a set-up adds to the PATH lies in the temporary folder.
        path = [
            *first,
            str(file.parent / "bin"),
            str(self.tools),
            BASE_PYTHON,
            *PATH,
        ]
        environment = {
            **machine,
            "LANG": "C.UTF-8",
            "PATH": os.pathsep.join(path),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_PATH": str(file.with_suffix(".path")),
            "UV_PYTHON_DOWNLOADS": "never",
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
        return Outcome(done.returncode, done.stdout, outputs_of(output))


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """A project with these files."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder
