"""The parts of Copier that are used here and are not its public interface.

A newer Copier may not have them. Then a line on stderr says what is missing, and what follows.
"""

from __future__ import annotations

import importlib
import sys
from contextvars import ContextVar
from types import ModuleType

WARNED = "copier_orchestrator_warned"
"""An entry of `sys.modules` that holds the warnings so far: a process loads this file again for
each render, and shows a warning once."""


def is_update() -> bool:
    """Whether Copier runs an update. Copier tells tasks so, but not questions.

    Without Copier's variable every run counts as a copy: an answer that somebody edited by hand is
    not noticed.
    """
    operation = _variable("copier._main", "_operation")
    if operation is None:
        _warn(
            "copier: this version does not say whether it updates (copier._main._operation), so "
            "answers that were edited by hand are not noticed; use Copier 9.19, or a newer "
            "version of the template"
        )
        return False
    return bool(operation.get("") == "update")


def _variable(module: str, name: str) -> ContextVar[str] | None:
    """A context variable of a module; None if it has none of that name."""
    try:
        variable = getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None
    return variable if isinstance(variable, ContextVar) else None


def _warn(line: str) -> None:
    """Print a line on stderr, once for each process."""
    shown = sys.modules.setdefault(WARNED, ModuleType(WARNED)).__dict__.setdefault("lines", set())
    if line not in shown:
        shown.add(line)
        print(line, file=sys.stderr)
