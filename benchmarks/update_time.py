"""Compares the CPU time of `copier update` with that of a static template of the same files.

    .venv/bin/python benchmarks/update_time.py [ROUNDS]

It measures two updates for each number of components: one that changes nothing, and one that adds
the last component. The static template shows the least time that Copier needs. Medians of
alternating runs, as in copy_time.py. Aim: a ratio of 1.40.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from copy_time import COMPONENTS, GIT, answers, copy, cpu_time, publish, static_template

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "extensions"), str(ROOT / "tests")]

from copies import export_template  # noqa: E402
from toolbox import script  # noqa: E402


def update(repository: Path, *arguments: str) -> float:
    """The CPU time of an update in a copy of the repository, which is thrown away."""
    target = repository.with_name(f"{repository.name}-now")
    shutil.copytree(repository, target)
    command = [script("copier"), "update", "--trust", "--defaults", "--quiet", *arguments]
    seconds = cpu_time(command, target)
    shutil.rmtree(target)
    return seconds


def add_version(template: Path, rendered: Path) -> None:
    """v2 of a static template holds these files."""
    for file in rendered.rglob("*"):
        target = template / "template" / file.relative_to(rendered)
        if file.is_file() and file.name != ".copier-answers.yml":
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
    subprocess.run([*GIT, "-C", template, "add", "--all"], check=True)
    subprocess.run([*GIT, "-C", template, "commit", "--quiet", "--message", "v2"], check=True)


def main(rounds: int) -> None:
    print(f"{'components':>10} {'update':>8} {'static':>8} {'ours':>8} {'ratio':>6}")
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        ours = publish(export_template(work / "ours"))
        for number in COMPONENTS:
            data = {n: work / f"{n}.yml" for n in (number - 1, number)}
            for n, file in data.items():
                file.write_text(yaml.safe_dump(answers(n)), encoding="utf-8")
                copy(ours, work / f"rendered-{number}-{n}", f"--data-file={file}")
            before, after = (work / f"rendered-{number}-{n}" for n in data)
            for what, start in (("nothing", after), ("adds", before)):
                static = static_template(start, work / f"static-{number}-{what}")
                made = {"static": work / f"from-static-{number}-{what}", "ours": start}
                copy(static, made["static"])
                for repository in made.values():
                    if not (repository / ".git").exists():
                        publish(repository)
                extra: dict[str, list[str]] = {"static": [], "ours": ["--vcs-ref=:current:"]}
                if what == "adds":
                    add_version(static, after)
                    subprocess.run([*GIT, "-C", static, "tag", "v2.0.0"], check=True)
                    extra["ours"].append(f"--data-file={data[number]}")
                times: dict[str, list[float]] = {"static": [], "ours": []}
                for _ in range(rounds):
                    for kind, repository in made.items():
                        times[kind].append(update(repository, *extra[kind]))
                low, high = (statistics.median(times[kind]) for kind in ("static", "ours"))
                print(f"{number:>10} {what:>8} {low:>7.2f}s {high:>7.2f}s {high / low:>6.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
