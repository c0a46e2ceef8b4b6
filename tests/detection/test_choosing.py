"""A person renames the components of a proposal, or chooses among them, at a prompt."""

from __future__ import annotations

import pytest
from made_answers import CODE_TYPES
from pipeline.choosing import choices, read_names, renamed, written_out
from pipeline.errors import AnswerError
from pipeline.proposal import Proposal

PROPOSAL = Proposal(
    code_types=["docker", "terraform"],
    components={
        "a": {"code_type": "python", "lint": "ls .packages/a $A_PACKAGE .packages/a-b $AA_PACKAGE"},
        "kubernetes": {"env": {"DOCKER_IMAGE": "acme/a", "MY_DOCKER_IMAGE": "x"}, "path": "b"},
        "terraform": {"path": "[[ 1 / 0 ]]"},
    },
    dependency_map={"docker": "a", "terraform": ["a", "docker"], "helm": []},
    found={"a": "x", "docker needs a": "y"},
)


def test_a_new_name_replaces_the_old_one_everywhere() -> None:
    made = renamed(PROPOSAL, {"a": "docker", "docker": "image"})
    assert made == Proposal(
        code_types=["terraform"],
        components={
            "docker": {
                "code_type": "python",
                "lint": "ls .packages/docker $DOCKER_PACKAGE .packages/a-b $AA_PACKAGE",
            },
            "image": {"code_type": "docker"},
            "kubernetes": {"env": {"IMAGE_IMAGE": "acme/a", "MY_DOCKER_IMAGE": "x"}, "path": "b"},
            "terraform": {"path": "[[ 1 / 0 ]]"},
        },
        dependency_map={"image": "docker", "terraform": ["docker", "image"], "helm": []},
        found={"docker": "x", "image needs docker": "y"},
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("b=x", "'b' is no component"),
        ("a", "'a' is not one old and one new name; write a=NAME once"),
        ("a=b=c", "'a=b=c' is not one old and one new name"),
        ("a=x, a=y", "'a=y' is not one old and one new name"),
        ("a=docker", "two components would be called 'docker'"),
    ],
)
def test_wrong_new_names_are_refused(text: str, says: str) -> None:
    with pytest.raises(AnswerError) as error:
        read_names(text, PROPOSAL.names)
    assert says in str(error.value)


def test_choices_are_found_components_and_other_code_types() -> None:
    """The name of a folder is never rendered as a template."""
    shown = choices(PROPOSAL, CODE_TYPES)
    assert shown["a"].split() == ["a", "Python", "."]
    assert shown["terraform"].split() == ["terraform", "Terraform", "[", "[", "1", "/", "0", "]]"]
    assert shown["go"] == "Go (one more, in the root)"
    assert list(shown)[:4] == ["a", "docker", "kubernetes", "terraform"]
    assert choices(Proposal(), CODE_TYPES) == {t.name: t.label for t in CODE_TYPES.values()}


def test_every_component_is_written_out() -> None:
    made = written_out(PROPOSAL)
    assert (made.code_types, list(made.components)) == ([], sorted(PROPOSAL.names))
