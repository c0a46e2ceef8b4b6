"""Fixtures that every kind of proof shares."""

from __future__ import annotations

from pathlib import Path

import pytest
from copies import export_template

SLOW_LAST = (
    *("pipeline", "answers", "hook", "update", "generated", "oracle"),
    *("real_commands", "running", "mutations"),
)
"""Folders of proofs, the quick ones first: what is plainly wrong shows at once."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Files that lie in no folder test the tools of the tests; everything else rests on those.
    def place(item: pytest.Item) -> int:
        return SLOW_LAST.index(item.path.parent.name) if item.path.parent.name in SLOW_LAST else -1

    items.sort(key=place)
    for item in items:
        # One worker copies an answer set, and has it for all proofs.
        answer_set = getattr(item, "callspec", None) and item.callspec.params.get("answer_set")
        if answer_set:
            item.add_marker(pytest.mark.xdist_group(answer_set))


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as a user's Copier sees it."""
    return export_template(tmp_path_factory.mktemp("template"))
