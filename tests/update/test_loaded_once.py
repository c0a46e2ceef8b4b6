"""The template's Python is loaded once for each version, even from another folder."""

from __future__ import annotations

import importlib.util
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest
from copies import export_template
from updates import replace


def load(template: Path) -> ModuleType:
    """The package, loaded as in a render of Copier."""
    file = template / "extensions" / "orchestrator.py"
    spec = importlib.util.spec_from_file_location("orchestrator_of_a_render", file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    package: ModuleType = module.load_pipeline()
    return package


def test_the_same_version_is_loaded_once(tmp_path: Path) -> None:
    first, second = (load(export_template(tmp_path / name)) for name in ("first", "second"))
    assert first is second


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("extensions/pipeline/environments.py", "RETENTION = 30", "RETENTION = 31"),
        ("code_types/python.yml", "label: ", "label: Another "),
        ("clouds/aws.yml", "\n", "\n\n"),
        ("copier.yml", "lstrip_blocks: true", "lstrip_blocks: false"),
    ],
    ids=["Python", "code type", "cloud", "Jinja's settings"],
)
def test_another_version_is_another_package(file: str, old: str, new: str, tmp_path: Path) -> None:
    first, second = (export_template(tmp_path / name) for name in ("first", "second"))
    replace(file, old, new)(second)
    assert load(first) is not load(second)


def test_a_failed_load_is_not_reused(tmp_path: Path) -> None:
    template = export_template(tmp_path / "template")
    broken = template / "extensions" / "pipeline" / "for_copier" / "rendering.py"
    text = broken.read_text(encoding="utf-8")
    broken.write_text(f"{text}\nimport there_is_no_such_module\n", encoding="utf-8")
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError, match="there_is_no_such_module"):
            load(template)
    assert sys.dont_write_bytecode is False


def test_threads_share_one_package(tmp_path: Path) -> None:
    """The second thread starts while the first has loaded half of the package."""
    template = export_template(tmp_path / "template")
    half = template / "extensions" / "pipeline" / "for_copier" / "rendering.py"
    text = half.read_text(encoding="utf-8")
    half.write_text(f"{text}\nimport time\ntime.sleep(0.3)\n", encoding="utf-8")
    with ThreadPoolExecutor() as threads:
        first = threads.submit(load, template)
        time.sleep(0.1)
        second = threads.submit(load, template)
        assert first.result() is second.result()
    assert sys.dont_write_bytecode is False


def test_the_lock_file_of_an_editor_is_ignored(tmp_path: Path) -> None:
    template = export_template(tmp_path / "template")
    package = load(template)
    link = template / "extensions" / "pipeline" / ".#plan.py"
    try:
        link.symlink_to("somebody@machine.1234")
    except OSError:
        pytest.skip("Windows lets no ordinary user make links")
    assert load(template) is package
