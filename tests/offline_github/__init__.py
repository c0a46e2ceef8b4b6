"""A double of GitHub Actions that runs workflows offline: see README.md."""

from .github import DispatchError, OfflineGitHub
from .model import Artifact, Job, NotModelledError, Run
from .tools import Command

__all__ = [
    "Artifact",
    "Command",
    "DispatchError",
    "Job",
    "NotModelledError",
    "OfflineGitHub",
    "Run",
]
