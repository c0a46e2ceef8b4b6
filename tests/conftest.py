"""Fixtures that every kind of proof shares."""

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

# Containers often forbid bytecode files; the tests start hundreds of processes that want them.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# After many a command git starts others that look whether it should tidy up: never, in a test.
# And each new repository gets a dozen files that only show how hooks are written.
os.environ.update(
    GIT_TEMPLATE_DIR="",
    GIT_CONFIG_COUNT="2",
    **{"GIT_CONFIG_KEY_0": "maintenance.auto", "GIT_CONFIG_VALUE_0": "false"},
    **{"GIT_CONFIG_KEY_1": "gc.auto", "GIT_CONFIG_VALUE_1": "0"},
)

MEMORY = Path("/dev/shm")
"""Linux' file system in memory: the tests make and delete a hundred thousand small files, and ext4
looks at each file that was deleted in the last minutes before it makes a new one."""

ENOUGH = 3 * 2**30
"""All that is there at one time stays below a third of this."""

if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ENOUGH:
    # pytest's own variable, and everybody's: Copier clones templates there, and jobs use it, too.
    # A person who has set them has another place in mind.
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
    os.environ.setdefault("TMPDIR", str(MEMORY))
    tempfile.tempdir = None  # pytest has asked for it before

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
"""Folders of proofs, the quick ones first: what is plainly wrong shows at once."""


@pytest.hookimpl(tryfirst=True)  # before Hypothesis looks at it
def pytest_configure(config: pytest.Config) -> None:
    # It decides only for tests that do not make the same examples every time.
    if config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = str(SEED)
    # At its end each process would look five times for errors in what is left, which takes seconds
    # and could only warn.
    config.stash[gc_collect_iterations_key] = 0


def pytest_report_header() -> str:
    return f"fresh random examples: RANDOM_SEED={SEED} makes them again"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Files that lie in no folder test the tools of the tests; everything else rests on those.
    def place(item: pytest.Item) -> int:
        return SLOW_LAST.index(item.path.parent.name) if item.path.parent.name in SLOW_LAST else -1

    items.sort(key=place)


TOGETHER = ("/test_determinism.py", "/running/test_only_changed.py", "/catalogue/test_engine.py")
"""Files whose tests share what takes seconds to make; and all of updates, for versions in git."""


class Together(LoadScopeScheduling):
    """One worker makes what is dear, and has it for all proofs.

    pytest-xdist's own marks (`xdist_group`) do nothing: pytest 9 overlooks what it makes of them.
    """

    def _split_scope(self, nodeid: str) -> str:
        """The group of a test."""
        file, _, rest = nodeid.partition("::")
        if file.endswith(TOGETHER) or ("tests/update/" in file and "equals_copy" not in file):
            return file
        if "tests/generated/" in file and rest.endswith("]"):
            # The answer set; those of everything share most of what is read.
            return re.sub(r"^(everything)-.*", r"\1", rest.partition("[")[2])
        return nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together | None:
    return Together(config, log) if config.getvalue("dist") == "loadgroup" else None


def pytest_collection_finish() -> None:
    """Let the garbage collector skip the tests and their modules, which stay until the end anyway.

    It looks through the rest less often, too: most of what is new goes without it.
    """
    gc.freeze()
    gc.set_threshold(200_000, 50, 100)


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """A function that makes a folder once for all workers. No test may write to it.

    If two workers need the folder at the same moment, both make it, and one of the two is taken.
    """
    base = tmp_path_factory.getbasetemp()
    # The folders of all workers of a run lie in one.
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "once"

    def get(what: object, make: Callable[[Path], object]) -> Path:
        text = json.dumps(what, sort_keys=True)
        folder = shared / hashlib.sha256(text.encode()).hexdigest()[:16]
        if not folder.exists():
            mine = tmp_path_factory.mktemp("once-mine")
            make(mine / "repository")
            shared.mkdir(exist_ok=True)
            with contextlib.suppress(OSError):  # another one was quicker
                mine.rename(folder)
        return folder / "repository"

    return get


@pytest.fixture(scope="session")
def template(once: Once) -> Path:
    """The template as a user's Copier sees it."""
    return once("template", export_template)


@pytest.fixture(scope="session")
def copied(template: Path, once: Once) -> Copied:
    """A copy with these answers, made once: not to be written to."""
    return lambda answers: once(["copy", answers], lambda folder: copy(template, folder, answers))
