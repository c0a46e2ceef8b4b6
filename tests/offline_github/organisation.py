"""Repositories of one owner that a GitHub App reaches: git over HTTP, and pull requests.

No workflow of theirs runs here. `actions/create-github-app-token` gets its tokens from this, for
the repositories and permissions that it asks for, and each answer here needs one that fits.
"""

from __future__ import annotations

import os
import re
import subprocess
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .repository import GIT_ENVIRONMENT, git

LEVELS = {"none": 0, "read": 1, "write": 2}
#: The message of `actions/create-github-app-token` and GitHub if an app is not installed.
NOT_INSTALLED = (
    "Not Found - https://docs.github.com/rest/apps/apps"
    "#get-a-repository-installation-for-the-authenticated-app"
)

#: GitHub's refusal to an app that may not change workflows; git shows it after `remote: `.
HOOK = """\
#!/bin/sh
[ "${OFFLINE_WORKFLOWS:-write}" = write ] && exit 0 # a person has no such limit
while read -r _ new ref; do
  file="$(git diff --name-only "$(git rev-parse HEAD)...$new" -- .github/workflows | head -1)"
  [ -z "$file" ] || {
    echo "refusing to allow a GitHub App to create or update workflow \\`$file\\` without" \\
      "\\`workflows\\` permission" >&2
    exit 1
  }
done
"""


def repository_of(path: str) -> str:
    """`owner/name` of an address that git asks for, or nothing."""
    found = re.fullmatch(
        r"/([^/_][^/]*/[^/]+)\.git/(?:info/refs|git-(?:upload|receive)-pack)", path
    )
    return found[1] if found else ""


@dataclass
class AppToken:
    """What one token may do, and which job asked for it."""

    token: str
    repositories: tuple[str, ...]
    permissions: dict[str, str]
    job: str
    #: What it was used for: `git-receive-pack acme/shop`, `POST /repos/acme/shop/pulls`.
    used: list[str] = field(default_factory=list)

    def may(self, repository: str, scope: str, level: str) -> bool:
        has = LEVELS[self.permissions.get(scope, "none")]
        return repository.lower() in self.repositories and has >= LEVELS[level]


