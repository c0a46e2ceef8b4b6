"""The Jinja extension of this template: what copier.yml and the templates may call, by name.

The functions behind the names are in `pipeline/for_copier/`.

Copier loads this file again for each render: four times in one `copier update`, which runs the old
and the new version of the template in one process, each from its own clone. So this file loads the
package beside it by its path, under a name made from the content of the template's files. Another
version then has other modules, and the same version is loaded once.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import shlex
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from copier.errors import UserMessageError
from jinja2 import Environment, pass_context
from jinja2.ext import Extension
from jinja2.runtime import Context

HERE = Path(__file__).resolve().parent

MODULES = (
    "answers",
    "catalogue",
    "ci_cd_page",
    "errors",
    "github_settings",
    "printing",
    "recorded",
    "for_copier.checking",
    "for_copier.compiled",
    "for_copier.component_choices",
    "for_copier.given",
    "for_copier.memory",
    "for_copier.own_code_types",
    "for_copier.prompts",
    "for_copier.recording",
    "for_copier.refusals",
    "for_copier.rendering",
)
"""The modules of `pipeline` that are used here."""


LOCK = "copier_orchestrator_lock"
"""An entry of `sys.modules` that holds the lock of `loading`: each render loads this file again."""


def digest(template: Path) -> str:
    """A digest of all files of a template that decide what the package does or keeps."""
    files = [template / "copier.yml", *(template / "extensions").rglob("*.py")]
    for part in ("code_types", "clouds"):
        files += (template / part).rglob("*")
    found = hashlib.sha256()
    # An editor's lock file can be a link to nothing.
    for file in sorted(file for file in files if file.is_file()):
        content = file.read_bytes()
        found.update(f"{file.relative_to(template)} {len(content)}\n".encode() + content)
    return found.hexdigest()[:32]


def loading() -> threading.RLock:
    """The lock that lets one thread of the process load the package at a time."""
    lock: threading.RLock = sys.modules.setdefault(LOCK, ModuleType(LOCK)).__dict__.setdefault(
        "lock", threading.RLock()
    )
    return lock


def load_pipeline() -> ModuleType:
    """The package `pipeline` beside this file, with the modules that are used here."""
    with loading():
        return _load_once()


def _load_once() -> ModuleType:
    name = f"pipeline_{digest(HERE.parent)}"
    if getattr(sys.modules.get(name), "is_loaded", False):
        return sys.modules[name]
    for loaded in [m for m in [*sys.modules] if m == name or m.startswith(f"{name}.")]:
        del sys.modules[loaded]  # a load that failed halfway
    writes_none = sys.dont_write_bytecode
    # Copier deletes this clone of the template when it has rendered it.
    sys.dont_write_bytecode = True
    try:
        package = _load(name)
    finally:
        sys.dont_write_bytecode = writes_none
    package.is_loaded = True  # type: ignore[attr-defined]
    return package


def _load(name: str) -> ModuleType:
    """Import the package beside this file, and its modules, under a name of its own."""
    spec = importlib.util.spec_from_file_location(
        name, HERE / "pipeline" / "__init__.py", submodule_search_locations=[str(HERE / "pipeline")]
    )
    assert spec and spec.loader
    package = importlib.util.module_from_spec(spec)
    sys.modules[name] = package
    spec.loader.exec_module(package)
    for module in MODULES:
        importlib.import_module(f"{name}.{module}")
    return package


class Orchestrator(Extension):
    """The names of globals and filters, with the functions that they stand for."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.pipeline = load_pipeline()
        self.pipeline.for_copier.compiled.compile_once(environment)
        self.memory = self.pipeline.for_copier.memory.Memory(HERE.parent, environment)
        environment.globals.update(
            {name: self.with_given(function) for name, function in self.functions().items()},
            default_project_name=self.pipeline.answers.default_project_name,
            recorded=self.pipeline.for_copier.recording.recorded,
            ci_cd_page=self.pipeline.ci_cd_page.ci_cd_page,
            github_settings=self.pipeline.github_settings.github_settings,
            written=self.pipeline.recorded.written,
        )
        environment.filters.update(
            scalar=self.pipeline.printing.scalar,
            flow=self.pipeline.printing.flow,
            command=self.pipeline.printing.command,
            shell=shlex.quote,
            listed=self.pipeline.errors.listed,
        )

    def functions(self) -> dict[str, Callable[..., Any]]:
        """The functions that take what Copier knows at the moment of the call, by their names."""
        parts = self.pipeline.for_copier
        choices, prompts = parts.component_choices, parts.prompts
        own_code_types, recording = parts.own_code_types, parts.recording
        return {
            # In templates
            "plan": parts.rendering.plan,
            # In copier.yml, in its order
            "files_match_plan": parts.checking.files_match_plan,
            "needs_migration": parts.checking.needs_migration,
            "check_answers": parts.refusals.check_answers,
            "problem_with": prompts.problem_with,
            "ask_for_code_types_folder": own_code_types.ask_for_code_types_folder,
            "default_code_types_folder": own_code_types.default_code_types_folder,
            "read_code_types_folder": own_code_types.read_code_types_folder,
            "outdated_own_code_types": own_code_types.outdated_own_code_types,
            "parts_help": choices.parts_help,
            "ask_for_parts": choices.ask_for_parts,
            "part_choices": choices.part_choices,
            "default_parts": choices.default_parts,
            "images_help": choices.images_help,
            "ask_for_images": choices.ask_for_images,
            "problem_with_images": choices.problem_with_images,
            "ask_to_adjust": choices.ask_to_adjust,
            "meaning_of_accept": choices.meaning_of_accept,
            "why_not_rename": choices.why_not_rename,
            "problem_with_new_names": choices.problem_with_new_names,
            "answer_from_prompts": choices.answer_from_prompts,
            "outdated_answer": choices.outdated_answer,
            "code_type_choices": prompts.code_type_choices,
            "answer_type": prompts.answer_type,
            "ask_for_yaml": prompts.ask_for_yaml,
            "yaml_to_edit": choices.yaml_to_edit,
            "why_impossible": prompts.why_impossible,
            "first_possible": prompts.first_possible,
            "default_branch_of_repository": prompts.default_branch_of_repository,
            "ask_for_environments": prompts.ask_for_environments,
            "proposed_branching": prompts.proposed_branching,
            "environments_help": prompts.environments_help,
            "ask_to_confirm_environments": prompts.ask_to_confirm_environments,
            "default_environments": prompts.default_environments,
            "proposed_cloud": prompts.proposed_cloud,
            "ask_for_registry": prompts.ask_for_registry,
            "runner_type": prompts.runner_type,
            "find_unmatched": recording.find_unmatched,
            "outdated_unmatched": recording.outdated_unmatched,
        }

    def with_given(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A global that calls the function with what Copier knows at that moment.

        Copier shows a UserMessageError in one line, and any other exception as a traceback.
        """
        given = self.pipeline.for_copier.given.Given
        answer_error: type[Exception] = self.pipeline.errors.AnswerError

        @pass_context
        def call(context: Context, *arguments: str) -> Any:
            try:
                return function(given(context, self.memory), *arguments)
            except answer_error as error:
                raise UserMessageError(str(error)) from None

        return call
