"""Copies of the template, made in this process: an import of Copier takes a second, a copy 0.1 s.

A run of the tests makes hundreds of copies. Work that is the same for all of them is done once (see
`cache_what_repeats`), and the hook runs in this process too. `copier_process` runs Copier
unchanged.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import copier
import copier._main
import copier._template
import copier._user_data
import copier._vcs
import yaml
from copier._jinja_ext import SandboxedEnvironment
from copier_template_extensions import TemplateExtensionLoader
from jinja2 import Environment
from pipeline.written_files import differences, report
from toolbox import EXAMPLES, ROOT, script

Copied = Callable[[Mapping[str, Any]], Path]
"""The type of the fixture `copied`: a function from answers to a copy that is made once."""

Once = Callable[[object, Callable[[Path], object]], Path]
"""The type of the fixture `once`: a function from a key, and a function that makes a folder, to the
folder."""

TEMPLATE_PARTS = ("copier.yml", "clouds", "code_types", "extensions", "hooks", "macros", "template")
"""The parts of this repository that Copier reads."""


def export_template(folder: Path) -> Path:
    """The template of the work tree without git, so that Copier does not clone it."""
    for part in TEMPLATE_PARTS:
        source, target = ROOT / part, folder / part
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    return folder


def cache_what_repeats() -> None:
    """Do once the work that Copier repeats for each copy.

    For each copy, Copier compiles each template and each default, loads the template's Python,
    reads copier.yml and asks git whether the template is a bundle. This is most of the time of a
    copy.

    The results depend only on the texts, on the template's folder, and on the settings of Jinja's
    environment, which the template sets.
    """
    # For each file that it writes, Copier asks git for a setting that exists on Windows only.
    copier._main.is_git_available = lambda: False

    copier._vcs.is_git_bundle = functools.cache(copier._vcs.is_git_bundle)

    read_anew = copier._template.load_template_config
    read: dict[bytes, dict[str, Any]] = {}

    def load(conf_path: Path, quiet: bool = False) -> dict[str, Any]:
        text = conf_path.read_bytes()
        if b"!include" in text:
            return read_anew(conf_path, quiet)
        if text not in read:
            read[text] = read_anew(conf_path, quiet)
        return deepcopy(read[text])

    copier._template.load_template_config = load

    loaded: dict[Path, tuple[bytes, ModuleType]] = {}
    compiled: dict[tuple[Any, ...], CodeType] = {}
    compile_anew = Environment.compile

    def compile_of(self: Environment, source: str, *names: Any, **more: Any) -> Any:
        source = self.preprocess(source, *names)  # starts Copier's `yield` anew, every time
        template = Path(self.loader.searchpath[0])  # type: ignore[union-attr]
        # The same template in two places is compiled once. The place is for tracebacks only.
        code = loaded[template][0] if template in loaded else template
        settings = code, self.block_start_string, *sorted(self.filters)
        key = (source, names[:1], tuple(more.items()), settings)
        if key not in compiled:
            compiled[key] = compile_anew(self, source, *names, **more)
        return compiled[key]

    SandboxedEnvironment.compile = compile_of  # type: ignore[method-assign,assignment]

    cache_rendering()
    copier._user_data.AnswersMap.combined = property(combined)  # type: ignore[assignment]

    load_anew = TemplateExtensionLoader._import_template_module

    def extension(self: TemplateExtensionLoader, path: str | Path) -> ModuleType:
        template = Path(self.environment.loader.searchpath[0])  # type: ignore[union-attr]
        digest = digest_of_code(template)
        if loaded.get(template, (b"",))[0] != digest:
            loaded[template] = (digest, with_one_pipeline(load_anew(self, path)))
        return loaded[template][1]

    TemplateExtensionLoader._import_template_module = extension  # type: ignore[method-assign]


def combined(self: copier._user_data.AnswersMap) -> dict[str, Any]:
    """The same as Copier's, which looks each answer up in seven places, again for each question."""
    return {
        **copier._user_data.DEFAULT_DATA,
        "_external_data": self.external,
        **self.user_defaults,
        **self.last,
        **self.metadata,
        **self.init,
        **self.user,
    }


def is_plain(environment: Environment, text: Any) -> bool:
    """Whether Jinja leaves a text as it is, because there is nothing to fill in."""
    starts = ("block_start_string", "variable_start_string", "comment_start_string")
    return (
        isinstance(text, str)
        and not text.endswith("\n")
        and "\r" not in text
        and not any(getattr(environment, start) in text for start in starts)
    )