class Organisation:
    """The owner, its repositories, and one app."""

    slug = "acme-pipelines"

    def __init__(self, folder: Path, owner: str, client_id: str, key: str) -> None:
        self.folder, self.owner = folder, owner
        self.client_id, self.key = client_id, key
        #: The permissions of the app.
        self.permissions = {"contents": "write", "pull_requests": "write", "workflows": "write"}
        self.tokens: dict[str, AppToken] = {}
        #: owner/name -> its pull requests, oldest first.
        self.pulls: dict[str, list[dict[str, Any]]] = {}
        self._installed: set[str] = set()

    def add(self, name: str, work_tree: Path | None, installed: bool = True) -> Path:
        """A repository, with all branches and tags of a work tree, or empty."""
        full = f"{self.owner}/{name}"
        bare = self.folder / f"{full}.git"
        bare.mkdir(parents=True)
        git("init", "--quiet", "--bare", "--initial-branch=main", cwd=bare)
        for setting in ("uploadpack.allowAnySHA1InWant", "uploadpack.allowFilter"):
            git("config", setting, "true", cwd=bare)
        hook = bare / "hooks" / "pre-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(HOOK, encoding="utf-8")
        hook.chmod(0o755)
        if work_tree:
            git("push", "--quiet", "--mirror", bare, cwd=work_tree)
            branch = git("symbolic-ref", "HEAD", cwd=work_tree).decode().strip()
            git("symbolic-ref", "HEAD", branch, cwd=bare)
        self.pulls[full.lower()] = []
        if installed:
            self._installed.add(full.lower())
        return bare

    def issue(self, asked: dict[str, Any], job: str) -> tuple[int, dict[str, Any]]:
        """A token, as GitHub gives it to an app."""
        if (asked["client_id"], asked["key"]) != (self.client_id, self.key):
            return 401, {"message": "A JSON web token could not be decoded"}
        names = [f"{asked['owner']}/{name}".lower() for name in asked["repositories"]]
        if not set(names) <= self._installed:
            return 404, {"message": NOT_INSTALLED}
        permissions = asked["permissions"] or self.permissions
        if any(LEVELS[p] > LEVELS[self.permissions.get(s, "none")] for s, p in permissions.items()):
            return 422, {
                "message": "The permissions requested are not granted to this installation."
            }
        token = f"ghs_app{len(self.tokens):08}"
        reached = tuple(names or sorted(self._installed))
        self.tokens[token] = AppToken(token, reached, permissions, job)
        return 201, {"token": token, "app_slug": self.slug, "installation_id": 77}

    def git(
        self,
        token: AppToken,
        repository: str,
        method: str,
        url: urllib.parse.SplitResult,
        headers: dict[str, str],
        data: bytes,
    ) -> tuple[int, dict[str, str], bytes]:
        """GitHub's answer to git: status, headers and body."""
        headers = {name.lower(): value for name, value in headers.items()}
        service = urllib.parse.parse_qs(url.query).get("service", [url.path.rpartition("/")[2]])[0]
        token.used.append(f"{service} {repository}")
        if not token.may(repository, "contents", "read"):
            return 404, {}, b"Repository not found."
        if service == "git-receive-pack" and not token.may(repository, "contents", "write"):
            return 403, {}, b"Write access to repository not granted."
        done = subprocess.run(
            ["git", "http-backend"],
            input=data,
            capture_output=True,
            env={
                **os.environ,
                **GIT_ENVIRONMENT,
                "GIT_PROJECT_ROOT": str(self.folder),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": url.path,
                "QUERY_STRING": url.query,
                "REQUEST_METHOD": method,
                "CONTENT_TYPE": headers.get("content-type", ""),
                "HTTP_CONTENT_ENCODING": headers.get("content-encoding", ""),
                "GIT_PROTOCOL": headers.get("git-protocol", ""),
                "REMOTE_USER": self.slug,
                "OFFLINE_WORKFLOWS": token.permissions.get("workflows", "none"),
            },
            check=True,
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        said = dict(line.split(": ", 1) for line in head.decode().splitlines())
        return int(said.pop("Status", "200").split(" ")[0]), said, body

    def rest(self, token: AppToken, method: str, address: str, body: Any) -> tuple[int, Any]:
        """The answer to a REST call with a token of the app: status and content."""
        url = urllib.parse.urlsplit(address)
        query = dict(urllib.parse.parse_qsl(url.query))
        token.used.append(f"{method} {url.path}")
        found = re.fullmatch(r"/repos/([^/]+/[^/]+)/pulls(?:/(\d+))?", url.path)
        if not found:
            return 501, {"message": "not modelled by the offline GitHub"}
        repository, number = found[1].lower(), found[2]
        if not token.may(repository, "pull_requests", "read" if method == "GET" else "write"):
            return 403, {"message": "Resource not accessible by integration"}
        pulls = self.pulls[repository]
        match method:
            case "GET" if set(query) <= {"state", "head", "base"}:
                return 200, [pull for pull in pulls if _is_listed(pull, query)]
            case "POST":
                return self._open(repository, body)
            case "PATCH" if number:
                pull = pulls[int(number) - 1]
                pull.update(body)
                return 200, pull
        return 501, {"message": "not modelled by the offline GitHub"}

    def _open(self, repository: str, body: dict[str, Any]) -> tuple[int, Any]:
        pulls, head = self.pulls[repository], body["head"]
        bare = self.folder / f"{repository}.git"
        listed = git("for-each-ref", "--format=%(refname:short)", "refs/heads", cwd=bare)
        if not {head, body["base"]} <= set(listed.decode().split()):
            return 422, {"message": "Validation Failed"}
        if any(pull["state"] == "open" and pull["head"]["ref"] == head for pull in pulls):
            return 422, {"message": "Validation Failed"}
        number = len(pulls) + 1
        pull = {
            "number": number,
            "state": "open",
            "title": body["title"],
            "body": body["body"],
            "html_url": f"https://github.com/{repository}/pull/{number}",
            "head": {"ref": head, "label": f"{self.owner}:{head}"},
            "base": {"ref": body["base"]},
        }
        pulls.append(pull)
        return 201, pull


def _is_listed(pull: dict[str, Any], query: dict[str, str]) -> bool:
    return (
        query.get("state", "open") in (pull["state"], "all")
        and query.get("head", pull["head"]["label"]) == pull["head"]["label"]
        and query.get("base", pull["base"]["ref"]) == pull["base"]["ref"]
    )
