"""Checks one code type completely: `python3 dev.py check CODE_TYPE`.

CODE_TYPE is a name from `code_types/`, or the path of a file. The command compares the file with
the schema, and generates repositories with components of the code type, for every cloud and
orchestration. Every validator reads these repositories. A push and a pull request run on the double
of GitHub, with recorded stubs for all tools (see check_stubs.py). The exit code is 1 if the command
finds anything.

    --files FOLDER    the files in the component's path during this run, and in `.stubs/` scripts
                      with the answers of tools; for our own code types, tests/check_samples/NAME
    --sample FOLDER   a project in which the checks and the build of a pull request run for real,
                      with the machine's own tools and without a deployment
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
from unittest import mock

if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    sys.path[:0] = [str(here.parent / "extensions"), str(here.parent / "hooks")]
    sys.path[:0] = [str(here / "running")]

import toolbox
import yaml
from check_stubs import FAILED, BareMachine, Leaves
from copies import copy, export_template
from generated_repositories import start, with_the_machines_packages
from offline_github import Job, NotModelledError, OfflineGitHub, Run, actions
from pipeline.answers import ORCHESTRATIONS
from pipeline.catalogue import Catalogue, load_catalogue
from pipeline.code_type_model import JOBS, CodeType, Consumed
from pipeline.errors import AnswerError
from pipeline.like import in_full
from pipeline.names import check_name
from pipeline.own_types import read_file, with_own
from pipeline.settings import CLOUDS
from validators import VALIDATORS, Finding, Repository, action_inputs
from validators.repository import FOLDER as WORKFLOWS

SAMPLES = toolbox.TESTS / "check_samples"
OURS = toolbox.ROOT / "code_types"
FOLDER = "code-types"
"""The answer `code_types_folder` of the generated repositories."""

PLAN = "Plan"
"""The name of the step with the command of `plan`."""

TEMPORARY = re.compile(r"/[^\s=:]*/act/[0-9a-f]+/tmp\b")
"""A job's folder for temporary files, which differs in each run."""

SAME_TIME = dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), "2026-01-01T00:00:00Z")
"""With these variables, commands that print the time of a commit always print the same."""

PATH = "part"
DEV = {"name": "dev", "branch": "main"}
PRD = {"name": "prd", "after": "dev", "production": True}
BEFORE = "before"
PACKAGE = "package.txt"
ANYTHING = Consumed("*")
"""The checked component waits for the component BEFORE and takes its package, so packages are
placed. ANYTHING stands for a code type that does not say what it consumes."""

ACCEPTED = {"concurrency-limits", "excessive-permissions", "secrets-outside-env"}
"""Rules that every code type breaks by design. For the first two see test_validators_are_silent.py.
The third: secrets for a build come from the answers, and a build has no GitHub Environment."""

NOTED = {"not-recorded", "sha"}
"""Rules of the validator of actions that lead to notes: an organisation's own action may be unknown
to it."""

ONE_LINE = ["docker-image"]
"""Products that are files, although their names have no ending."""

STEP = "GITHUB_ACTION"
"""The variable in which a runner has the id of the step."""

NEEDS = {
    "id-token": (
        r"uses: *(aws-actions/configure-aws-credentials|azure/login|google-github-actions/auth"
        r"|pypa/gh-action-pypi-publish|actions/attest[\w-]*|actions/deploy-pages"
        r"|rubygems/[\w-]+|nuget/login)@",
        r"ACTIONS_ID_TOKEN_REQUEST_\w+|\bcosign sign\b|\bnpm publish\b[^\n]*--provenance",
    ),
    "packages": (r"\b(docker|oras|helm registry) login\b[^\n]*ghcr\.io",),
    "contents": (r"\bgh release (create|upload|edit|delete)\b|\bgit push\b",),
}
"""A permission -> patterns of the steps that need it."""

GRANTING = {
    "id-token": "say `identity: true` of the job, or `cloud: true`",
    "packages": "say `registry: true` of the job",
    "contents": "nothing in a code type grants that; do it in a job of the repository's own",
}