def cache_rendering() -> None:
    """Do once the work that Copier repeats for each part of a path.

    For each part of each path, Copier combines all answers, and renders the name of the answers
    file too. This was half of the time of a copy.
    """
    worker, question = copier._main.Worker, copier._user_data.Question
    context_anew, render_anew = worker._render_context, worker._render_template
    string_anew, value_anew = worker._render_string, question.render_value
    answers_file_anew = worker.answers_relpath.fget  # type: ignore[attr-defined]
    contexts: dict[int, dict[str, Any]] = {}

    def render(self: copier._main.Worker) -> None:
        """All questions are answered by now, so all templates get the same context."""
        contexts[id(self)] = dict(context_anew(self))
        try:
            render_anew(self)
        finally:
            del contexts[id(self)]

    def context(self: copier._main.Worker) -> dict[str, Any]:
        return {**(contexts.get(id(self)) or context_anew(self))}

    def answers_file(self: copier._main.Worker) -> Path:
        path = self.answers_file or self.template.answers_relpath
        if not is_plain(self.jinja_env, str(path)):
            return answers_file_anew(self)
        self.jinja_env.preprocess(str(path))  # starts Copier's `yield` anew
        return Path(path)

    def string(self: copier._main.Worker, text: str, *more: Any, **context: Any) -> str:
        if not is_plain(self.jinja_env, text):
            return string_anew(self, text, *more, **context)
        self.jinja_env.preprocess(text)
        return text

    def value(self: copier._user_data.Question, text: Any, *more: Any, **context: Any) -> Any:
        return text if is_plain(self.jinja_env, text) else value_anew(self, text, *more, **context)

    worker._render_template, worker._render_context = render, context  # type: ignore[method-assign]
    worker._render_string = string  # type: ignore[method-assign]
    worker.answers_relpath = property(answers_file)  # type: ignore[method-assign,assignment]
    question.render_value = value  # type: ignore[method-assign]


digests: dict[Path, tuple[list[tuple[str, int, int]], bytes]] = {}
"""For each template: the times and sizes of its files, and their digest."""


def digest_of_code(template: Path) -> bytes:
    """A digest of the template's Python, and of the files of the template that it reads.

    Each copy asks for it, so files are read again only if one was written since."""
    files = []
    for part in ("extensions", "code_types", "clouds"):
        for folder, folders, names in os.walk(template / part):
            folders[:] = sorted({*folders} - {"__pycache__"})
            for path in (f"{folder}/{name}" for name in sorted(names)):
                state = os.stat(path)  # noqa: PTH116
                files.append((path, state.st_mtime_ns, state.st_size))
    if template not in digests or digests[template][0] != files:
        digest = hashlib.sha256()
        for file in (Path(path) for path, _, _ in files):
            name = file.relative_to(template)
            digest.update(f"{name}\0".encode() + file.read_bytes() + b"\0")
        digests[template] = files, digest.digest()
    return digests[template][1]


def with_one_pipeline(module: ModuleType) -> ModuleType:
    """The module of the extension, which loads the pipeline and its code types once.

    Each render still has an `Orchestrator` of its own.
    """
    load_anew = module.load_pipeline

    @functools.cache
    def load() -> ModuleType:
        package: ModuleType = load_anew()
        package.catalogue.load_catalogue = functools.cache(package.catalogue.load_catalogue)
        return package

    module.load_pipeline = load  # type: ignore[attr-defined]
    return module


cache_what_repeats()


def read_yaml_quickly() -> None:
    """Let `yaml.safe_load` use libyaml, which is ten times as fast as PyYAML's own parser.

    PyYAML's own parser reads a text with errors again, so the messages are its own."""
    read_anew = yaml.safe_load

    def safe_load(stream: Any) -> Any:
        text = stream.read() if hasattr(stream, "read") else stream
        try:
            return yaml.load(text, Loader=yaml.CSafeLoader)
        except yaml.YAMLError:
            return read_anew(text)

    yaml.safe_load = safe_load


read_yaml_quickly()


def load_hook() -> ModuleType:
    """hooks/check_written.py as a module, which reads the catalogue once."""
    file = ROOT / "hooks" / "check_written.py"
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.load_catalogue = functools.cache(module.load_catalogue)  # type: ignore[attr-defined]
    return module


HOOK = load_hook()


def copy(
    template: Path, destination: Path, answers: Mapping[str, Any], without: Sequence[str] = ()
) -> Path:
    """`copier copy --defaults --trust` with these answers; returns the destination.

    Files that match a pattern of `without` are left out, so the copy is not checked.
    """
    # A template in git may have another version of the hook, so Copier runs the hook there.
    here = not (template / ".git").exists()
    copier.run_copy(
        str(template),
        destination,
        data=dict(answers),
        defaults=True,
        unsafe=True,
        quiet=True,
        overwrite=True,
        skip_tasks=here,
        exclude=without,
    )
    if here and not without:
        plan = HOOK.read_plan(destination / ".copier-answers.yml")
        assert differences(plan, destination, ".copier-answers.yml") == []
        assert report(plan)
    return destination


def copier_process(
    template: Path, destination: Path, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Runs the real command as people do, but without a terminal."""
    command = [script("copier"), "copy", "--trust", "--defaults", *arguments]
    return subprocess.run(
        [*command, str(template), str(destination)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        timeout=60,
    )


def copier_command(
    template: Path, destination: Path, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """The same in a forked process that has imported Copier (not on Windows): see forked.py."""
    if os.name == "nt":
        return copier_process(template, destination, *arguments)
    import forked

    command = ["copier", "copy", "--trust", "--defaults", *arguments]
    return forked.run([*command, str(template), str(destination)])


def example(name: str) -> dict[str, Any]:
    """The answers of `examples/{name}.yml`."""
    data = yaml.safe_load((EXAMPLES / f"{name}.yml").read_text(encoding="utf-8"))
    assert isinstance(data, dict)
    return data


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its relative path, without git's own."""
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and ".git" not in file.relative_to(folder).parts
    }
