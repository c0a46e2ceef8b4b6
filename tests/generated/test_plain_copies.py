"""pytest-copie copies the template for each example, as usual in tests of templates.

The copies of all other tests save time: tasks run in this process, and answers are given as `data`.
Here Copier runs the tasks itself, and the answers are user defaults.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from copies import Copied, example, tree
from pytest_copie.plugin import Copie
from toolbox import EXAMPLES

NAMES = sorted(file.stem for file in EXAMPLES.glob("*.yml"))


@pytest.mark.parametrize("name", NAMES)
def test_a_plain_copy_is_the_same(
    name: str,
    copie: Copie,
    copied: Copied,
    template: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    answers = example(name)
    result = copie.copy(extra_answers=answers, template_dir=template)
    assert (result.exit_code, result.exception) == (0, None)
    assert result.project_dir
    assert tree(result.project_dir) == tree(copied(answers))
    assert "deployed in this order:" in capfd.readouterr().out
