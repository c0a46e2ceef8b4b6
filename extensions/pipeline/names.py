"""Rules for everything that a person names: components, environments, variables, paths."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from .errors import AnswerError, nearest, shown, yaml_surprise

NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*([_-][A-Za-z0-9]+)*")
"""A name is part of file names, job ids and artifact names, so only these characters are safe.

GitHub: "job_id ... must start with a letter or _ and contain only alphanumeric characters, -, or
_" (workflow syntax, jobs.<job_id>).
"""

PATH_LENGTH = 200
"""The longest path, in characters. On Windows 260 fit, with the folder of the clone."""

NAME_LENGTH = 40
"""The longest name. A file name of two names is far below every limit, and readable."""

ENVIRONMENT_FOLDER = "{environment}"
"""What stands for an environment's name in a path."""

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

EXPRESSION = "${{"
"""What starts an expression in a workflow: GitHub evaluates it before any shell sees it."""


def check_name(name: object, place: str) -> str:
    """The name, when it is a safe slug. Raises AnswerError."""
    if not isinstance(name, str):
        cause = f"the name {shown(name)} is not text{yaml_surprise(name)}"
        raise AnswerError(place, cause)
    if len(name) > NAME_LENGTH:
        cause = (
            f"the name {shown(name)} has {len(name)} characters; at most {NAME_LENGTH} are allowed"
        )
        raise AnswerError(place, cause)
    if not NAME.fullmatch(name):
        cause = (
            f"{shown(name)} is not a safe name; use letters, digits and single - or _ between "
            "them, a letter first"
        )
        raise AnswerError(place, cause)
    return name


def check_variable(name: str, place: str) -> str:
    """The name of an environment variable or secret. Raises AnswerError."""
    if not VARIABLE.fullmatch(name):
        cause = f"{shown(name)} is not a variable's name; use letters, digits and _, no digit first"
        raise AnswerError(place, cause)
    if name.upper().startswith(("GITHUB_", "RUNNER_")):
        # "Secret names must not start with the GITHUB_ prefix"; variables would overwrite the
        # runner's own (GitHub: "Default environment variables").
        raise AnswerError(place, f"{name!r} is reserved by GitHub; choose another name")
    return name


def check_path(path: str, place: str) -> str:
    """A path inside the repository: relative, with /, normalised. Raises AnswerError."""
    if len(path) > PATH_LENGTH:
        cause = f"{shown(path)} has {len(path)} characters; at most {PATH_LENGTH} are allowed"
        raise AnswerError(place, cause)
    if not path.strip() or not path.isprintable():
        raise AnswerError(place, f"{shown(path)} is not a path; use printable characters")
    if EXPRESSION in path:
        raise AnswerError(place, f"{shown(path)} holds an expression; write the path itself")
    if "\\" in path:
        raise AnswerError(place, f"{shown(path)} has a backslash; write folders with /")
    if match := re.search(r"[<>:\"|?*`]", path.replace(":", "", path[1:2] == ":")):
        cause = f"{shown(path)} has a {match[0]}, which no file can have on Windows"
        cause += "; write the path without it"
        raise AnswerError(place, cause)
    if path.startswith(("/", "~")) or re.match(r"[A-Za-z]:", path):
        cause = f"{shown(path)} is absolute; write it relative to the repository's root"
        raise AnswerError(place, cause)
    pure = PurePosixPath(path)
    if ".." in pure.parts:
        raise AnswerError(place, f"{shown(path)} leaves the repository; write it without ..")
    if pure.parts and pure.parts[0].lower() == ".git":
        raise AnswerError(place, f"{shown(path)} lies in git's own folder; choose another")
    if any(part.startswith("-") for part in pure.parts[:1]):
        cause = f"{shown(path)} starts with -, which commands read as an option; rename it"
        raise AnswerError(place, cause)
    return str(pure)


def check_environment_path(path: str, place: str) -> str:
    """A path in which {environment} may stand for an environment's name. Raises AnswerError."""
    path = check_path(path, place)
    for other in re.findall(r"(?<!\{)\{env[\w-]*\}(?!\})", path, re.IGNORECASE):
        if other != ENVIRONMENT_FOLDER:
            cause = f"{shown(path)} has {other}; write {ENVIRONMENT_FOLDER}"
            raise AnswerError(place, cause)
    if path.count(ENVIRONMENT_FOLDER) > 1:
        raise AnswerError(place, f"{shown(path)} has {ENVIRONMENT_FOLDER} twice; once is enough")
    return path


def check_watch(pattern: str, place: str) -> str:
    """A path or pattern of paths in the repository; `!` takes files out. Raises AnswerError.

    `*` and `?` stay within a folder, `**` crosses folders; a name without them is a file or folder.
    """
    path = pattern.removeprefix("!")
    if match := re.search(r"[\[\]{}]", path.replace(ENVIRONMENT_FOLDER, "")):
        cause = f"{shown(pattern)} has a {match[0]}; use only the wildcards *, ? and **"
        raise AnswerError(place, cause)
    # With letters in place of the wildcards, it is checked like a path.
    plain = re.sub(r"[*?]", "_", path)
    try:
        plain = check_environment_path(plain, place) if path else path
    except AnswerError as error:
        cause = error.cause.replace(shown(plain), shown(pattern))
        raise AnswerError(place, cause) from error
    if not path or plain == ".":
        cause = f"{shown(pattern)} is no path; name a file or folder, or ** for all files"
        raise AnswerError(place, cause)
    if len(plain) != len(path.rstrip("/")):
        cause = f"{shown(pattern)} is no plain path; write it without ./, // and /."
        raise AnswerError(place, cause)
    return pattern.rstrip("/")


def check_no_collision(names: list[tuple[str, str]], what: str) -> None:
    """Raise AnswerError if two names are the same, or differ only in case.

    `names` holds (name, place). On Windows and macOS such names are one file, and GitHub's
    concurrency groups ignore case.
    """
    seen: dict[str, tuple[str, str]] = {}
    for name, origin in names:
        other = seen.setdefault(name.lower(), (name, origin))
        if other != (name, origin):
            raise AnswerError(
                origin,
                f"its {what} {name!r} collides with {other[0]!r} of {other[1]}; rename one",
            )


def unknown(name: object, known: list[str], place: str, what: str) -> AnswerError:
    """The error for an unknown name, with the nearest known one."""
    return AnswerError(place, f"{shown(name)} is no {what}{nearest(name, known)}")


CRON = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 6))
"""The fields of a cron expression, with the least and the greatest number of each. GitHub: "Events
that trigger workflows", schedule."""

CRON_PART = re.compile(r"(?:\*|([0-9]{1,2})(?:-([0-9]{1,2}))?)(?:/([0-9]{1,2}))?")
"""A part of such a field. Its groups are the first number, the last one, and the step."""

TIME_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*")
"""A name of the IANA's list; only GitHub knows all of them."""


def check_schedule(text: str, place: str) -> None:
    """Refuse text that is neither empty nor a cron expression. Raises AnswerError.

    A time zone may follow. GitHub also reads names of months and weekdays; numbers say the same.
    """
    example = "write it as 17 6 * * 1-5, or 17 6 * * 1-5 Europe/Berlin"
    fields = text.split()
    if not text:
        return
    if len(fields) not in (len(CRON), len(CRON) + 1):
        raise AnswerError(place, f"{shown(text)} is no cron expression of five fields; {example}")
    for (name, least, greatest), field in zip(CRON, fields, strict=False):
        for part in field.split(","):
            if not _is_cron_part(part, least, greatest):
                cause = f"{shown(part)} is no {name} from {least} to {greatest}"
                raise AnswerError(place, f"{cause}; {example}")
    if len(fields) > len(CRON) and not TIME_ZONE.fullmatch(fields[-1]):
        raise AnswerError(place, f"{shown(fields[-1])} is no time zone; {example}")


def _is_cron_part(part: str, least: int, greatest: int) -> bool:
    """Whether GitHub accepts a part of a field: its numbers are in the field's range, the first is
    not above the last, and the step is not 0."""
    match = CRON_PART.fullmatch(part)
    if not match:
        return False
    first, last, step = match.groups()
    numbers = [int(number) for number in (first, last) if number]
    in_field = all(least <= number <= greatest for number in numbers)
    fits = step is None or 1 <= int(step) <= greatest
    return in_field and fits and numbers == sorted(numbers)
