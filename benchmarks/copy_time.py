"""Compares the CPU time of `copier copy` with that of a static template of the same files.

    .venv/bin/python benchmarks/copy_time.py [ROUNDS]

The static template shows the least time that Copier needs: it has the same files, and renders
nothing. Both templates are git repositories with a tag, as users have them. Copier clones them for
each run, so there is no bytecode in them. Runs alternate, so that a slow moment of the machine
affects both. The medians of the time of all processes together, user and system, are compared. Aim:
a ratio of 1.25.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "extensions"), str(ROOT / "tests")]

from copies import export_template  # noqa: E402
from toolbox import script  # noqa: E402

COMPONENTS = (3, 30, 49)
GIT = ("git", "-c", "user.name=benchmark", "-c", "user.email=benchmark@example.invalid")


def answers(number: int) -> dict[str, Any]:
    """Components in a chain of pairs, each with all jobs and a package that is placed."""
    components = {
        f"part-{index:02}": {
            "code_type": "python",
            "path": f"parts/{index:02}",
            "deploy": "make deploy",
        }
        for index in range(number)
    }
    names = list(components)
    edges = [
        {"code_type": after, "depends_on": before}
        for before, after in zip(names[::2], names[1::2], strict=False)
    ]
    answers = {"project_name": "benchmark", "components": components, "dependency_map": edges}
    # `call` takes no more than 50 workflows in one run.
    return answers | ({"orchestration": "dispatch"} if number > 20 else {})


def publish(folder: Path) -> Path:
    """Make the folder a git repository with a version."""
    subprocess.run([*GIT, "init", "--quiet", folder], check=True)
    subprocess.run([*GIT, "-C", folder, "add", "--all"], check=True)
    subprocess.run([*GIT, "-C", folder, "commit", "--quiet", "--message", "v1"], check=True)
    subprocess.run([*GIT, "-C", folder, "tag", "v1.0.0"], check=True)
    return folder


def copy(template: Path, destination: Path, *arguments: str) -> float:
    """The CPU time of a copy, in seconds."""
    command = [script("copier"), "copy", "--trust", "--defaults", "--quiet", *arguments]
    return cpu_time([*command, template, destination])


def cpu_time(command: Sequence[str | Path], folder: Path | None = None) -> float:
    """Seconds of a command and the processes that it starts, user and system."""
    # As users have it: Python writes bytecode.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return used.ru_utime + used.ru_stime


def static_template(rendered: Path, folder: Path) -> Path:
    """A template that copies what was rendered, and writes an answers file."""
    shutil.copytree(rendered, folder / "template")
    (folder / "template" / ".copier-answers.yml").unlink()
    answers_file = folder / "template" / "{{ _copier_conf.answers_file }}.jinja"
    answers_file.write_text("{{ _copier_answers|to_nice_yaml }}", encoding="utf-8")
    (folder / "copier.yml").write_text("_subdirectory: template\n", encoding="utf-8")
    return publish(folder)


def main(rounds: int) -> None:
    print(f"{'components':>10} {'files':>6} {'static':>8} {'ours':>8} {'ratio':>6}")
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        ours = publish(export_template(work / "ours"))
        for number in COMPONENTS:
            data = work / f"{number}.yml"
            data.write_text(yaml.safe_dump(answers(number)), encoding="utf-8")
            rendered = work / f"rendered-{number}"
            copy(ours, rendered, f"--data-file={data}")
            static = static_template(rendered, work / f"static-{number}")
            times: dict[str, list[float]] = {"static": [], "ours": []}
            for index in range(rounds):
                target = work / f"copy-{number}-{index}"
                times["static"].append(copy(static, target / "static"))
                times["ours"].append(copy(ours, target / "ours", f"--data-file={data}"))
            low, high = (statistics.median(times[kind]) for kind in ("static", "ours"))
            files = sum(file.is_file() for file in rendered.rglob("*"))
            print(f"{number:>10} {files:>6} {low:>7.2f}s {high:>7.2f}s {high / low:>6.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
