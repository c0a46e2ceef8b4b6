"""The answers about code types in a folder of the repository."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from copier.errors import UserMessageError

from .. import own_types
from ..answers import parsed
from ..code_type_model import CodeType
from ..errors import AnswerError
from .given import Given


def ask_for_code_types_folder(given: Given) -> bool:
    """Whether there is a prompt for the folder: an answer names one, or the usual one exists."""
    return bool(given.merged.get("code_types_folder") or default_code_types_folder(given))


def default_code_types_folder(given: Given) -> str:
    """The usual folder of own code types, if the repository has it."""
    return own_types.usual_folder(given.repository)


def read_code_types_folder(given: Given) -> str:
    """The content of the code types in the folder, as YAML: the answer `own_code_types`.

    An update renders the old and the new tree in temporary folders without the repository's files.
    There the recorded content counts.
    """
    own = with_own_code_types(given, _so_far(given)).get("own_code_types", {})
    return str(yaml.safe_dump(own, allow_unicode=True))


def outdated_own_code_types(given: Given) -> str:
    """`outdated` if the recorded content is not the content of the folder; else an empty text.

    Copier drops a recorded answer if its validator returns a text, and takes the default. It would
    end with a traceback for an answer of `--data`, so `check_answers` checks those.
    """
    if "own_code_types" in given.data:
        return ""
    same = given.context["own_code_types"] == yaml.safe_load(read_code_types_folder(given))
    return "" if same else "outdated"


def with_own_code_types(given: Given, answers: dict[str, Any]) -> dict[str, Any]:
    """These answers, with the present content of the folder. Raises AnswerError."""
    named = answers.get("code_types_folder", default_code_types_folder(given))
    folder = own_types.check_folder(named)
    if not folder:
        kept = "own_code_types" in given.data
        return {k: v for k, v in answers.items() if k != "own_code_types" or kept}
    # The recorded content of another folder does not count.
    same = "own_code_types" in given.data or given.stored.get("code_types_folder") == named
    recorded = same and answers.get("own_code_types")
    if recorded and not own_types.exists(given.repository, folder):
        return {**answers, "code_types_folder": folder}
    own = own_types.read_folder(given.repository, folder)
    if parsed("own_code_types", given.data.get("own_code_types", own)) != own:
        raise AnswerError(
            "own_code_types",
            f"it differs from the files in {folder}, which are read anyway; leave it out",
        )
    return {**answers, "code_types_folder": folder, "own_code_types": own}


def problem_of_folder(given: Given, folder: str) -> str:
    """What is wrong with the code types in a folder, or nothing."""
    try:
        answers = with_own_code_types(given, {"code_types_folder": folder})
    except AnswerError as error:
        return str(error)
    return given.memory.problem_of(answers, "own_code_types")


def tell_missing_folder(given: Given, answers: Mapping[str, Any]) -> None:
    """If the folder is missing, say that the recorded code types are used."""
    folder = answers.get("code_types_folder")
    if not folder or not given.stored.get("own_code_types"):
        return
    if not own_types.exists(given.repository, folder):
        given.memory.tell(
            f"code_types_folder: {folder} is gone, so the recorded content of its code "
            "types is used; restore it, or drop them by --data code_types_folder="
        )


def answered_code_types(given: Given) -> Mapping[str, CodeType]:
    """The template's code types and the repository's own, as they were answered so far."""
    folder = given.context.get("code_types_folder", "")
    own = given.context.get("own_code_types", {})
    try:
        return own_types.with_own(given.memory.catalogue, folder, own).code_types
    except AnswerError as error:
        raise UserMessageError(str(error)) from None


def present_code_types(given: Given) -> Mapping[str, CodeType]:
    """The template's code types and the repository's own, as its folder holds them now.

    Raises AnswerError.
    """
    answers = with_own_code_types(given, _so_far(given))
    folder = own_types.check_folder(answers.get("code_types_folder", ""))
    own = answers.get("own_code_types", {})
    return own_types.with_own(given.memory.catalogue, folder, own).code_types


def _so_far(given: Given) -> dict[str, Any]:
    """The stored and given answers, with the folder that was chosen by now."""
    answers = dict(given.merged)
    if "code_types_folder" in given.context:
        answers["code_types_folder"] = given.context["code_types_folder"]
    return answers
