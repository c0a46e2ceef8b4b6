"""Fixtures that all tests share."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from _pytest.unraisableexception import gc_collect_iterations_key
from copies import Copied, Once, copy, export_template
from seeds import SEED
from xdist.scheduler import LoadScopeScheduling

# Containers often forbid bytecode files. The tests start hundreds of processes, which start faster
# with these files.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# After many commands git starts processes that check whether to clean up. Tests do not need them.
# Nor do they need the dozen sample hooks that git copies into each new repository.
os.environ.update(
    GIT_TEMPLATE_DIR="",
    GIT_CONFIG_COUNT="2",
    **{"GIT_CONFIG_KEY_0": "maintenance.auto", "GIT_CONFIG_VALUE_0": "false"},
    **{"GIT_CONFIG_KEY_1": "gc.auto", "GIT_CONFIG_VALUE_1": "0"},
)

MEMORY = Path("/dev/shm")
"""The file system in memory of Linux. The tests make and delete a hundred thousand small files, and
ext4 looks at each file that was deleted in the last minutes before it makes a new one."""

ENOUGH = 3 * 2**30
"""The free space that a run needs. It never uses more than a third of this at one time."""

if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ENOUGH:
    # The first variable is pytest's own. The second is for all programs: Copier clones templates
    # there, and jobs use it, too. Values that a person has set are kept.
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
    os.environ.setdefault("TMPDIR", str(MEMORY))
    tempfile.tempdir = None  # forgets the folder that pytest has asked for

SLOW_LAST = (
    *(
        "pipeline",
        "answers",
        "hook",
        "update",
        "adopting",
        "drift",
        "generated",
        "oracle",
        "detection",
    ),
    *("only_changed", "order", "catalogue", "real_commands", "running", "mutations"),
)
"""Folders of tests, the quick ones first, so that plain errors show early."""


@pytest.hookimpl(tryfirst=True)  # before Hypothesis looks at it
def pytest_configure(config: pytest.Config) -> None:
    # The seed counts only for tests that are not set to make the same examples every time.
    if config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = str(SEED)
    # At its end each process would collect garbage five times to find errors in destructors. That
    # takes seconds, and could only lead to warnings.
    config.stash[gc_collect_iterations_key] = 0


def pytest_report_header() -> str:
    return f"fresh random examples: RANDOM_SEED={SEED} makes them again"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Files directly in tests/ run first: they test the tools that all other tests use.
    def place(item: pytest.Item) -> int:
        return SLOW_LAST.index(item.path.parent.name) if item.path.parent.name in SLOW_LAST else -1

    items.sort(key=place)


TOGETHER = (
    *("/test_determinism.py", "/test_validators_are_silent.py", "/running/test_only_changed.py"),
    *("/running/test_plans.py", "/catalogue/test_engine.py"),
)
"""Files whose tests share something that takes seconds to make. `Together` adds tests/update, whose
tests share the versions of the template in git."""


class Together(LoadScopeScheduling):
    """Gives tests that share something expensive to the same worker, which makes it only once.

    The marks of pytest-xdist (`xdist_group`) cannot do this: they have no effect with pytest 9.
    """

    def _split_scope(self, nodeid: str) -> str:
        """The group of a test."""
        file, _, rest = nodeid.partition("::")
        if file.endswith(TOGETHER) or ("tests/update/" in file and "equals_copy" not in file):
            return file
        if "tests/generated/" in file and rest.endswith("]"):
            # The name of the answer set. The sets `everything-*` share most of what they read.
            return re.sub(r"^(everything)-.*", r"\1", rest.partition("[")[2])
        return nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together | None:
    return Together(config, log) if config.getvalue("dist") == "loadgroup" else None


def pytest_collection_finish() -> None:
    """Let the garbage collector skip the tests and their modules, which stay until the end anyway.

    It also runs less often, because most objects are freed without it.
    """
    gc.freeze()
    gc.set_threshold(200_000, 50, 100)


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """A function that makes a folder once for all workers. No test may write to it.

    If two workers need the folder at the same moment, both make it, and one of the two is kept.
    """
    base = tmp_path_factory.getbasetemp()
    # A run has one folder, which contains the folders of all workers.
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "once"

    def get(what: object, make: Callable[[Path], object]) -> Path:
        text = json.dumps(what, sort_keys=True)
        folder = shared / hashlib.sha256(text.encode()).hexdigest()[:16]
        if not folder.exists():
            mine = tmp_path_factory.mktemp("once-mine")
            make(mine / "repository")
            shared.mkdir(exist_ok=True)
            with contextlib.suppress(OSError):  # another worker was quicker
                mine.rename(folder)
        return folder / "repository"

    return get


@pytest.fixture(scope="session")
def template(once: Once) -> Path:
    """The template as a user's Copier sees it."""
    return once("template", export_template)


@pytest.fixture(scope="session")
def copied(template: Path, once: Once) -> Copied:
    """Returns a copy with the given answers. Each copy is made once, so no test may write to it."""
    return lambda answers: once(["copy", answers], lambda folder: copy(template, folder, answers))