@dataclass
class Report:
    """The checks, and their findings."""

    lines: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)

    def say(self, what: str, outcome: str) -> None:
        self.lines.append(f"{what:<12} {outcome}")

    def find(self, findings: Iterable[str]) -> None:
        self.findings += [line for line in dict.fromkeys(findings) if line not in self.findings]

    def __str__(self) -> str:
        parts = ["\n".join(self.lines)]
        if self.notes:
            parts.append("\n".join(["Notes", *(f"  {n}" for n in dict.fromkeys(self.notes))]))
        if self.findings:
            findings = sorted(self.findings, key=_line)
            parts.append("\n".join(["Findings", *(f"  {line}" for line in findings)]))
        count = len(self.findings)
        parts.append(
            f"{count} finding{'s' * (count != 1)}" if count else "Nothing is wrong with it."
        )
        return "\n\n".join(parts)


def _line(finding: str) -> int:
    """The line of the code type that the finding is about; 0 if it has none."""
    match = re.match(r"\S+?:(\d+): ", finding)
    return int(match[1]) if match else 0


@dataclass(frozen=True)
class Subject:
    """The code type to check."""

    file: Path
    content: Any
    code_type: CodeType
    catalogue: Catalogue

    @property
    def name(self) -> str:
        return self.code_type.name

    def command_of(self, step: str) -> str:
        """The command that a step of this name runs. The workflows of the build and of the
        deployment have no such names in common."""
        names = {job: self.code_type.jobs[job].name for job in JOBS} | {"plan": PLAN}
        return next((job for job, name in names.items() if name == step), "")

    def users_of(self, number: int) -> list[str]:
        """The jobs that set up the tool which this line of the file belongs to."""
        lines = self.file.read_text(encoding="utf-8").splitlines()[:number]
        heads = [match[1] for line in lines if (match := re.match(r" +([\w.-]+): *\|", line))]
        jobs = self.content["jobs"].items()
        return [
            name for name, job in jobs if heads[-1:] and heads[-1] in (job or {}).get("tools", [])
        ]

    def line_of(self, text: str) -> str:
        """The place of this line in the file, such as `swift.yml:12`; empty if it is not there."""
        wanted = re.sub(r"^-? *(command|run|[\w.-]+): +(?=\S)", "", text.strip())
        lines = [*enumerate(self.file.read_text(encoding="utf-8").splitlines(), 1)]
        ending = [number for number, line in lines if line.strip().endswith(wanted)]
        holding = [number for number, line in lines if wanted in line]
        return f"{self.file.name}:{[*ending, *holding][0]}" if wanted and holding else ""


def find_file(argument: str) -> Path:
    """The file of one of our code types, by its name, or of a path. Raises AnswerError."""
    ours = OURS / f"{argument}.yml"
    path = ours if ours.is_file() else Path(argument)
    if not path.is_file():
        names = ", ".join(sorted(file.stem for file in ours.parent.glob("*.yml")))
        raise AnswerError(argument, f"is no file, and none of: {names}")
    return path


def read(file: Path) -> Subject:
    """The file as Copier reads it. Raises AnswerError with file and key."""
    catalogue, place = load_catalogue(toolbox.ROOT), file.name
    if file.suffix != ".yml":
        raise AnswerError(place, "is not called like NAME.yml; rename it")
    check_name(file.stem, place)
    content, others = read_file(file, place), catalogue.written
    try:
        catalogue = with_own(catalogue, FOLDER, {file.stem: content})
    except AnswerError as error:
        raise AnswerError(error.place.removeprefix(f"{FOLDER}/"), error.cause) from None
    return Subject(file, in_full(content, others), catalogue.code_types[file.stem], catalogue)


# The file itself -----------------------------------------------------------------


def unused(subject: Subject) -> Iterator[str]:
    """Definitions of the file that nothing uses."""
    content, name = subject.content, subject.file.name
    jobs = [*content["jobs"].values(), content.get("publish") or {}, content.get("plan") or {}]
    set_up = {tool for job in jobs for tool in (job or {}).get("tools", [])}
    if "setup" in content and "setup" not in set_up:
        yield f"{name}: setup: no job names it among its `tools`; drop it, or name it there"
    for tool in content.get("tools", {}):
        if tool not in set_up:
            yield f"{name}: tools.{tool}: no job sets it up; drop it, or name it in `jobs`"
    commands = "\n".join(commands_of(content))
    for function, text in content.get("functions", {}).items():
        if not re.search(rf"\b{function}\b", commands.replace(text, "")):
            yield f"{name}: functions.{function}: no command calls it; drop it"


