"""What one render has read and computed already: each thing once, however often Copier asks."""

from __future__ import annotations

import functools
import pickle
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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


class Memory:
    """Of one render, which has one Jinja environment."""

    def __init__(self, template: Path, environment: Environment) -> None:
        self.template = template
        """The folder that holds copier.yml."""
        self.environment = environment
        self.proposals: dict[Path, Proposal] = {}
        """By destination."""
        self._answers: dict[bytes, Answers] = {}
        self._plans: dict[int, Plan] = {}
        self._yaml: dict[str, Any] = {}
        self._files: dict[Path, RepositoryFiles] = {}
        self._told: set[str] = set()

    @functools.cached_property
    def catalogue(self) -> Catalogue:
        """The code types and clouds of the template."""
        try:
            return catalogue.load_catalogue(self.template)
        except AnswerError as error:
            raise UserMessageError(str(error)) from None

    def read_answers(self, answers: Mapping[str, Any], asking: str = "") -> Answers:
        """The answers, checked; those after the question `asking` are still open.

        Raises AnswerError.
        """
        # Pickled, because YAML anchors make values that `repr` would unfold without end.
        key = pickle.dumps((answers, asking))
        if key not in self._answers:
            self._answers[key] = read_answers(answers, self.catalogue, asking)
        return self._answers[key]

    def problem_of(self, answers: Mapping[str, Any], asking: str = "") -> str:
        """What is wrong with the answers, or nothing."""
        try:
            self.read_answers(answers, asking)
        except AnswerError as error:
            return str(error)
        return ""

    def plan(self, answers: Answers) -> Plan:
        """The plan for answers that `read_answers` returned. Raises AnswerError."""
        if id(answers) not in self._plans:
            self._plans[id(answers)] = make_plan(answers)
        return self._plans[id(answers)]

    def files(self, folder: Path) -> RepositoryFiles:
        """The files in a folder, listed once."""
        if folder not in self._files:
            self._files[folder] = repository_files.list_files(folder)
        return self._files[folder]

    def parse_yaml(self, text: str) -> Any:
        """What a text holds. Raises YAMLError."""
        if text not in self._yaml:
            self._yaml[text] = yaml.safe_load(text)
        return self._yaml[text]

    def tell(self, line: str) -> None:
        """Print a line on stderr, once."""
        if line not in self._told:
            self._told.add(line)
            print(line, file=sys.stderr)
