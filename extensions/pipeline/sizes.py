"""An estimate of how large workflow files become, because GitHub reads none above a limit."""

from __future__ import annotations

from .components import Component
from .errors import AnswerError
from .limits import VARIABLE_BYTES, WORKFLOW_FILE_BYTES
from .orchestrators import OrchestratorWorkflow
from .steps import Command


def check_commands_size(component: Component, file: str, commands: tuple[Command, ...]) -> None:
    """Refuse commands that are too long for GitHub. Raises AnswerError."""
    # Each line is indented by ten characters; all else is small.
    size = 4_000 + sum(len(command.text) + 10 * command.text.count("\n") for command in commands)
    if size > WORKFLOW_FILE_BYTES:
        raise AnswerError(
            f"components.{component.name}",
            f"{file} would have about {size // 1024} KB, and GitHub reads at most "
            f"{WORKFLOW_FILE_BYTES // 1024} KB; put its commands into a script",
        )


def check_orchestrator_size(workflow: OrchestratorWorkflow) -> None:
    """Refuse an orchestrator that GitHub or its runner could not read. Raises AnswerError."""
    longest = max(len(workflow.graph), len(workflow.watched))
    if longest > VARIABLE_BYTES:
        raise AnswerError(
            "dependency_map",
            f"the graph of {workflow.file} has {longest // 1024} KB, and a variable at most "
            f"{VARIABLE_BYTES // 1024} KB; drop edges that others imply, or shorten names",
        )
    size = orchestrator_size(workflow)
    if size > WORKFLOW_FILE_BYTES:
        raise AnswerError(
            "dependency_map",
            f"{workflow.file} would have about {size // 1024} KB, and GitHub reads at most "
            f"{WORKFLOW_FILE_BYTES // 1024} KB; drop edges that others imply, or set "
            "`on_failure: downstream`",
        )


def orchestrator_size(workflow: OrchestratorWorkflow) -> int:
    """About how large the file is, in bytes, within a tenth: its lines, one kind at a time."""
    size = 1_900 + len(workflow.graph)
    if workflow.watched:
        size += 450 + len(workflow.watched)
    size += sum(8 + len(wave) for wave in workflow.wave_lines)
    size += sum(2 + len(job) for job in workflow.summary_needs)
    if workflow.predecessor:
        guards = 2 if workflow.runs_in == "events" else 1
        size += 550 + guards * sum(7 + len(line) for line in workflow.changes.guard)
    if workflow.approval:
        size += 700
    for promotion in workflow.changes.promotions:
        size += 380 + 5 * len(promotion.producer) + len(promotion.environments)
    for call in (*workflow.builds, *workflow.plans, *workflow.deployments):
        size += 90 + len(call.id) + len(call.file) + len(call.condition)
        size += sum(2 + len(need) for need in call.needs)
        size += sum(9 + len(s) + len(call.reasons.get(s, "")) for s in call.permissions)
        size += sum(10 + len(name) + _length(value) for name, value in call.inputs.items())
        size += sum(26 + 2 * len(secret) for secret in call.secrets)
    size += sum(410 + 5 * len(name) for name in workflow.only_promoted)
    for start in workflow.starts:
        size += 530 + 5 * len(start.id) + sum(2 + len(need) for need in start.needs)
        size += sum(9 + len(line) for line in start.packages) + len(start.condition)
        if start.group:
            size += 150 + len(start.group)
    return size


def _length(value: object) -> int:
    return sum(len(line) + 9 for line in value) if isinstance(value, tuple) else len(str(value))
