"""Why a copy or an update stops before anything is written, each time with one line."""

from __future__ import annotations

import pickle
import sys
import tempfile
from pathlib import Path
from typing import Any

from copier.errors import UserMessageError

from .. import destination
from ..answers import GONE, OWN_TYPES, check_alone, check_removed
from ..errors import AnswerError, shown
from ..questions import DEFAULTS
from ..recorded import edited, undecided
from ..repository_history import is_committed, merged_versions, root_above
from .given import Given
from .own_code_types import tell_missing_folder, with_own_code_types
from .proposals import proposed_answers
from .rendering import overwritten_files, plan


def check_answers(given: Given, when: str) -> str:
    """Stop where an answer is wrong. Raises AnswerError or UserMessageError.

    `first`: before the first question, what `--data`, `--data-file` and the answers file say.
    For a wrong one, Copier would end with a traceback; a stored one it would forget silently.
    `last`: all answers together, and the files of the destination.
    """
    # Copier asks several times in a row whether to show a question.
    known = pickle.dumps((when, given.repository, given.stored_text, given.data, given.answers))
    if known not in given.memory.accepted:
        _check_last(given) if when == "last" else _check_first(given)
        given.memory.accepted.add(known)
    return ""


def _check_last(given: Given) -> None:
    plan(given)
    check_removed(given.stored, given.answers)
    _check_kept(given)
    _check_destination(given)


def _check_first(given: Given) -> None:
    _check_root(given)
    _check_answers_file(given)
    _check_unedited(given)
    _tell_former_answers(given)
    try:
        _check_given(given)
    except AnswerError as error:
        raise UserMessageError(f"{error}{_way_out(given, error.answer)}") from None


def _check_given(given: Given) -> None:
    """Refuse what `--data`, `--data-file` and the answers file say. Raises AnswerError."""
    answers, memory = _known_answers(given), given.memory
    tell_missing_folder(given, answers)
    if answers and given.takes_defaults:
        memory.read_answers({**proposed_answers(given), **answers})
        return
    # The other questions are still open, so these answers may name things that come later.
    own = {name: answers[name] for name in OWN_TYPES if name in answers}
    check_alone({**given.data, **own}, memory.catalogue)
    # Copier would not show a wrong stored answer at its prompts, and would not say so.
    if given.stored and memory.problem_of(given.stored):
        memory.read_answers(answers)


def _check_root(given: Given) -> None:
    """Refuse a subfolder of a repository: GitHub reads no workflow there.

    If the folder has pipelines from an earlier copy, there is only a message: something else may
    use them.
    """
    root = root_above(given.repository)
    # The temporary folders of an update may lie in the repository as well.
    if not root or Path(tempfile.gettempdir()).resolve().is_relative_to(root):
        return
    line = destination.about_subfolder(given.repository, root)
    if not given.stored:
        raise UserMessageError(line)
    given.memory.tell(line)


def _check_answers_file(given: Given) -> None:
    """Refuse an answers file of another template: Copier overwrites it without asking."""
    source = given.context["_copier_answers"].get("_src_path")
    destination.check_answers_file(given.answers_file, given.stored_content, source)


def _check_unedited(given: Given) -> None:
    """Refuse an update when recorded answers were edited: it would change nothing."""
    if not given.is_update:
        return
    file, text = given.answers_file, given.stored_text
    names = edited(text, DEFAULTS)
    if names and is_committed(given.repository, file, text):
        names = undecided(text, DEFAULTS, merged_versions(given.repository, file), "HEAD")
    if names:
        raise UserMessageError(
            f"{', '.join(names)}: edited by hand in {file}, so an update would not apply it; "
            f"restore the old answer, and update with --data {names[0].split('.')[0]}=... "
            "instead (or use the file as it is with `copier recopy`)"
        )


def _tell_former_answers(given: Given) -> None:
    """Say which recorded answers belong to older versions and are no longer used."""
    # An update hands the stored answers to a second render, as data.
    answers = given.stored if given.is_update else given.merged
    for name, why in GONE.items():
        if name in answers:
            given.memory.tell(f"{name}: is no answer any more; {why}")


def _check_kept(given: Given) -> None:
    """Refuse if Copier has taken the default instead of a stored or given answer.

    Copier does so silently if it finds a stored answer wrong.
    """
    if not given.takes_defaults:
        return
    final, before, memory = given.answers, _known_answers(given), given.memory
    for name in DEFAULTS:
        if name == "unmatched" or name not in before or name not in final:
            continue
        kept = {**final, name: before[name]}
        if before[name] == final[name] or memory.problem_of(kept):
            continue
        if memory.read_answers(kept) != memory.read_answers(final):
            value = shown(before[name])
            way_out = _way_out(given, name)
            raise UserMessageError(
                f"{name}: {value} is an answer that Copier does not accept{way_out}"
            )


def _check_destination(given: Given) -> None:
    """Refuse files that would stop Copier after it has written others.

    Copier asks for each file that differs at a terminal, and does not ask with `--overwrite` (as
    in every update).
    """
    planned, settings, repository = plan(given), given.settings, given.repository
    destination.check_folders([*planned.files, given.answers_file], repository)
    if settings["overwrite"] or (sys.stdin and not sys.stdin.closed and sys.stdin.isatty()):
        return
    differing = [
        path
        for path, content in overwritten_files(given)
        if destination.differs(repository / path, content)
        and not destination.is_skipped(path, settings["skip_if_exists"], settings["exclude"])
    ]
    components = {one.name: one.code_type.name for one in planned.answers.components}
    free = destination.free_names(differing, repository, planned.files, components)
    recorded = bool(given.stored)
    message = destination.about_differing_files(
        differing, repository, given.answers_file, recorded, free
    )
    if message:
        raise UserMessageError(message)


def _known_answers(given: Given) -> dict[str, Any]:
    """The stored and given answers, with the code types that the folder holds now.

    Raises AnswerError.
    """
    return with_own_code_types(given, given.merged)


def _way_out(given: Given, answer: str) -> str:
    """What to do about a recorded answer that is wrong."""
    file = given.answers_file
    if given.is_update and "_commit" in given.data:
        # The old tree is rendered from the recorded answers, which were right at that time.
        return f"; it was edited by hand in {file}: restore the old answer"
    if answer not in given.stored or answer in given.data:
        return ""
    if answer not in DEFAULTS:
        return f"; it is recorded in {file}: delete it there"
    return (
        f"; it is recorded in {file}: {_restore_first(given)}give another with --data {answer}=..."
    )


def _restore_first(given: Given) -> str:
    """What to do before the next attempt: Copier updates only a repository without changes.

    A migration leaves a change in the answers file.
    """
    file, text = given.answers_file, given.stored_text
    if not given.is_update or not text or is_committed(given.repository, file, text):
        return ""
    return f"`git restore {file}`, and "
