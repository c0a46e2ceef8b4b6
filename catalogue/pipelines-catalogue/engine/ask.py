"""Asks fleet.py which repositories may be updated now; called with the file for its JSON.

The token reads all repositories, and the template if that is private. It needs the standard library
and uv. This job has the App's key, so fleet.py gets only two packages, pinned, and builds nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from common import CATALOGUE, git_environment, output, run, template_address

UV = ("uv", "run", "--quiet", "--no-project", "--no-build", "--python", ">=3.11")
PACKAGES = ("--with", "pyyaml==6.0.3", "--with", "packaging==26.4")


def main() -> None:
    command = [*UV, *PACKAGES, "python", "fleet.py", "--rings", "rings.yml", "--json"]
    command += ["--organisation", os.environ["GITHUB_REPOSITORY_OWNER"]]
    command += ["--template", template_address()]
    environment = {**os.environ, **git_environment(os.environ["GH_TOKEN"])}
    with Path(sys.argv[1]).open("wb") as file:
        done = subprocess.run(command, cwd=CATALOGUE.parent, stdout=file, env=environment)
    output(code=str(done.returncode))


if __name__ == "__main__":
    run(main, "The roll-out has stopped")