def commands_of(content: Any) -> list[str]:
    """Every text of the file that a shell runs."""
    texts = [*content.get("functions", {}).values(), *content.get("tools", {}).values()]
    texts += [cloud.get("steps", "") for cloud in content.get("clouds", {}).values()]
    setup = content.get("setup", {})
    texts += [setup.get(key, "") for key in ("script", "steps")]
    texts += [text for name, text in setup.get("files", {}).items() if name.endswith(".sh")]
    texts += [(job or {}).get("command", "") for job in content["jobs"].values()]
    texts += [(content.get("publish") or {}).get("command", "")]
    texts += [(content.get("plan") or {}).get(key, "") for key in ("command", "apply")]
    texts += content.get("products", {}).values()
    return texts


# Generating ------------------------------------------------------------------------------------


def answers_for(subject: Subject, cloud: str, orchestration: str, sample: bool) -> dict[str, Any]:
    """The answers of a repository with one component for the products that the code type makes by
    itself, and one more for each product that it can also make."""
    code_type = subject.code_type
    first: dict[str, Any] = {"code_type": subject.name, "path": PATH}
    if not code_type.jobs["deploy"].command:
        first["deploy"] = "ship"
    with_command = {job for job in JOBS if code_type.jobs[job].command} | {"deploy"}
    with_command |= {"build"} if code_type.produces else set()
    if not sample and any(code_type.jobs[job].secrets for job in with_command):
        first["secrets"] = ["A_SECRET", *code_type.secret_variables]
    if code_type.plan and not sample:
        first["plan"] = True
    components = {PATH: first}
    others = [name for name in code_type.products if name not in code_type.produces]
    for number, product in enumerate(others, 2):
        place = f"{PATH}-{number}"
        components[place] = {"code_type": subject.name, "path": place, "produces": [product]}
    environments = [DEV] if sample else [DEV, PRD]
    if code_type.publish:
        place = f"{PATH}-published"
        components[place] = {"code_type": subject.name, "path": place, "publish": True}
        environments.append({"name": "release", "tag": "v*"})
    edge: dict[str, Any] = {"depends_on": [] if sample else [BEFORE]}
    if not any(fnmatch(PACKAGE, consumed.product) for consumed in code_type.consumes or [ANYTHING]):
        edge["artifacts"] = []
    edges = [{"code_type": name, **edge} for name in components]
    if code_type.publish:  # with observe, a published component waits for nothing
        edges[-1] = {"code_type": f"{PATH}-published", "depends_on": []}
    if not sample:
        components[BEFORE] = {
            "code_type": "generic",
            "path": BEFORE,
            "build": f"touch {PACKAGE}",
            "produces": [PACKAGE],
        }
    answers = {
        "project_name": "check",
        "code_types_folder": FOLDER,
        "own_code_types": {subject.name: subject.content},
        "components": components,
        "dependency_map": edges,
        "orchestration": orchestration,
        "environments": environments,
        "cloud": cloud,
    }
    if "plan" in first and orchestration == "dispatch":
        answers["approval"] = "each"
    registry = subject.catalogue.clouds[cloud].registry if cloud != "none" else None
    if registry and any(code_type.jobs[job].registry for job in JOBS):
        answers["registry"] = registry.form
    return answers


def generate(
    subject: Subject, template: Path, folder: Path, clouds: Sequence[str], ways: Sequence[str]
) -> dict[str, Repository]:
    """The generated repositories by cloud and orchestration. Equal ones are there once."""
    found: dict[str, Repository] = {}
    for cloud in clouds:
        for orchestration in ways:
            case = f"{cloud}-{orchestration}"
            copy(template, folder / case, answers_for(subject, cloud, orchestration, False))
            repository = Repository.read(folder / case)
            if all(repository.texts != other.texts for other in found.values()):
                found[case] = repository
    return found


# Validating ------------------------------------------------------------------------------------


def validate(repositories: Mapping[str, Repository]) -> list[Finding]:
    """The findings of all validators. Their file names begin with the case."""
    found = [
        replace(finding, file=f"{case}/{finding.file}")
        for case, repository in repositories.items()
        for name, check in VALIDATORS.items()
        for finding in (
            check(repository, persona="auditor")  # type: ignore[call-arg]
            if name == "zizmor"
            else check(repository)
        )
    ]
    return [finding for finding in found if finding.rule not in ACCEPTED]


