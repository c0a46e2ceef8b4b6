"""Clones the repository and the template. Only this step can read them; it runs no code of either.

Called with a folder. It gets `template.git` and a folder named after the repository, because
Copier proposes the folder's name as the project's. Standard library only.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from common import EngineError, git, output, run, template_address

ATTRIBUTES = "* -text -filter -ident -working-tree-encoding\n"
"""Every file has the bytes that git stores. Otherwise a conversion by git would look like a change
of the pipelines."""


def clone(address: str, folder: Path, token: str, *options: str) -> None:
    # All branches and the history: detection reads both.
    arguments = ("clone", "--quiet", *options, "--", address, str(folder))
    git(*arguments, cwd=folder.parent, token=token)


def clone_to_render(address: str, folder: Path, token: str) -> tuple[str, str]:
    """The commit and the default branch. Raises EngineError if there is no commit yet."""
    clone(address, folder, token, "--no-checkout")
    try:
        commit = git("rev-parse", "--verify", "HEAD^{commit}", cwd=folder)
    except EngineError:
        raise EngineError(f"{folder.name}: is empty; push a first commit") from None
    attributes = folder / ".git" / "info" / "attributes"
    attributes.parent.mkdir(exist_ok=True)
    attributes.write_text(ATTRIBUTES, encoding="utf-8")
    branch = git("symbolic-ref", "--short", "HEAD", cwd=folder)
    git("checkout", "--quiet", "--force", branch, cwd=folder)
    return commit, branch


def main() -> None:
    target = Path(sys.argv[1])
    target.mkdir(parents=True)
    repository = os.environ["REPOSITORY"]
    folder = target / repository.rpartition("/")[2]
    address = f"{os.environ['GITHUB_SERVER_URL']}/{repository}.git"
    commit, branch = clone_to_render(address, folder, os.environ["TOKEN"])
    clone(template_address(), target / "template.git", os.environ["TEMPLATE_TOKEN"], "--bare")
    output(commit=commit, branch=branch)


if __name__ == "__main__":
    run(main)
