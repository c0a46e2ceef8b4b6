"""What was read and computed already: everything is computed once, however often Copier asks.

What follows from the template and from answers is kept for all renders of an update: each version
of the template has its own module (see extensions/orchestrator.py).
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import yaml
from copier.errors import UserMessageError
from jinja2 import Environment

from .. import catalogue, repository_files
from ..answers import Answers, read_answers
from ..catalogue import Catalogue
from ..errors import AnswerError
from ..plan import Plan, make_plan
from ..proposal import Proposal
from ..repository_files import RepositoryFiles

KEPT = 500
"""The most answers and plans that are kept: a process may render thousands of repositories."""


class Memory:
    """Of one render, which has one Jinja environment."""

    _catalogues: ClassVar[list[Catalogue]] = []
    _answers: ClassVar[dict[bytes, Answers]] = {}
    _plans: ClassVar[dict[int, tuple[Answers, Plan]]] = {}
    """By the identity of the answers, which are kept beside the plan for that."""
    _yaml: ClassVar[dict[str, Any]] = {}

    def __init__(self, template: Path, environment: Environment) -> None:
        self.template = template
        """The folder that holds copier.yml."""
        self.environment = environment
        self.proposals: dict[Path, Proposal] = {}
        """By destination."""
        self.accepted: set[bytes] = set()
        """The answers that `check_answers` has accepted."""
        self._files: dict[Path, RepositoryFiles] = {}
        self._told: set[str] = set()

    @property
    def catalogue(self) -> Catalogue:
        """The code types and clouds of the template."""
        if not self._catalogues:
            try:
                self._catalogues.append(catalogue.load_catalogue(self.template))
            except AnswerError as error:
                raise UserMessageError(str(error)) from None
        return self._catalogues[0]

    def read_answers(self, answers: Mapping[str, Any], asking: str = "") -> Answers:
        """The answers, checked; those after the question `asking` are still open.

        Raises AnswerError.
        """
        # Pickled, because YAML anchors make values that `repr` would unfold without end.
        key = pickle.dumps((answers, asking))
        read = self._answers.get(key)
        if read is None:
            read = read_answers(answers, self.catalogue, asking)
            _keep(self._answers, key, read)
        return read

    def problem_of(self, answers: Mapping[str, Any], asking: str = "") -> str:
        """What is wrong with the answers, or nothing."""
        try:
            self.read_answers(answers, asking)
        except AnswerError as error:
            return str(error)
        return ""

    def plan(self, answers: Answers) -> Plan:
        """The plan for answers that `read_answers` returned. Raises AnswerError."""
        kept = self._plans.get(id(answers))
        if kept is None:
            kept = answers, make_plan(answers)
            _keep(self._plans, id(answers), kept)
        return kept[1]

    def files(self, folder: Path) -> RepositoryFiles:
        """The files in a folder, listed once."""
        if folder not in self._files:
            self._files[folder] = repository_files.list_files(folder)
        return self._files[folder]

    def parse_yaml(self, text: str) -> Any:
        """What a text holds. Raises YAMLError."""
        try:
            return self._yaml[text]
        except KeyError:
            content = yaml.safe_load(text)
        _keep(self._yaml, text, content)
        return content

    def tell(self, line: str) -> None:
        """Print a line on stderr, once."""
        if line not in self._told:
            self._told.add(line)
            print(line, file=sys.stderr)


def _keep(kept: dict[Any, Any], key: Any, value: Any) -> None:
    """Keep a value; if there are too many, forget all others. Other threads may do the same."""
    if len(kept) >= KEPT:
        kept.clear()
    kept[key] = value