def told(subject: Subject, repositories: Mapping[str, Repository], finding: Finding) -> str:
    """A finding for people: the line of the code type, and the job that it becomes a part of."""
    case, _, file = finding.file.partition("/")
    repository = repositories[case]
    lines = (repository.texts | repository.scripts)[file].splitlines()
    text = lines[finding.line - 1] if 0 < finding.line <= len(lines) else ""
    place = subject.line_of(text)
    where = _where(subject, repository, file, finding.line, place)
    message = re.sub(r"^[\w-]+, '[^']*': ", "", " ".join(finding.message.split()))
    said = [place or f"{Path(file).name}:{finding.line}", *filter(None, [where]), message]
    return f"{': '.join(said)} [{finding.validator}: {finding.rule}]"


def _where(subject: Subject, repository: Repository, file: str, line: int, place: str) -> str:
    """The job or set-up of the code type that a line of a generated file belongs to, if any."""
    workflow = repository.workflows.get(file)
    if workflow is None:
        return "setup" if Path(file).parent.name == f"setup-{subject.name}" else ""
    # A step begins on the line of its first key.
    starts = [(workflow.line(*step.keys), step) for step in workflow.steps]
    before = [step for start, step in starts if start <= line]
    if before and (command := subject.command_of(before[-1].name)):
        return f"job {command}"
    if place and (users := subject.users_of(int(place.rpartition(":")[2]))):
        return f"job {' and '.join(users)}"
    return ""


def lacking(subject: Subject, repositories: Mapping[str, Repository]) -> Iterator[str]:
    """Jobs that lack a permission which their steps need, for every cloud."""
    has: dict[tuple[str, str, str], bool] = {}
    for repository in repositories.values():
        for file, workflow in repository.workflows.items():
            if not re.fullmatch(rf"{PATH}[-\w]*-(build|deploy)\.yml", Path(file).name):
                continue
            allowed = _allowed(repository, file)
            for step in workflow.steps:
                job = subject.command_of(step.name) or step.job
                text = yaml.safe_dump(step.data, width=10**6) + str(step.data.get("run", ""))
                for permission, patterns in NEEDS.items():
                    for pattern in patterns:
                        if match := re.search(pattern, text):
                            key = (job, permission, match[0].removeprefix("uses: "))
                            has[key] = has.get(key, False) or permission in allowed
    for (job_name, permission, what), granted in has.items():
        if not granted:
            place = _place_of(subject, what)
            yield (
                f"{place}: job {job_name}: `{what.rstrip('@')}` needs the permission "
                f"`{permission}: write`; {GRANTING[permission]}"
            )


def _allowed(repository: Repository, file: str) -> set[str]:
    """The permissions to write of the only job of a called workflow. They come from the job or its
    workflow or, where both have none, from the jobs that call it."""
    workflow = repository.workflows[file]
    [job] = workflow.jobs.values()
    says = job.get("permissions", workflow.data.get("permissions"))
    given = (
        [says]
        if says is not None
        else [
            caller.jobs[name].get("permissions", {})
            for caller in repository.workflows.values()
            for name, called in caller.calls.items()
            if called == file
        ]
    )
    return {scope for one in given for scope, level in one.items() if level == "write"}


def _place_of(subject: Subject, text: str) -> str:
    for number, line in enumerate(subject.file.read_text(encoding="utf-8").splitlines(), 1):
        if text in line:
            return f"{subject.file.name}:{number}"
    return subject.file.name


# Running ---------------------------------------------------------------------------------------


@contextmanager
def any_action(repository: Repository) -> Iterator[None]:
    """Let the double accept actions that are not recorded. They do nothing."""
    known = dict(actions.recorded_inputs())
    for document in repository.documents.values():
        for step in document.steps:
            name = str(step.data.get("uses", "")).partition("@")[0].lower()
            inputs = step.data.get("with") or {}
            if name and not step.own_action and name not in action_inputs.recorded():
                known.setdefault(name, {})
                known[name] = {**known[name], **dict.fromkeys(inputs, False)}

    def stand_in(uses: str, folder: Path) -> Path:
        name, _, ref = uses.partition("@")
        if name.lower() not in known or not ref:
            raise NotModelledError(f"step uses: {uses}")
        return folder / name.lower().replace("/", "+")

    with (
        mock.patch.object(actions, "recorded_inputs", lambda: known),
        mock.patch.object(actions, "stand_in", stand_in),
    ):
        yield


