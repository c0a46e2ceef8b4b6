"""Runs Copier, and with it the template's code, on the clones of fetch.py. It has no token.

It is called with the folder of fetch.py and a folder for the result: `change.patch`, and
`report.json` for the pull request. It needs Copier and Copier's dependencies.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
from common import (
    ANSWERS_FILE,
    ANSWERS_FILES,
    EngineError,
    for_git,
    git,
    output,
    place_of,
    plain,
    run,
    show,
    summary,
    template_address,
)

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
KEPT = ("PATH", "LANG", "TMPDIR", "UV_CACHE_DIR", "VIRTUAL_ENV", "SSL_CERT_FILE")
"""The variables of this job that the template's code gets."""


NOT_YAML = (
    yaml.YAMLError,
    ValueError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
"""What PyYAML raises: its own errors, and errors of Python, for `!!int ''` or `!!bool x`."""


def read_yaml(text: str, place: str) -> Any:
    """The text, parsed. Raises EngineError, which begins with the place."""
    try:
        return yaml.safe_load(text)
    except NOT_YAML as error:
        reason = " ".join(str(error).split())
        if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
            reason = f"line {error.problem_mark.line + 1}: {error.problem}"
        raise EngineError(f"{place}: is not YAML: {reason}") from None


def read_answers(text: str) -> dict[str, Any]:
    """The answers of the run's input. Raises EngineError."""
    answers = read_yaml(text, "answers")
    if answers is None:
        return {}
    if not isinstance(answers, dict):
        raise EngineError("answers: is no mapping; write a line `name: value` for each answer")
    for name in answers:
        if not isinstance(name, str) or name.startswith("_"):
            raise EngineError(f"answers: {name!r} is no answer; leave it out")
    return answers


def answers_files(repository: Path) -> dict[str, dict[str, Any]]:
    """The answers files that name a template, with their content."""
    found = {}
    for file in sorted(repository.iterdir()):
        if not re.fullmatch(ANSWERS_FILES, file.name) or file.is_symlink() or not file.is_file():
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        stored = read_yaml(text, file.name)
        if isinstance(stored, dict) and isinstance(stored.get("_src_path"), str):
            found[file.name] = stored
    return found


def choose_answers_file(
    mode: str, wanted: str, found: dict[str, dict[str, Any]], address: str
) -> str:
    """The answers file that this run writes. Raises EngineError."""
    # No other template is run, whatever a repository names.
    mine = [name for name in found if place_of(found[name]["_src_path"]) == place_of(address)]
    names = ", ".join(mine)

    def of_another(name: str) -> EngineError:
        source = re.sub(r"//[^/@\s]+@", "//", found[name]["_src_path"])
        return EngineError(
            f"answers_file: {name} names the template {source}; if that template is now at "
            f"{address}, write this in the line `_src_path`, commit, and start mode update"
        )

    if mode == "copy":
        name = wanted or ANSWERS_FILE
        if name in mine or (not wanted and mine):
            raise EngineError(
                f"mode: there are pipelines already ({names}); start it with mode update, or with "
                "mode update-answers and the answers that change"
            )
        if name in found:  # a copy would lose its answers
            raise of_another(name)
        return name
    if wanted and wanted not in found:
        raise EngineError(
            f"answers_file: {wanted} is not there; the repository has {names or 'none'}"
        )
    if wanted and wanted not in mine:
        raise of_another(wanted)
    if found and not mine:
        raise of_another(ANSWERS_FILE if ANSWERS_FILE in found else next(iter(found)))
    if not mine:
        raise EngineError(
            f"mode: the repository has no answers file of {address}; start it with mode copy"
        )
    if not wanted and len(mine) > 1:
        raise EngineError(f"answers_file: there are several, {names}; say which one")
    return wanted or names


def check_version(version: str, template: Path) -> None:
    """Raises EngineError if the template does not have this version."""
    commit = f"{version}^{{commit}}"
    try:
        git("rev-parse", "--verify", "--quiet", "--end-of-options", commit, cwd=template)
    except EngineError:
        tags = git("tag", "--sort=-version:refname", cwd=template).split()
        has = f"; the newest are {', '.join(tags[:3])}" if tags else ""
        raise EngineError(f"version: the template has no {version}{has}") from None


def copier(
    mode: str, answers_file: str, version: str, data: Path | None, address: str
) -> list[str]:
    """Copier's command."""
    # -P: Copier does not import a file `yaml.py` of the repository.
    command = [sys.executable, "-P", "-m", "copier", "copy" if mode == "copy" else "update"]
    command += ["--trust", "--defaults", "--quiet", "--answers-file", answers_file]
    if mode == "update":
        command.append("--skip-answered")
    if data:
        command += ["--data-file", str(data)]
    if version or mode == "update-answers":
        command += ["--vcs-ref", version or ":current:"]
    return [*command, address, "."] if mode == "copy" else command


def environment(template: Path, addresses: set[str], home: Path) -> dict[str, str]:
    """Few variables, and git settings that map these addresses to the clone and allow no other.

    So only the fetched template runs, and a private template needs no token here.
    """
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    bare = {for_git(address).removesuffix(".git") for address in addresses}
    forms = [f"{form}{end}" for form in sorted(bare) for end in (".git", "")]
    settings = [(f"url.{template.as_uri()}.insteadOf", form) for form in forms]
    settings.append(("user.name", "copy-pipelines"))
    settings.append(("user.email", "copy-pipelines@users.noreply.github.com"))
    variables = {"GIT_CONFIG_COUNT": str(len(settings)), "GIT_ALLOW_PROTOCOL": "file"}
    for number, (key, value) in enumerate(settings):
        variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return {**kept, **variables, "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"}


def reason(printed: str) -> str:
    """The line with the error: the template's own, or the last line of a traceback."""
    lines = [line.rstrip() for line in ANSI.sub("", printed).splitlines() if line.strip()]
    if any(line.startswith("Traceback ") for line in lines):
        # git's message is below the error's name.
        errors = [line for line in lines if re.match(r"[\w.]*(?:Error|Exception)\b", line)]
        fatal = [line[line.index("fatal: ") :] for line in lines if "fatal: " in line]
        return f"Copier failed: {[*fatal, *errors, lines[-1]][0]}"
    return "; ".join(" ".join(line.split()) for line in lines) or "Copier failed without a message"


def stored_version(repository: Path, answers_file: str) -> str:
    text = (repository / answers_file).read_text(encoding="utf-8")
    return str(read_yaml(text, answers_file).get("_commit", ""))


def main() -> None:
    source, result = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    inputs = json.loads(os.environ["INPUTS"])
    mode, version = inputs["mode"], inputs.get("version", "")
    name, address = os.environ["NAME"], template_address()
    repository, template = source / name, source / "template.git"
    answers = read_answers(inputs.get("answers", ""))
    found = answers_files(repository)
    answers_file = choose_answers_file(mode, inputs.get("answers_file", ""), found, address)
    stored = found.get(answers_file, {})
    if version:
        check_version(version, template)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "answers.yml"
        if answers:
            data.write_text(yaml.safe_dump(answers, sort_keys=False), encoding="utf-8")
        done = subprocess.run(
            copier(mode, answers_file, version, data if answers else None, address),
            cwd=repository,
            env=environment(template, {address, stored.get("_src_path", address)}, Path(folder)),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )
    said, wrong = ANSI.sub("", done.stdout), ANSI.sub("", done.stderr)
    conflicts = git("diff", "--name-only", "--diff-filter=U", cwd=repository).splitlines()
    if done.returncode and not conflicts:
        print("::group::What Copier said")
        show(said + wrong)
        print("::endgroup::")
        raise EngineError(reason(wrong or said))
    show(said + wrong)
    # In a fresh clone, every ignored file comes from the template.
    git("add", "--all", "--force", cwd=repository)
    changed = git("diff", "--cached", "--name-status", "--no-renames", cwd=repository).splitlines()
    now = stored_version(repository, answers_file)
    output(changed="true" if changed else "false")
    if not changed:
        summary(f"Nothing to do: {plain(name)} already matches its answers, at {plain(now)}.")
        return
    result.mkdir(parents=True)
    patch = ("--binary", "--full-index", "--no-renames", f"--output={result / 'change.patch'}")
    git("diff", "--cached", *patch, cwd=repository)
    report = {
        "mode": mode,
        "answers_file": answers_file,
        "before": str(stored.get("_commit", "")),
        "now": now,
        "conflicts": conflicts,
        "changed": [line.split("\t", 1) for line in changed],
        "said": said if not conflicts else said + wrong,
    }
    (result / "report.json").write_text(json.dumps(report), encoding="utf-8")


if __name__ == "__main__":
    run(main)
