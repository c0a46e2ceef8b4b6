"""Checks the inputs of a run before any token is requested. Standard library only."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping

from common import ANSWERS_FILES, EngineError, output, place_of, run, template_address

NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+/-]{0,99}")
MODES = ("copy", "update", "update-answers")


def check_inputs(inputs: Mapping[str, str], owner: str) -> str:
    """The name of the repository, without its owner. Raises EngineError."""
    written = inputs.get("repository", "").strip()
    organisation, slash, name = written.rpartition("/")
    if slash and organisation.lower() != owner.lower():
        raise EngineError(
            f"repository: {written} does not belong to {owner}; give the name of one that does"
        )
    if not NAME.fullmatch(name) or name in (".", "..") or name.endswith(".git"):
        raise EngineError(
            f"repository: {written!r} is no name of a repository; write it as GitHub shows it, "
            "without an address"
        )
    mode = inputs.get("mode", "")
    if mode not in MODES:
        raise EngineError(f"mode: {mode!r} is not one of {', '.join(MODES)}")
    version = inputs.get("version", "")
    if version and (not VERSION.fullmatch(version) or ".." in version):
        raise EngineError(
            f"version: {version!r} is no tag of the template; leave it empty for the newest"
        )
    answers_file = inputs.get("answers_file", "")
    if answers_file and not re.fullmatch(ANSWERS_FILES, answers_file):
        raise EngineError(
            f"answers_file: {answers_file!r} is no name of one; write .copier-answers.yml or "
            ".copier-answers.NAME.yml"
        )
    answers = inputs.get("answers", "").strip()
    if mode == "update" and answers:
        raise EngineError(
            "answers: an update keeps the recorded answers; start it with mode update-answers"
        )
    if mode == "update-answers" and not answers:
        raise EngineError("answers: say which answers change, as YAML: `approval: each`")
    return name


def own_repository(address: str, server: str, owner: str) -> str:
    """The template's name if it is a repository of this organisation: then the App reads it."""
    place = place_of(address)
    here = place_of(f"{server}/{owner}/any")
    if place is None or here is None or place[0] != here[0]:
        return ""
    organisation, _, name = place[1].rpartition("/")
    return name if organisation.lower() == owner.lower() else ""


def main() -> None:
    owner = os.environ["GITHUB_REPOSITORY_OWNER"]
    name = check_inputs(json.loads(os.environ["INPUTS"]), owner)
    address = template_address()
    output(
        name=name,
        repository=f"{owner}/{name}",
        template=own_repository(address, os.environ["GITHUB_SERVER_URL"], owner),
    )


if __name__ == "__main__":
    run(main)
