"""A Python library whose wheel and sdist name their commit, and a recorded uv."""

from __future__ import annotations

from offline_github import OfflineGitHub

UV = """\
#!/usr/bin/env bash
# Builds a wheel and an sdist; publishes nothing.
[ "$1" = build ] || exit 0
version=$(cat version.txt)
mkdir -p dist
echo '*' > dist/.gitignore
git describe --tags --always > "dist/lib-$version-py3-none-any.whl"
git rev-parse HEAD > "dist/lib-$version.tar.gz"
"""
FILES = {"version.txt": "1.2.3\n"}
WHEEL, SDIST = "dist/lib-1.2.3-py3-none-any.whl", "dist/lib-1.2.3.tar.gz"


def with_uv(github: OfflineGitHub) -> OfflineGitHub:
    """Records uv, and asks a person before anything is published."""
    github.tools.then("uv", UV)
    github.tools.watch([WHEEL, SDIST], ["UV_PUBLISH.*"])
    github.environments = {"release": {}, "release-approval": {"reviewers": True}}
    return github
