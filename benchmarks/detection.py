"""Compares what is found in public repositories with what a person says is there.

    .venv/bin/python benchmarks/detection.py FOLDER [LABELS]

`FOLDER` holds clones of the repositories that `tests/detection/labels` names, each as
`OWNER+NAME/repo` or `NAME`, bare or not. What is there is read at the labels' commit. Prints, for
each code type, how much of what was found is right (precision) and how much of what is there was
found (recall), the same for edges, and each difference. If a label is unsure about something, that
is not counted. `LABELS` is a folder to use instead of `tests/detection/labels`, as its `held-out`.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "extensions"))

from pipeline.catalogue import load_catalogue  # noqa: E402
from pipeline.detection import find_components  # noqa: E402
from pipeline.found_edges import find_edges  # noqa: E402
from pipeline.repository_files import CHARACTERS, RepositoryFiles  # noqa: E402

LABELS = ROOT / "tests" / "detection" / "labels"


def reader(clone: Path, commit: str) -> Callable[[str], str]:
    """Reads files of a commit by one git process."""
    git = subprocess.Popen(
        ["git", "-C", str(clone), "cat-file", "--batch"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert git.stdin and git.stdout

    def read(name: str) -> str:
        assert git.stdin and git.stdout
        git.stdin.write(f"{commit}:{name}\n".encode())
        git.stdin.flush()
        about = git.stdout.readline().split()
        if about[-1] == b"missing":
            return ""
        text = git.stdout.read(int(about[2]) + 1)[:-1]
        return text.decode(errors="ignore")[:CHARACTERS]

    return read


def repository(label: dict[str, Any], folder: Path) -> RepositoryFiles | None:
    """The files of the labels' commit; None if there is no clone."""
    owner, _, name = label["repository"].partition("/")
    for clone in (folder / f"{owner}+{name}" / "repo", folder / name):
        if clone.exists() and "commit" in label:
            tree = ["git", "-C", str(clone), "ls-tree", "-r", "-z", "--name-only", label["commit"]]
            names = subprocess.run(tree, check=True, capture_output=True).stdout.decode()
            return RepositoryFiles(names.split("\0")[:-1], reader(clone, label["commit"]), name)
    return None


def take_another_answer(
    component: dict[str, Any],
    got: set[str],
    wanted: set[str],
    unsure: set[str],
    arrows: set[tuple[str, str]],
) -> None:
    """If a list in `or` has what was found, that list is the right answer, also for edges."""
    kind, path = component["code_type"], component["path"]
    label = f"{kind} {path}"
    for several in component.get("or", []) if label not in got else []:
        names = [f"{kind} {other}" for other in several]
        if set(names) <= got:
            wanted -= {label}
            wanted |= set(names)
            unsure -= set(names)
            other = {edge for edge in arrows if label in edge}
            arrows -= other
            first = {label: names[0]}
            arrows |= {(first.get(c, c), first.get(p, p)) for c, p in other}
            return


def main(folder: Path, labels: Path = LABELS) -> None:
    catalogue = load_catalogue(ROOT)
    right, wrong, missed = Counter[str](), Counter[str](), Counter[str]()
    for file in sorted(labels.glob("*.yml")):
        label = yaml.safe_load(file.read_text(encoding="utf-8"))
        files = repository(label, folder)
        if files is None:
            continue
        start = time.perf_counter()
        found = find_components(files, catalogue.code_types)
        edges = find_edges(files, found)
        seconds = time.perf_counter() - start
        known = {c.name: f"{c.code_type.name} {c.path}" for c in found}
        wanted = {f"{c['code_type']} {c['path']}" for c in label.get("components", [])}
        unsure = {f"{c['code_type']} {c['path']}" for c in label.get("unsure", [])}
        arrows = {(e["consumer"], e["producer"]) for e in label.get("edges", [])}
        doubtful = {(e["consumer"], e["producer"]) for e in label.get("unsure_edges", [])}
        got = set(known.values())
        for component in label.get("components", []):
            take_another_answer(component, got, wanted, unsure, arrows)
        got_arrows = {(known[e.consumer], known[e.producer]) for e in edges}
        print(f"\n{file.stem}: {len(found)} components, {len(got_arrows)} edges, {seconds:.2f} s")
        for what in sorted(got | wanted):
            if what in unsure:
                continue
            kind = what.split()[0]
            right[kind] += what in got & wanted
            wrong[kind] += what in got - wanted
            missed[kind] += what in wanted - got
            if what not in got & wanted:
                print(f"  {'not there' if what in got else 'missed'}: {what}")
        for edge in sorted(got_arrows | arrows):
            if edge in doubtful or (unsure & set(edge) and edge not in arrows):
                continue
            right["edges"] += edge in got_arrows & arrows
            wrong["edges"] += edge in got_arrows - arrows
            missed["edges"] += edge in arrows - got_arrows
            if edge not in got_arrows & arrows:
                kind = "not there" if edge in got_arrows else "missed"
                print(f"  {kind}: {edge[0]} needs {edge[1]}")
    print("\n| | there | found | precision | recall |\n| --- | --- | --- | --- | --- |")
    for kind in sorted({*right, *wrong, *missed}):
        there, number = right[kind] + missed[kind], right[kind] + wrong[kind]
        precision = f"{right[kind] / number:.2f}" if number else "-"
        recall = f"{right[kind] / there:.2f}" if there else "-"
        print(f"| {kind} | {there} | {number} | {precision} | {recall} |")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
