"""Runs the commands of generated jobs as a runner of GitHub does, without other steps of a job."""

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
from pipeline.code_type_model import JOBS
from pipeline.code_types import load_code_types

OWN_ACTION = "$/.github/actions/setup-"

INSTALLS = "inputs.job"
"""The condition of steps that install the project's dependencies, only in builds."""

CODE_TYPES = load_code_types(toolbox.ROOT / "code_types")

MACHINE = ("UV_", "PIP_", "SSL_", "REQUESTS_", "HTTP", "NO_PROXY", "HOME", "XDG_", "TZ")
"""Prefixes of variables that tools need from this machine: registries, certificates, caches."""

BASE_PYTHON = str(Path(sys.base_prefix) / "bin")
"""The folder of the Python from which the suite's environment was made."""

PATH = [
    folder
    for folder in os.environ["PATH"].split(os.pathsep)
    # A runner does not have the suite's environment with its packages.
    if Path(folder) != toolbox.SCRIPTS
    # pyenv's shims are slow shell scripts, and uv calls each of them many times.
    and not folder.endswith(".pyenv/shims")
]
"""The folders of this machine's tools."""

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
    """The step of a generated job with its command."""

    script: str
    variables: Mapping[str, str] = field(default_factory=dict)
    """The variables of the job and of the step."""
    setup: str = ""
    """The script of the code type's action, if the job calls it."""
    action: Path | None = None
    """The folder of that action, if it has files for its steps."""


@dataclass
class Outcome:
    code: int
    output: str
    said: Mapping[str, str] = field(default_factory=dict)
    """The values that it wrote to $GITHUB_OUTPUT."""

    @property
    def notices(self) -> list[str]:
        lines = self.output.splitlines()
        return [line for line in lines if line.startswith("::notice::")]


def steps(repository: Path, answers: Mapping[str, Any]) -> dict[str, Step]:
    """The generated step of each `component/command`: `app/lint`, `app/deploy`.

    `component/setup` is the script of the code type's action.
    """
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
    """Whether a step of an action installs the project with a script, not a language or tool."""
    condition = step.get("if", "")
    return "run" in step and INSTALLS in condition and "steps.find" not in condition


def outputs_of(file: Path) -> dict[str, str]:
    """The values that a step wrote to $GITHUB_OUTPUT, in both forms."""
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    found = re.findall(r"^(?:([\w-]+)=(.*)|([\w-]+)<<(\S+)\n((?:.*\n)*?)\4)$", text, re.MULTILINE)
    return {one or other: value or block.rstrip("\n") for one, value, other, _, block in found}


@dataclass
class Runner:
    """A machine that runs jobs, with a temporary folder and recorded tools."""

    folder: Path
    steps: Mapping[str, Step]
    environment: dict[str, str] = field(default_factory=dict)
    """Additional variables of its jobs, besides those of the machine (MACHINE)."""

    def __post_init__(self) -> None:
        self.tools = self.folder / "tools"
        self.tools.mkdir(parents=True)
        for name in ("uv", "uvx"):
            (self.tools / name).symlink_to(toolbox.script(name))
        self._log = self.folder / "commands"

    def record(self, name: str) -> None:
        """Put a stub on the PATH that records its calls. The one for `uvx` passes on all but
        pip-audit."""
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
        """The recorded calls as command lines."""
        return [" ".join([call["tool"], *call["arguments"]]) for call in self.recorded]

    def run(self, job: str, project: Path, again: bool = False, **variables: str) -> Outcome:
        """Run a single command in a project's folder, in a new temporary folder.

        With `again`, in the last one, where everything is installed.
        """
        temporary = self.folder / f"temp-{job.replace('/', '-')}"
        if not again:
            shutil.rmtree(temporary, ignore_errors=True)
        return self._run(job, project, temporary, variables)

    def build(
        self, component: str, project: Path, jobs: Sequence[str] = JOBS, **variables: str
    ) -> dict[str, Outcome]:
        """Run the commands of a build job one after another, in one temporary folder."""
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
        # A deployment is for one environment.
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
            # The variables of the job, without outputs of the set-up.
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
        """Run the installing steps of an action, once in a temporary folder. `said` has the
        variables that they set."""
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
        # The set-up adds a temporary folder to the PATH.
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
        # The command of `shell: bash`: docs.github.com, "Workflow syntax", steps[*].shell.
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
    """Write a project with these files."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder
