"""The prompts that do not choose components: when they are shown, their defaults, what is wrong."""

from __future__ import annotations

import json
from typing import Any

import yaml

from .. import choosing
from ..answers import parsed
from ..components import pushes
from ..environments import preset
from ..errors import AnswerError
from ..git_branches import read_branches
from ..proposal import ANSWERS
from ..questions import DEFAULTS
from ..recorded import readable
from .component_choices import text_of, writes_components
from .given import Given
from .own_code_types import answered_code_types, problem_of_folder
from .proposals import named_environments, proposal_of

# What is wrong -------------------------------------------------------------------------------


def problem(given: Given, question: str) -> str:
    """What is wrong with the answer just typed, or nothing. The prompt shows it.

    Other answers are left to `check_answers`: where a validator says something, Copier prints a
    traceback for `--data`, and forgets a stored answer without a word.
    """
    value, memory = given.context[question], given.memory
    stored = question in given.stored and given.stored[question] == value
    if question in given.data or stored:
        return ""
    # What the choices before lead to is not typed.
    if question in (*ANSWERS, "environments") and not asks(given, question):
        return ""
    begin = text_of(given, question) if question in ANSWERS else ""
    begin = made_environments(given) if question == "environments" else begin
    if begin and value == begin:
        return ""
    before = given.answers_before(question)
    found = memory.problem_of({**before, question: value}, question)
    if question == "code_types_folder" and not found:
        found = problem_of_folder(given, value)
    # Another answer cannot mend what is wrong without it; `check_answers` says that.
    return "" if found == memory.problem_of(before, question) else found


def impossible(given: Given, question: str, choice: str) -> str:
    """Why a prompt does not offer a choice, or nothing.

    Copier has no validator for lists. What was not chosen at the prompt is left to
    `check_answers`, as in `problem`.
    """
    # Nobody sees it without a terminal; but what is proposed has to be possible as it is.
    unseen = given.takes_defaults and not proposal_of(given).names
    if unseen or question in given.stored_and_data:
        return ""
    before, memory = given.answers_before(question), given.memory
    found = memory.problem_of({**before, question: choice}, question)
    return "" if found == memory.problem_of(before, "dependency_map") else found


def first_possible(given: Given, question: str, *choices: str) -> str:
    """The first of these choices that the prompt offers; the first of all if it offers none."""
    possible = [choice for choice in choices if not impossible(given, question, choice)]
    return [*possible, *choices][0]


# YAML at a prompt ----------------------------------------------------------------------------


def asks(given: Given, question: str) -> bool:
    """Whether a person writes this answer, as YAML."""
    if question == "environments":
        taken = asks_as_listed(given) and given.context.get("as_listed", True)
        return given.would_ask(question) and not taken
    return given.would_ask(question) and writes_components(given)


def type_of(given: Given, question: str) -> str:
    """`str` where a person types YAML, which `recorded` parses; otherwise `yaml`.

    For a text that is no YAML Copier itself would say no more than that.
    """
    return "str" if asks(given, question) else "yaml"


def type_of_runner(given: Given) -> str:
    """`str` for a label, which the prompt shows as it is; `yaml` for a list or a mapping.

    Copier shows the default of a `yaml` question as PyYAML dumps it, a label with three dots below.
    """
    return "str" if isinstance(given.stored_and_data.get("runner", ""), str) else "yaml"


# Single questions ----------------------------------------------------------------------------


def code_type_choices(given: Given) -> str:
    """The choices of the question `code_types`, as YAML."""
    return str(yaml.safe_dump([*answered_code_types(given)]))


def repository_branch(given: Given) -> str:
    """The default branch of the repository in the destination.

    An update whose answers name none keeps what they meant.
    """
    if given.is_update:
        return str(DEFAULTS["default_branch"])
    return read_branches(given.repository).default


def proposed_branching(given: Given) -> str:
    """The choice that fits what was found; otherwise the first that is possible."""
    if named_environments(given.stored_and_data) is None:
        found = proposal_of(given).branching
        if found and not impossible(given, "branching", found):
            return found
    return first_possible(given, "branching", "develop-main", "release", "custom")


def ask_for_environments(given: Given) -> bool:
    """Whether the list of environments counts: it was chosen, or is already there.

    Copier forgets the answer to a question that it does not ask. So the question is asked wherever
    a data file or an earlier answer holds a list, whatever `branching` says beside it. An earlier
    list counts no more once somebody chooses another `branching`.
    """
    branching = given.context.get("branching")
    if branching == "custom" or parsed("environments", given.data.get("environments")):
        return True
    if "branching" in given.data:
        return False
    same = given.stored.get("branching") == branching
    return bool(given.stored.get("environments")) and same


def asks_as_listed(given: Given) -> bool:
    """Whether there is a list of environments that a person may accept."""
    asked = given.would_ask("environments") and ask_for_environments(given)
    return asked and bool(_listed_environments(given))


def environments_help(given: Given) -> str:
    return f"{choosing.environments_line(_listed_environments(given))}. Is that right?"


def made_environments(given: Given) -> str:
    """The list that is there, or one to begin with; nothing where nobody is asked for one."""
    if not ask_for_environments(given):
        return ""
    listed = _listed_environments(given)
    if not asks(given, "environments"):
        return json.dumps(listed) if listed else ""
    begin = listed or preset("trunk", given.context["default_branch"])
    return readable(begin, sort=False)


def ask_for_registry(given: Given) -> bool:
    """Whether the registry counts: a component pushes to it, or somebody wrote one.

    Without images the default is not recorded. A registry that somebody wrote is kept for the next
    image.
    """
    usual = DEFAULTS["registry"]
    if given.merged.get("registry", usual) != usual:
        return True
    try:
        components = given.memory.read_answers(given.answers_before("registry")).components
    except AnswerError:
        return False  # said at the question that is wrong, or at the end
    return any(map(pushes, components))


def _listed_environments(given: Given) -> Any:
    """The environments that are recorded, or that files are named after."""
    recorded = parsed("environments", given.stored.get("environments", []))
    return recorded or proposal_of(given).environments
