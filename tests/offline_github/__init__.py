"""A double of GitHub Actions that runs workflows offline: see README.md."""

from .environments import ReviewError
from .github import DispatchError, OfflineGitHub
from .memory import MemoryRepository
from .model import Artifact, Job, NotModelledError, Run
from .rulesets import PushError
from .tools import Command

__all__ = [
    "Artifact",
    "Command",
    "DispatchError",
    "Job",
    "MemoryRepository",
    "NotModelledError",
    "OfflineGitHub",
    "PushError",
    "ReviewError",
    "Run",
]
