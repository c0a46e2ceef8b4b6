"""catalogue/fleet.py as a module."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

from toolbox import ROOT

FILE = ROOT / "catalogue" / "fleet.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fleet_py", FILE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["fleet_py"] = module  # dataclasses need this entry
    spec.loader.exec_module(module)
    return module


FLEET = load()
