"""What a person changes at the prompts: fewer components, more, or new names."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any

from .code_type_model import CodeType
from .components import packages_variable
from .environments import TRIGGERS
from .errors import AnswerError, nearest, shown
from .proposal import NEEDS, Proposal, image_variable, without

PROMPTS = ("parts", "images", "adjust", "new_names", "as_listed")
"""Questions that are not recorded: the answers after them are computed from their values."""


def choices(proposal: Proposal, code_types: Mapping[str, CodeType]) -> dict[str, str]:
    """The choices, each with the line that is shown: the components, then the other code types."""
    found = {line.split()[0]: line for line in proposal.table.splitlines()}
    rows = {name: found.get(name, "") for name in sorted(proposal.names)}
    if not found:
        cells = [(name, *_shown(proposal, name, code_types)) for name in rows]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for row in cells:
            padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            rows[row[0]] = "  ".join(padded).rstrip()
    new = " (one more, in the root)" if rows else ""
    others = {n: t.label + new for n, t in code_types.items() if n not in proposal.names}
    # Copier renders choices as templates, and the name of a folder may look like one.
    return {name: re.sub(r"\[(?=[\[%#])", "[ ", line) for name, line in (rows | others).items()}


def _shown(proposal: Proposal, name: str, code_types: Mapping[str, CodeType]) -> tuple[str, str]:
    given = proposal.components.get(name)
    settings = given if isinstance(given, dict) else {}
    code_type = str(settings.get("code_type", name))
    label = code_types[code_type].label if code_type in code_types else code_type
    return label, str(settings.get("path", "."))


def chosen(proposal: Proposal, names: Iterable[str], code_types: Iterable[str]) -> Proposal:
    """The proposal with these components alone, and one more for each code type named."""
    names = set(names)
    if gone := set(proposal.names) - names:
        proposal = without(proposal, gone)
    selected = {*proposal.code_types, *(names - proposal.names)}
    return dataclasses.replace(proposal, code_types=[t for t in code_types if t in selected])


def read_images(text: str, proposal: Proposal, makers: Iterable[str]) -> dict[str, str]:
    """Component by image, from `component=image, component=image`. Raises AnswerError."""
    makers, images = sorted(makers), sorted({unknown.image for unknown in proposal.unknown_images})
    builders: dict[str, str] = {}
    for pair in _pairs(text):
        maker, _, image = pair.partition("=")
        if maker not in makers:
            why = f"{shown(maker)} is no component that builds an image{nearest(maker, makers)}"
            raise AnswerError("images", why)
        if not image:
            raise AnswerError("images", f"{shown(pair)} names no image; write {maker}=IMAGE")
        if image in builders:
            why = f"{shown(image)} is named twice; name the one component that builds it"
            raise AnswerError("images", why)
        if image not in images:
            why = f"{shown(image)} is not one of these images{nearest(image, images)}"
            raise AnswerError("images", why)
        builders[image] = maker
    return builders


def with_images(proposal: Proposal, builders: Mapping[str, str]) -> Proposal:
    """The proposal, in which components wait for those that build the images that they run."""
    components = {name: dict(settings) for name, settings in proposal.components.items()}
    given = proposal.dependency_map
    needs: Any = dict(given) if isinstance(given, dict) else [dict(entry) for entry in given]
    for unknown in proposal.unknown_images:
        maker = builders.get(unknown.image)
        if not maker or unknown.consumer not in proposal.names:
            continue
        if unknown.known_as:
            settings = components.setdefault(unknown.consumer, {})
            settings["env"] = {**settings.get("env", {}), image_variable(maker): unknown.known_as}
        if isinstance(needs, dict):
            if unknown.consumer in needs and maker not in needs[unknown.consumer]:
                needs[unknown.consumer] = [*needs[unknown.consumer], maker]
            continue
        own = [entry for entry in needs if entry["code_type"] == unknown.consumer]
        if own and not any(maker in entry["depends_on"] for entry in own):
            needs.append({"code_type": unknown.consumer, "depends_on": [maker]})
    return dataclasses.replace(proposal, components=components, dependency_map=needs)


def read_names(text: str, names: Iterable[str]) -> dict[str, str]:
    """Old and new names, from `old=new, old=new`. Raises AnswerError."""
    names = sorted(names)
    new: dict[str, str] = {}
    for pair in _pairs(text):
        before, _, after = pair.partition("=")
        if before not in names:
            raise AnswerError(
                "new_names", f"{shown(before)} is no component{nearest(before, names)}"
            )
        if not after or "=" in after or before in new:
            why = f"{shown(pair)} is not one old and one new name; write {before}=NAME once"
            raise AnswerError("new_names", why)
        new[before] = after
    left = [new.get(name, name) for name in names]
    for name in left:
        if left.count(name) > 1:
            why = f"two components would be called {shown(name)}; choose another name"
            raise AnswerError("new_names", why)
    return new


def _pairs(text: str) -> list[str]:
    """What is typed at such a prompt, as `one=other` each: commas and spaces separate."""
    return re.sub(r"\s*=\s*", "=", text).replace(",", " ").split()


def renamed(proposal: Proposal, new: Mapping[str, str]) -> Proposal:
    """The proposal with new names, also in settings in which one component names another."""
    replacements = {
        variable(old): variable(name)
        for old, name in new.items()
        for variable in (packages_variable, image_variable)
    } | {f".packages/{old}": f".packages/{name}" for old, name in new.items()}
    pattern = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, replacements))})(?![\w-])")

    def in_new_words(value: Any) -> Any:
        if isinstance(value, dict):
            return {in_new_words(key): in_new_words(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [in_new_words(item) for item in value]
        return pattern.sub(lambda m: replacements[m[0]], value) if isinstance(value, str) else value

    def new_name(old: Any) -> Any:
        """The new name, or the new names of a list."""
        return [new_name(one) for one in old] if isinstance(old, list) else new.get(old, old)

    components = {}
    for old in sorted(proposal.names):
        settings = in_new_words(proposal.components.get(old) or {})
        if old in new and "code_type" not in settings:
            settings = {"code_type": old, **settings}
        if settings or old in proposal.components:
            components[new_name(old)] = settings
    given = proposal.dependency_map
    if isinstance(given, dict):
        needs: Any = {new_name(consumer): new_name(makers) for consumer, makers in given.items()}
    else:
        needs = [dict(entry) for entry in given]
        for entry in needs:
            names = {key: entry[key] for key in ("code_type", "depends_on") if key in entry}
            entry |= {key: new_name(old) for key, old in names.items()}
    return dataclasses.replace(
        proposal,
        code_types=[one for one in proposal.code_types if one not in new],
        components=components,
        dependency_map=needs,
        found={
            NEEDS.join(map(new_name, key.split(NEEDS))): by for key, by in proposal.found.items()
        },
    )


def written_out(proposal: Proposal) -> Proposal:
    """The proposal with all components in `components`, where a person can delete them."""
    names = sorted(proposal.names)
    components = {name: proposal.components.get(name) or {} for name in names}
    return dataclasses.replace(proposal, code_types=[], components=components)


def environments_line(listed: Iterable[Mapping[str, Any]]) -> str:
    """A list of environments in one line, each with what starts it."""
    shown = []
    for one in listed:
        start = next((f"{key} {one[key]}" for key in TRIGGERS if key in one), "manual")
        shown.append(f"{one['name']} ({'by hand' if start.startswith('manual') else start})")
    return f"Environments: {', '.join(shown)}"