def files_of(folder: Path | None, subject: Subject) -> dict[str, str]:
    """The files in the component's path: those of a folder, or empty files with the names by which
    components are found."""
    files = {"README.md": "Of no matter.\n"}
    if folder:
        for file in sorted(folder.rglob("*")):
            name = file.relative_to(folder).as_posix()
            if file.is_file() and not name.startswith((".git/", ".stubs/")):
                files[name] = file.read_text(encoding="utf-8")
        return files
    detect = subject.code_type.detect
    for pattern in detect.files if detect else ():
        files[re.sub(r"\[[^]]*\]|[*?]", "x", pattern)] = ""
    return files


def in_paths(files: Mapping[str, str], answers: Mapping[str, Any]) -> dict[str, str]:
    paths = [c["path"] for c in answers["components"].values()]
    return {f"{path}/{name}": text for path in paths for name, text in files.items()}


def run(
    subject: Subject, template: Path, folder: Path, cloud: str, files: Path | None, report: Report
) -> None:
    """Run a push and a pull request, with stubs."""
    answers = answers_for(subject, cloud, "call", False)
    github = start(template, folder, answers, in_paths(files_of(files, subject), answers))
    repository = Repository.read(github.remote.work_tree)
    text = "\n".join(repository.texts.values())
    secrets = dict.fromkeys(re.findall(r"secrets\.([A-Z][A-Z0-9_]*)", text), "secret")
    variables = dict.fromkeys(re.findall(r"\bvars\.([A-Z][A-Z0-9_]*)", text), "value")
    github.environments = {
        name: {"secrets": secrets, "vars": variables} for name in ("dev", "prd-plan", "registry")
    }
    github.secrets = secrets
    # Production would only deploy the same package again.
    github.forced_conclusions = {"orchestrator-prd.yml": "success"}
    github.tools.watch([], [STEP])
    code_type = subject.code_type
    leaves = {}
    for name, component in answers["components"].items():
        produces = tuple(component.get("produces", code_type.produces))
        if step := _step_ids(repository, f"{name}-build").get(code_type.jobs["build"].name):
            leaves[f"{name}-build / build"] = Leaves(component["path"], produces, step)
    stubs = files.resolve() / ".stubs" if files and (files / ".stubs").is_dir() else None
    commands = [*commands_of(subject.content), "ship"]
    machine = BareMachine(github, folder / "machine", commands, leaves, ONE_LINE, stubs)
    with any_action(repository), mock.patch.dict(os.environ, {"PATH": machine.path}):
        pushed = _runs(report, f"Push, {cloud}", lambda: github.push("main"))
        pulled = []
        if cloud == "none":
            github.remote.push("refs/heads/develop")
            pulled = _runs(report, "Pull request", lambda: github.pull_request("develop"))
    for what, runs in ((f"Push, {cloud}", pushed), ("Pull request", pulled)):
        for one in runs:
            tell_run(subject, github, one, what, report, recorded=cloud == "none")
    report.notes += [
        f"{_component(job)}: {product} was made by the check, because stubs make nothing"
        for job, product in machine.made
        if cloud == "none"
    ]


def _runs(report: Report, what: str, event: Any) -> list[Run]:
    try:
        return list(event())
    except NotModelledError as error:
        report.say(what, "not run")
        report.notes.append(f"{what}: the double of GitHub cannot run it: {error}")
        return []


