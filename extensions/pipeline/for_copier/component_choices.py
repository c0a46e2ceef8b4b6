"""The prompts that choose components, and the answers that they lead to.

`parts`, `images`, `adjust` and `new_names` are not recorded. The answers `found`, `code_types`,
`components` and `dependency_map` are computed from them.
"""

from __future__ import annotations

import json
from typing import Any

import yaml

from .. import choosing
from ..answers import parsed
from ..errors import AnswerError
from ..found_edges import IMAGE
from ..printing import in_markdown
from ..proposal import ANSWERS, Proposal, without
from ..questions import DEFAULTS
from ..recorded import readable
from .given import Given
from .own_code_types import answered_code_types
from .proposals import proposal_of

# parts: which components ---------------------------------------------------------------------


def ask_for_parts(given: Given) -> bool:
    """Whether there is a prompt that chooses the components by their names."""
    return given.would_ask("code_types")


def parts_help(given: Given) -> str:
    if proposal_of(given).names:
        return "Found in this repository: which components do you want?"
    if _before_choosing(given).names:
        return "Which components do you keep?"
    return "Which kinds of code does it hold?"


def part_choices(given: Given) -> str:
    """The components and the other code types, as YAML: for each the line shown, and its name."""
    rows = choosing.choices(_before_choosing(given), answered_code_types(given))
    return str(yaml.safe_dump([[line, name] for name, line in rows.items()], width=999))


def default_parts(given: Given) -> str:
    """The names of the components before anybody chose among them, as JSON."""
    return json.dumps(sorted(_before_choosing(given).names)) if ask_for_parts(given) else "[]"


# images: which component builds an image -----------------------------------------------------


def ask_for_images(given: Given) -> bool:
    """Whether a file names an image, and nothing tells whether a component builds it."""
    return ask_for_parts(given) and bool(_image_builders(given, _chosen(given)))


def images_help(given: Given) -> str:
    chosen = _chosen(given)
    rows = [
        f"  {in_markdown(image.image)} ({in_markdown(image.file)})"
        for image in chosen.unknown_images
        if image.consumer in chosen.names
    ]
    names = ", ".join(f"{name}=IMAGE" for name in _image_builders(given, chosen))
    lines = ["Which of these images does a component build?", *rows]
    return "\n".join([*lines, f"({names}; Enter: none of them)"])


def problem_with_images(given: Given) -> str:
    """What is wrong with the answer just typed, or nothing."""
    if "images" in given.settings["data"]:
        return ""
    try:
        _chosen(given)
    except AnswerError as error:
        return str(error)
    return ""


# adjust and new_names: other names or settings -------------------------------------------------


def ask_to_adjust(given: Given) -> bool:
    """Whether there is a prompt for other names or settings. Without components there is none: a
    person has to write some first."""
    asked = given.would_ask("components") or given.would_ask("dependency_map")
    return asked and _has_components(given)


def meaning_of_accept(given: Given) -> str:
    """What the choice `accept` means for the components, in words for the prompt."""
    if proposal_of(given).names:
        return "as they were found"
    if _before_choosing(given).names:
        return "as they are recorded"
    return "each in the repository's root, in the usual order"


def why_not_rename(given: Given) -> str:
    """Why the prompt `adjust` does not offer the choice `rename`, or nothing."""
    if not ask_to_adjust(given):
        return ""
    if not given.would_ask("components"):
        return "their settings were given"
    return "" if ask_for_parts(given) else "their code types were given"


def problem_with_new_names(given: Given) -> str:
    """What is wrong with the new names just typed, or nothing."""
    if "new_names" in given.settings["data"]:
        return ""
    try:
        made = _adjusted(given, "new_names")
    except AnswerError as error:
        return str(error)
    answers = {name: getattr(made, name) for name in ANSWERS}
    return given.memory.problem_of({**given.answers_before("found"), **answers}, "dependency_map")


# The answers ---------------------------------------------------------------------------------


def answer_from_prompts(given: Given, question: str) -> str:
    """The answer to `question` that the prompts above give, as JSON."""
    return json.dumps(getattr(_adjusted(given, question), question), ensure_ascii=False)


def yaml_to_edit(given: Given, question: str) -> str:
    """The same answer as YAML in several lines, which a person edits."""
    value = json.loads(answer_from_prompts(given, question))
    # Without components the prompt is empty, so that Enter does not accept an empty mapping.
    return readable(value, sort=False) if value != {} else ""


def outdated_answer(given: Given, question: str) -> str:
    """`outdated` if a recorded answer is not the one that the prompts give; else an empty text.

    Copier drops a recorded answer if its validator returns a text, and takes the default.
    """
    if question in given.data or question not in given.stored:
        return ""
    if given.context[question] != given.stored[question]:
        return ""
    same = parsed(question, given.stored[question]) == json.loads(
        answer_from_prompts(given, question)
    )
    return "" if same else "outdated"


def writes_components(given: Given) -> bool:
    """Whether a person writes components and dependencies as YAML."""
    return given.context.get("adjust") == "write" or not _has_components(given)


def _has_components(given: Given) -> bool:
    return bool(_chosen(given).names or given.data.get("components"))


def _before_choosing(given: Given) -> Proposal:
    """The components before anybody chose among them: proposed, recorded or given."""
    proposal = proposal_of(given)
    if proposal.names:
        return proposal
    names = ("code_types", "components", "dependency_map", "found")
    values = {name: parsed(name, given.merged.get(name, DEFAULTS[name])) for name in names}
    if ask_for_parts(given) and "components" in given.data:
        values["components"] = {}  # the prompt does not offer those of `--data`
    return Proposal(**values)


def _chosen(given: Given) -> Proposal:
    """The components that were chosen. Raises AnswerError for what is wrong in `images`."""
    before = _before_choosing(given)
    if not ask_for_parts(given) or "parts" not in given.context:
        return before
    chosen = choosing.chosen(before, given.context["parts"], [*answered_code_types(given)])
    builders = _image_builders(given, chosen)
    if builders and given.context.get("images"):
        builders_of = choosing.read_images(given.context["images"], chosen, builders)
        chosen = choosing.with_images(chosen, builders_of)
    return chosen


def _image_builders(given: Given, proposal: Proposal) -> list[str]:
    """The components that build images; none if each image is known to be built by one."""
    known = given.memory.catalogue.code_types
    types = {n: (proposal.components.get(n) or {}).get("code_type", n) for n in proposal.names}
    return sorted(
        name
        for name, code_type in types.items()
        if proposal.unknown_images and code_type in known and IMAGE in known[code_type].products
    )


def _adjusted(given: Given, question: str) -> Any:
    """The chosen components under their new names, or as a person is to edit them.

    Raises AnswerError.
    """
    chosen, context = _chosen(given), given.context
    if not ask_to_adjust(given) or not given.would_ask("components"):
        return chosen
    if context.get("adjust") == "rename" and context.get("new_names"):
        new = choosing.read_names(context["new_names"], chosen.names)
        return choosing.renamed(chosen, new) if new else chosen
    if context.get("adjust") == "write":
        if question == "dependency_map":  # the components have been written by then
            left = {*parsed("components", context["components"]), *context["code_types"]}
            gone = {name for name in chosen.names if name not in left}
            chosen = without(chosen, gone) if gone else chosen
        return choosing.written_out(chosen)
    return chosen
