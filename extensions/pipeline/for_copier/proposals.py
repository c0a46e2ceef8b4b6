"""The answers that are proposed for an existing repository."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import proposal as proposals
from ..answers import parsed
from ..environments import read_environments
from ..errors import AnswerError
from ..git_branches import read_branches
from ..proposal import Proposal
from .given import Given
from .own_code_types import present_code_types


def proposal_of(given: Given) -> Proposal:
    """What is proposed for the repository in the destination.

    Nothing in an update, nor if a person has answered one of these questions: a component that
    an answer leaves out is not proposed again.
    """
    repository, memory = given.repository, given.memory
    answered = given.merged.keys() & set(proposals.ANSWERS)
    if given.is_update or answered or not repository.is_dir():
        return Proposal()
    if repository not in memory.proposals:
        files = memory.files(repository)
        known = (files, present_code_types(given), read_branches(repository))
        said = "cloud" in given.merged
        clouds = proposals.NO_CLOUDS if said else memory.catalogue.clouds
        names = named_environments(given.merged)
        proposal = proposals.propose(*known, names, clouds)
        if proposal.environments and memory.problem_of(_as_answers(proposal)):
            proposal = proposals.propose(*known, proposals.USUAL, clouds)
        memory.proposals[repository] = proposal
    return memory.proposals[repository]


def proposed_answers(given: Given) -> dict[str, Any]:
    """The proposed answers, with the orchestration that takes most components."""
    proposal = proposal_of(given)
    return _as_answers(proposal) if proposal.names else {}


def named_environments(answers: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The names of the environments; None if no answer says which there are."""
    if not {"branching", "environments"} & answers.keys():
        return None
    try:
        listed = parsed("environments", answers.get("environments"))
        environments = read_environments(answers.get("branching", "custom"), listed)
    except AnswerError:
        return ()  # the question itself says what is wrong
    return tuple(environment.name for environment in environments)


def _as_answers(proposal: Proposal) -> dict[str, Any]:
    answers = {name: getattr(proposal, name) for name in proposals.ANSWERS}
    if proposal.environments:
        answers["environments"] = proposal.environments
    return {**answers, "orchestration": "dispatch"}
