"""Functions that the engine's scripts share: git with a token, outputs and errors of a step.

Standard library only, for Python 3.11.4 or newer: these scripts run in jobs with an App's token.
"""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

CATALOGUE = Path(__file__).resolve().parent.parent / "catalogue.toml"
ANSWERS_FILE = ".copier-answers.yml"
ANSWERS_FILES = r"\.copier-answers(?!.*\.\.)([.-][A-Za-z0-9._-]{1,40})?\.ya?ml"
"""The allowed names of an answers file; the group is the part that differs."""

BRANCH = "update-pipelines"


class EngineError(Exception):
    """One line: the place, the cause, the fix."""


def run(main: Callable[[], None], title: str = "The pipelines were not copied") -> None:
    """Run a script; an EngineError becomes one red line and exit code 1."""
    try:
        main()
    except EngineError as error:
        command("error", str(error), title=title)
        summary(f"❌ {plain(str(error))}")
        sys.exit(1)


def command(name: str, text: str, title: str = "") -> None:
    """Prints a workflow command. Its text may contain anything."""
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    print(f"::{name}{f' title={title}' if title else ''}::{text}", flush=True)


def show(text: str) -> None:
    """Print untrusted lines. The bar prevents the runner from reading one as a command."""
    for line in text.splitlines():
        print(f"  | {line}", flush=True)


def plain(text: str) -> str:
    """Untrusted text for Markdown, in one line: no mentions, no HTML, no links."""
    text = re.sub(r"([\\`*_{}\[\]<>#|~!@&])", r"\\\1", " ".join(text.split()))
    return text.replace("\\@", "@\u200b").replace("://", "\\://").replace("www.", "www\\.")


def output(**values: str) -> None:
    """Outputs of the step. Each is one line."""
    with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as file:
        for name, value in values.items():
            if "\n" in value or "\r" in value:
                raise EngineError(f"{name}: has more than one line")
            file.write(f"{name}={value}\n")


def summary(text: str) -> None:
    with Path(os.environ["GITHUB_STEP_SUMMARY"]).open("a", encoding="utf-8") as file:
        file.write(f"{text}\n")


def template_address(catalogue: Path = CATALOGUE) -> str:
    """The address of the only template that is run."""
    try:
        address = tomllib.loads(catalogue.read_text(encoding="utf-8"))["template"]
    except (OSError, tomllib.TOMLDecodeError, KeyError) as error:
        raise EngineError(f"{catalogue.name}: has no `template`: {error}") from None
    if not isinstance(address, str) or "/OWNER/" in address or place_of(address) is None:
        raise EngineError(
            f"{catalogue.name}: `template` is no address of a template; write the one of yours, "
            "as https://github.com/acme/copier-orchestrator.git"
        )
    return address


def for_git(address: str) -> str:
    """An address as git takes it, without the short forms of Copier."""
    text = address.strip().removeprefix("git+")
    for short, host in (("gh:", "github.com"), ("gl:", "gitlab.com")):
        if text.startswith(short):
            return f"https://{host}/{text.removeprefix(short).lstrip('/')}"
    return text


def place_of(address: str) -> tuple[str, str] | None:
    """The host and path of a template, for every spelling of the address; None if it is no address.

    `https://github.com/acme/x.git`, `git@github.com:acme/x` and `gh:acme/x` are one place.
    """
    text = for_git(address)
    url = re.fullmatch(r"(?:https?|ssh|git|file)://(?:[^/@]+@)?([^/]*)/(.+)", text)
    scp = re.fullmatch(r"(?:[^/@:\s]+@)?([^/:\s]{2,}):(?!//)(.+)", text)
    found = url or scp
    if not found:
        return None
    host = re.sub(r":\d+$", "", found[1].lower()).removeprefix("www.").removeprefix("ssh.")
    return host, found[2].strip("/").removesuffix(".git").lower()


def git(*arguments: str, cwd: Path, token: str = "", data: bytes | None = None) -> str:
    """The output of a git command. The token is in the environment of this one command.

    Raises EngineError with the line in which git, or GitHub, gives the reason.
    """
    done = subprocess.run(
        ["git", *arguments],
        cwd=cwd,
        input=data,
        capture_output=True,
        env={**os.environ, **git_environment(token)},
    )
    if done.returncode:
        raise EngineError(f"git {arguments[0]}: {_reason(done.stderr.decode('utf-8', 'replace'))}")
    return done.stdout.decode("utf-8", "replace").strip()


def git_environment(token: str) -> dict[str, str]:
    """Settings of git for one command. The token is in no argument and in no file."""
    settings = {"core.hooksPath": os.devnull, "core.quotePath": "false"}
    if token:
        basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        server = os.environ["GITHUB_SERVER_URL"]
        settings[f"http.{server}/.extraheader"] = f"AUTHORIZATION: basic {basic}"
    count = int(os.environ.get("GIT_CONFIG_COUNT", "0"))
    variables = {"GIT_TERMINAL_PROMPT": "0", "GIT_LFS_SKIP_SMUDGE": "1"}
    for key, value in settings.items():
        variables |= {f"GIT_CONFIG_KEY_{count}": key, f"GIT_CONFIG_VALUE_{count}": value}
        count += 1
    return {**variables, "GIT_CONFIG_COUNT": str(count)}


def _reason(printed: str) -> str:
    """The part of git's output that a person needs: GitHub's message, and git's last line."""
    lines = [" ".join(line.split()) for line in printed.splitlines() if line.strip()]
    said = [line.removeprefix("remote: ") for line in lines if line.startswith("remote: ")]
    if re.search("stale info|cannot lock ref", printed):
        return "somebody else has pushed at the same moment; start the run again"
    refused = [line for line in lines if "rejected]" in line]
    fatal = [line for line in lines if line.startswith(("fatal:", "error:"))]
    return "; ".join([*said[-2:], *(refused[:1] or fatal[:1] or lines[:1])]) or "failed"
