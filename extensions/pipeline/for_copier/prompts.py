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
from .component_choices import writes_components, yaml_to_edit
from .given import Given
from .own_code_types import answered_code_types, problem_of_folder
from .proposals import named_environments, proposal_of

# What is wrong -------------------------------------------------------------------------------


def problem_with(given: Given, question: str) -> str:
    """What is wrong with the answer just typed, or nothing. The prompt shows it.

    `check_answers` checks the other answers: if a validator returns a text, Copier prints a
    traceback for `--data`, and drops a stored answer without a message.
    """
    value, memory = given.context[question], given.memory
    stored = question in given.stored and given.stored[question] == value
    if question in given.data or stored:
        return ""
    # An answer that follows from other prompts was not typed.
    if question in (*ANSWERS, "environments") and not ask_for_yaml(given, question):
        return ""
    default = ""
    if question in ANSWERS:
        default = yaml_to_edit(given, question)
    elif question == "environments":
        default = default_environments(given)
    if default and value == default:
        return ""
    before = given.answers_before(question)
    problem = memory.problem_of({**before, question: value}, question)
    if question == "code_types_folder" and not problem:
        problem = problem_of_folder(given, value)
    # What was wrong before this answer is not its fault; `check_answers` says that.
    return "" if problem == memory.problem_of(before, question) else problem


def why_impossible(given: Given, question: str, choice: str) -> str:
    """Why a prompt does not offer a choice, or nothing.

    At a prompt with one choice of several, Copier does not call the question's validator. As in
    `problem_with`, `check_answers` checks what was not chosen at the prompt.
    """
    # Without prompts nobody sees this; but a proposal must be possible as it is.
    unseen = given.takes_defaults and not proposal_of(given).names
    if unseen or question in given.merged:
        return ""
    before, memory = given.answers_before(question), given.memory
    problem = memory.problem_of({**before, question: choice}, question)
    return "" if problem == memory.problem_of(before, "dependency_map") else problem


def first_possible(given: Given, question: str, *choices: str) -> str:
    """The first of these choices that the prompt offers; the first of all if it offers none."""
    possible = [choice for choice in choices if not why_impossible(given, question, choice)]
    return [*possible, *choices][0]


# YAML at a prompt ----------------------------------------------------------------------------


def ask_for_yaml(given: Given, question: str) -> bool:
    """Whether there is a prompt at which a person writes this answer, as YAML."""
    if question == "environments":
        taken = ask_to_confirm_environments(given) and given.context.get("as_listed", True)
        return given.would_ask(question) and not taken
    return given.would_ask(question) and writes_components(given)


def answer_type(given: Given, question: str) -> str:
    """`str` if a person types YAML, which `recorded` parses; otherwise `yaml`.

    With `yaml`, Copier would only say that a text is not YAML; our messages say what is wrong.
    """
    return "str" if ask_for_yaml(given, question) else "yaml"


def runner_type(given: Given) -> str:
    """`str` for a label, which the prompt shows as it is; `yaml` for a list or a mapping.

    Copier shows the default of a `yaml` question as PyYAML dumps it, a label with three dots below.
    """
    return "str" if isinstance(given.merged.get("runner", ""), str) else "yaml"


# Single questions ----------------------------------------------------------------------------


def code_type_choices(given: Given) -> str:
    """The choices of the question `code_types`, as YAML."""
    return str(yaml.safe_dump([*answered_code_types(given)]))


def default_branch_of_repository(given: Given) -> str:
    """The default branch of the repository in the destination.

    In an update it is `main`, as before, if the recorded answers name no branch.
    """
    if given.is_update:
        return str(DEFAULTS["default_branch"])
    return read_branches(given.repository).default


def proposed_branching(given: Given) -> str:
    """The choice that fits what was found; otherwise the first that is possible."""
    if named_environments(given.merged) is None:
        found = proposal_of(given).branching
        if found and not why_impossible(given, "branching", found):
            return found
    return first_possible(given, "branching", "develop-main", "release", "custom")


def proposed_cloud(given: Given) -> str:
    """The cloud that files show; otherwise none."""
    return proposal_of(given).cloud or str(DEFAULTS["cloud"])


def ask_for_environments(given: Given) -> bool:
    """Whether the list of environments is used: `branching` is `custom`, or there is a list.

    Copier drops the answer to a question that it does not ask. So the question is asked if a data
    file or an earlier answer has a list, also if `branching` is not `custom` there. An earlier list
    is not used any more if somebody chooses another `branching`.
    """
    branching = given.context.get("branching")
    if branching == "custom" or parsed("environments", given.data.get("environments")):
        return True
    if "branching" in given.data:
        return False
    same = given.stored.get("branching") == branching
    return bool(given.stored.get("environments")) and same


def ask_to_confirm_environments(given: Given) -> bool:
    """Whether there is a prompt that shows a list of environments, to accept it."""
    asked = given.would_ask("environments") and ask_for_environments(given)
    return asked and bool(_listed_environments(given))


def environments_help(given: Given) -> str:
    return f"{choosing.environments_line(_listed_environments(given))}. Is that right?"


def default_environments(given: Given) -> str:
    """The recorded or found list, or one to begin with; empty if the list is not used."""
    if not ask_for_environments(given):
        return ""
    listed = _listed_environments(given)
    if not ask_for_yaml(given, "environments"):
        return json.dumps(listed) if listed else ""
    begin = listed or preset("trunk", given.context["default_branch"])
    return readable(begin, sort=False)


def ask_for_registry(given: Given) -> bool:
    """Whether the registry is used: a component pushes to it, or an answer names one.

    So the default is not recorded if there are no images, and a registry that somebody wrote stays.
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