def run_sample(
    subject: Subject, template: Path, folder: Path, sample: Path, report: Report
) -> None:
    """Run the checks and the build of a pull request with real tools."""
    answers = answers_for(subject, "none", "call", True)
    first = {PATH: answers["components"][PATH]}
    answers |= {"components": first, "dependency_map": {PATH: []}, "environments": [DEV]}
    github = start(template, folder, answers, in_paths(files_of(sample, subject), answers))
    with_the_machines_packages(github)
    github.job_limit = 1800
    github.path = github.path[1:2]
    own = str(toolbox.SCRIPTS)
    machine = [part for part in os.environ["PATH"].split(os.pathsep) if part != own]
    repository = Repository.read(github.remote.work_tree)
    path = os.pathsep.join([*machine, own])
    with any_action(repository), mock.patch.dict(os.environ, {"PATH": path}):
        for branch in ("main", "develop"):
            github.remote.push(f"refs/heads/{branch}")
        for one in _runs(report, "Sample", lambda: github.pull_request("develop")):
            tell_run(subject, github, one, "Sample", report, recorded=False)
            for name, files in sorted(one.packages.items()):
                held = ", ".join(sorted(f for f in files if not f.startswith(".package/")))
                report.lines.append(f"  {name} holds {held}")


def tell_run(
    subject: Subject, github: OfflineGitHub, one: Run, what: str, report: Report, recorded: bool
) -> None:
    """Report the commands of a run in their order, the calls of each, and what failed."""
    report.say(what, f"{one.conclusion}" + (f": {one.message}" if one.message else ""))
    if one.message:
        report.find([f"{subject.file.name}: {what}: {one.message}"])
    repository = Repository.read(github.remote.work_tree)
    for key in sorted((key for key in one.order if key.startswith(PATH)), key=_place):
        steps = _step_ids(repository, Path(one.jobs[key].workflow).stem)
        for name, step in steps.items():
            if command := subject.command_of(name):
                result = one.jobs[key].steps.get(name, "left out")
                report.lines.append(f"  {f'{_component(key)} {command}':<18} {result}")
                if recorded:
                    report.lines += [f"    {line}" for line in _calls(github, one, key, step)]
    for key, job in one.jobs.items():
        if job.result == "failure" and key in one.order and key.startswith(PATH):
            report.find(_failures(subject, key, job))
    if one.conclusion != "success" and not report.findings:
        report.find([f"{subject.file.name}: {what}: the run is {one.conclusion}"])


def _step_ids(repository: Repository, workflow: str) -> dict[str, str]:
    """The steps of a workflow with one job: the id that a runner gives to each, by its name."""
    document = repository.workflows.get(f"{WORKFLOWS}/{workflow}.yml")
    steps = document.steps if document else []
    return {step.name: str(step.data.get("id", number)) for number, step in enumerate(steps)}


def _place(key: str) -> tuple[str, bool]:
    """The key to sort jobs by component, the build first."""
    return _component(key), key.endswith(" / deploy")


def _component(key: str) -> str:
    """The component of a job: `part` for `part-build / build` and `part-dev / deploy`."""
    return key.partition(" / ")[0].rpartition("-")[0]


def _calls(github: OfflineGitHub, one: Run, key: str, step: str) -> list[str]:
    """The calls of a step, without the parts that differ from run to run."""

    def readable(argument: str, workspace: str) -> str:
        argument = TEMPORARY.sub("$RUNNER_TEMP", argument.replace(workspace, "$GITHUB_WORKSPACE"))
        argument = argument.replace(one.sha, "$COMMIT").replace(str(one.id), "$GITHUB_RUN_ID")
        argument = argument.replace("\n", "\\n")
        argument = argument if len(argument) <= 100 else f"{argument[:100]}..."
        return f"'{argument}'" if " " in argument or not argument else argument

    return [
        " ".join([call.tool, *(readable(a, call.workspace) for a in call.arguments)])
        for call in github.commands(None, f"^{re.escape(key)}$")
        if call.run == one.id and call.environment.get(STEP) == step
    ]


def _failures(subject: Subject, key: str, job: Job) -> Iterator[str]:
    """The failures of a job: a line for each step, with the line of the code type for a command."""
    steps = list(job.steps)
    for step, after in zip(steps, [*steps[1:], None], strict=True):
        if job.steps[step] == "failure":
            log = job.log.rpartition(f"##[group]Run {step}\n")[2]
            log = log.partition(f"##[group]Run {after}\n")[0] if after else log
            yield _failure(subject, key, step, log.splitlines())


