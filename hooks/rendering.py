"""Renders a version of the template with recorded answers, outside the repository."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class RenderError(Exception):
    """The template could not be rendered; the text is one line that says why."""


def render(answers: dict[str, Any], answers_file: str, target: Path) -> None:
    """Write what `copier copy` writes for recorded answers into an empty folder.

    The answers say which template and which version (`_src_path`, `_commit`). Tasks do not run.
    Raises RenderError.
    """
    import copier  # takes a second, and is seldom needed

    try:
        copier.run_copy(
            str(answers["_src_path"]),
            target,
            data={name: value for name, value in answers.items() if not name.startswith("_")},
            answers_file=answers_file,
            vcs_ref=answers.get("_commit"),
            defaults=True,
            unsafe=True,
            quiet=True,
            skip_tasks=True,
        )
    except Exception as error:  # whatever git, Copier, Jinja or an extension of that version raise
        raise RenderError(" ".join(str(error).split()) or type(error).__name__) from error
