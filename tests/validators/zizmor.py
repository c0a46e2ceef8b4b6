"""zizmor, offline: how a workflow could be attacked.

It uses the repository's own configuration, or else `zizmor.yml` of this folder. The persona
`regular` reports only certain findings. `auditor` reports more than all other personas, such as
permissions without a reason and jobs without a name.

Cannot find: anything that needs the network (known vulnerable, archived or impostor commits of
actions, and wrong version comments of a SHA: see `action_inputs`), cycles, unknown `needs`, and
anything that concerns two files. A file that it cannot read is reported as `unreadable`, and then
the other files are not audited.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Literal

import toolbox

from .repository import Finding, Once, Repository

Persona = Literal["regular", "pedantic", "auditor"]

# The exit codes 11 to 14 tell the severity of the worst finding; 10 is not used.
FINDINGS = range(11, 15)
_once = Once()


class UnreadableError(Exception):
    """A file cannot be read, so no file was audited."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(str(finding))
        self.finding = finding


def check(
    repository: Repository, persona: Persona = "regular", config: Path | None = None
) -> list[Finding]:
    """Audit all workflows and actions that were not audited yet, in one call."""
    config = config or _config(repository.root)
    settings = config.read_bytes()
    keys = {file: (text, persona, settings) for file, text in repository.texts.items()}
    try:
        return _once.find(keys, lambda files: _audit(repository.root, files, persona, config))
    except UnreadableError as error:  # the other files were not audited
        return [error.finding]


def _audit(root: Path, files: list[str], persona: Persona, config: Path) -> list[Finding]:
    # zizmor gets files, because in a folder it would leave out files that .gitignore names. Without
    # the strict mode it would skip an unreadable file with a warning.
    command = [
        *(toolbox.script("zizmor"), "--offline", "--strict-collection", "--format=json"),
        *("--quiet", f"--persona={persona}", f"--config={config}", *files),
    ]
    result = subprocess.run(command, cwd=root, capture_output=True, encoding="utf-8")
    if result.returncode not in (0, *FINDINGS):
        if "failed to load" not in result.stderr:
            raise RuntimeError(f"zizmor failed ({result.returncode}):\n{result.stderr}")
        reason = result.stderr.partition("Stack backtrace")[0].strip()
        file = next((file for file in files if file in reason), ".")
        raise UnreadableError(Finding("zizmor", file, 0, "unreadable", reason))
    return [_finding(found) for found in json.loads(result.stdout) if not found["ignored"]]


def _config(root: Path) -> Path:
    """The configuration that zizmor itself would use, or ours."""
    own = (root / ".github" / "zizmor.yml", root / "zizmor.yml")
    found = next((path for path in own if path.is_file()), None)
    return found.resolve() if found else Path(__file__).with_name("zizmor.yml")


def _finding(found: dict[str, Any]) -> Finding:
    places = found["locations"]
    place = next((p for p in places if p["symbolic"]["kind"] == "Primary"), places[0])
    (key,) = place["symbolic"]["key"].values()
    line = place["concrete"]["location"]["start_point"]["row"] + 1
    file = Path(key["verbatim_path"]).as_posix()
    message = f"{found['desc']}: {place['symbolic']['annotation']}"
    return Finding("zizmor", file, line, found["ident"], message)