def _failure(subject: Subject, key: str, step: str, log: list[str]) -> str:
    said = [line for line in log if line and not line.startswith(("##[group]", FAILED))]
    errors = [line.removeprefix("##[error]") for line in said if line.startswith("##[error]")]
    errors = [e for e in errors if not e.startswith("Process completed with exit code")]
    failed = [line.removeprefix(FAILED) for line in log if line.startswith(FAILED)]
    said = [line for line in said if not line.startswith("##[")]
    place = subject.line_of(failed[-1]) if failed and not errors else ""
    if left := re.search(r"the build did not write (\S+) in", "; ".join(errors)):
        place = _place_of(subject, left[1])
    cause = "; ".join(errors) or said[-1] if errors or said else "it ended with an error"
    if failed and not errors:
        cause = f"`{failed[-1]}` failed: {cause}"
    of_no_matter = r"/\S+/act/workflow/\S+: line \d+: |/\S*?/(?=part\b)|^[\w-]+-package-[\w-]+: "
    cause = re.sub(of_no_matter, "", cause)
    cause = TEMPORARY.sub("$RUNNER_TEMP", cause)
    command = subject.command_of(step)
    where = f"job {command}" if command else f"{key.rpartition(' ')[2]}, {step!r}"
    component = _component(key).removeprefix(PATH)
    where = f"{PATH}{component}, {where}" if component else where
    return f"{place or subject.file.name}: {where}: {cause}"


# The command -----------------------------------------------------------------------------------


def check(
    file: Path,
    files: Path | None = None,
    sample: Path | None = None,
    clouds: Sequence[str] = CLOUDS,
    orchestrations: Sequence[str] = ORCHESTRATIONS,
) -> Report:
    """Check a code type's file completely."""
    report = Report()
    try:
        subject = read(file)
    except AnswerError as error:
        report.say("Schema", "broken")
        report.find([str(error)])
        return report
    files = files or (SAMPLES / subject.name if (SAMPLES / subject.name).is_dir() else None)
    report.say("Schema", f"{file.name} is the code type {subject.name}: {subject.code_type.label}")
    report.find(unused(subject))
    with (
        tempfile.TemporaryDirectory(prefix="check.", ignore_cleanup_errors=True) as temporary,
        mock.patch.dict(os.environ, SAME_TIME),
    ):
        folder = Path(temporary).resolve()
        template = export_template(folder / "template")
        try:
            repositories = generate(subject, template, folder / "made", clouds, orchestrations)
        except Exception as error:  # an error of Copier, whose message is one line
            report.say("Generated", "broken")
            report.find([f"{file.name}: it cannot be generated: {' '.join(str(error).split())}"])
            return report
        number = len(clouds) * len(orchestrations)
        report.say(
            "Generated",
            f"{number} repositories ({len(clouds)} clouds, {len(orchestrations)} orchestrations), "
            f"{len(repositories)} of them different",
        )
        found = validate(repositories)
        lines = dict.fromkeys(told(subject, repositories, f) for f in found if f.rule not in NOTED)
        unrecorded = dict.fromkeys(f.message for f in found if f.rule in NOTED)
        report.notes += [
            f"{message}, so its inputs are not checked, and it does nothing in the run"
            for message in unrecorded
        ]
        permissions = list(lacking(subject, repositories))
        report.say("Validators", f"{', '.join(VALIDATORS)}: {len(lines) or 'nothing'} found")
        report.find([*lines, *permissions])
        if file.resolve().parent == OURS:
            # Tests that run all code types of the template accept recorded actions only.
            report.find(
                [
                    f"{message}: the tests need its record, see CONTRIBUTING.md"
                    for message in unrecorded
                ]
            )
        additions = [cloud for cloud in clouds if cloud in subject.code_type.clouds]
        for cloud in dict.fromkeys(["none", *additions]):
            run(subject, template, folder / f"run-{cloud}", cloud, files, report)
        if sample:
            run_sample(subject, template, folder / "sample", sample.resolve(), report)
    return report


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="dev.py check",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("code_type", metavar="CODE_TYPE")
    parser.add_argument("--files", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)
    parser.add_argument("--sample", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    for folder in (options.files, options.sample):
        if folder and not folder.is_dir():
            print(f"{folder}: is no folder", file=sys.stderr)
            return 2
    try:
        file = find_file(options.code_type)
    except AnswerError as error:
        print(error, file=sys.stderr)
        return 2
    report = check(file, options.files, options.sample)
    print(report)
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
