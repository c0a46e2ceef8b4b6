"""Clones the repository and the template: the only step that can read them. Runs nothing of either.

Called with a folder. It gets `template.git` and a folder named after the repository, because
Copier proposes the folder's name as the project's. Standard library only.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from common import EngineError, git, output, run, template_address


def clone(address: str, folder: Path, token: str, *options: str) -> None:
    # All branches and the history: detection reads both.
    arguments = ("clone", "--quiet", *options, "--", address, str(folder))
    git(*arguments, cwd=folder.parent, token=token)


def main() -> None:
    target = Path(sys.argv[1])
    target.mkdir(parents=True)
    repository = os.environ["REPOSITORY"]
    folder = target / repository.rpartition("/")[2]
    address = f"{os.environ['GITHUB_SERVER_URL']}/{repository}.git"
    clone(address, folder, os.environ["TOKEN"])
    try:
        commit = git("rev-parse", "--verify", "HEAD^{commit}", cwd=folder)
    except EngineError:
        raise EngineError(f"{repository}: is empty; push a first commit") from None
    branch = git("symbolic-ref", "--short", "HEAD", cwd=folder)
    clone(template_address(), target / "template.git", os.environ["TEMPLATE_TOKEN"], "--bare")
    output(commit=commit, branch=branch)


if __name__ == "__main__":
    run(main)
