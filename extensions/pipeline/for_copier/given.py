"""What Copier knows when it calls us: the answers so far, `--data`, the answers file."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from copier.errors import UserMessageError
from jinja2.runtime import Context

from ..choosing import PROMPTS
from ..questions import DEFAULTS
from . import copier_internals
from .memory import Memory


class Given:
    """Copier's context, when it calls one of our functions."""

    def __init__(self, context: Context, memory: Memory) -> None:
        self.context = context
        self.memory = memory

    # Copier's settings ---------------------------------------------------------------------

    @functools.cached_property
    def settings(self) -> Mapping[str, Any]:
        """Copier's settings: see `_copier_conf` in its documentation."""
        settings: Mapping[str, Any] = self.context["_copier_conf"]
        return settings

    @functools.cached_property
    def is_update(self) -> bool:
        """Whether this render is part of a `copier update`."""
        return copier_internals.is_update()

    @property
    def takes_defaults(self) -> bool:
        """Whether Copier asks nothing, as with `--defaults`."""
        return bool(self.settings["defaults"])

    @functools.cached_property
    def repository(self) -> Path:
        """The folder that Copier writes to. An update writes to temporary folders as well."""
        return Path(self.settings["dst_path"])

    @functools.cached_property
    def answers_file(self) -> str:
        """The name of the answers file."""
        return Path(self.settings["answers_file"]).as_posix()

    # Answers -------------------------------------------------------------------------------

    @functools.cached_property
    def data(self) -> dict[str, Any]:
        """The answers of `--data` and `--data-file`.

        An update hands on what was answered at its prompts in the same way.
        """
        prompts = PROMPTS if self.is_update else ()
        return {k: v for k, v in dict(self.settings["data"]).items() if k not in prompts}

    @functools.cached_property
    def stored_text(self) -> str:
        """The text of the answers file in the destination; empty if there is none."""
        file = self.repository / self.answers_file
        try:
            return file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise self._unreadable(error) from None

    @functools.cached_property
    def stored_content(self) -> Any:
        """What the answers file holds, whatever it is; None if there is none."""
        try:
            return self.memory.parse_yaml(self.stored_text)
        except yaml.YAMLError as error:
            raise self._unreadable(error) from None

    @functools.cached_property
    def stored(self) -> dict[str, Any]:
        """The answers in the answers file."""
        content = self.stored_content
        return dict(content) if isinstance(content, dict) else {}

    @functools.cached_property
    def merged(self) -> dict[str, Any]:
        """The stored answers, changed by `--data` and `--data-file`.

        A stored list of environments is left out where `--data` chooses a branching.
        """
        answers = {**self.stored, **self.data}
        if "environments" not in self.data and self.data.get("branching", "custom") != "custom":
            answers.pop("environments", None)  # see `prompts.ask_for_environments`
        return answers

    @property
    def answers(self) -> dict[str, Any]:
        """The answers so far, without those that are Copier's own."""
        return {name: self.context[name] for name in DEFAULTS if name in self.context}

    def answers_before(self, question: str) -> dict[str, Any]:
        """The answers to the questions before this one."""
        names = list(DEFAULTS)
        before = names[: names.index(question)]
        return {name: self.context[name] for name in before if name in self.context}

    def would_ask(self, question: str) -> bool:
        """Whether Copier would ask a person this question at all."""
        answered = self.settings["skip_answered"] and question in self.stored
        return not (self.takes_defaults or answered or question in self.data)

    def _unreadable(self, error: Exception) -> UserMessageError:
        why = " ".join(str(error).split())
        return UserMessageError(f"{self.settings['answers_file']}: cannot be read: {why}")
