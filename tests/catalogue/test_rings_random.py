"""Random fleets are rolled out step by step, by a roll-out that is killed at any moment.

The test keeps its own list of what happened. fleet.py sees only what GitHub's API returns.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from fleet_github import Pull, Repository, answers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_answers import slow
from rings_world import NEW, OLD, Rings, connected, ring


@dataclass
class Truth:
    """What happened in a repository since it got the version."""

    environments: tuple[str, ...]
    ring: int
    runs: dict[str, list[bool]] = field(default_factory=dict)
    """Whether each run succeeded, by environment; by '' without environments."""
    deployed: dict[str, datetime] = field(default_factory=dict)
    """The time when each environment first had the version."""
    arrived: datetime | None = None

    def proved(self) -> bool:
        places = self.environments or ("",)
        return self.arrived is not None and all(
            self.runs.get(place, [False])[-1] and (not place or place in self.deployed)
            for place in places
        )

    def since(self) -> datetime | None:
        return max(self.deployed.values()) if self.environments else self.arrived


@dataclass
class Fleet:
    rings: Rings
    truths: dict[str, Truth] = field(default_factory=dict)
    soaks: list[int] = field(default_factory=list)
    opened: set[str] = field(default_factory=set)

    def repository(self, name: str) -> Repository:
        return next(r for r in self.rings.world.repositories if r.name == name)

    def tick(self, started: int) -> list[str]:
        """Run the roll-out, and kill it after it has started this number of updates."""
        rows = self.rings.rows()
        now = self.rings.world.now
        failed = {n for n, t in self.truths.items() if any(not r[-1] for r in t.runs.values())}
        assert (self.rings.code == 1) == bool(failed), (failed, self.rings.err)
        assert all(f"acme/{name}: " in self.rings.err for name in failed)
        may = [name for name, row in rows.items() if row["may_update"]]
        for name in may:
            for other in self.truths.values():
                if other.ring < self.truths[name].ring:
                    assert other.proved(), f"{name} was updated too early"
                    since = other.since()
                    assert since and since + timedelta(hours=self.soaks[other.ring]) <= now
        for name in may[:started]:
            assert name not in self.opened, "it was started twice"
            self.opened.add(name)
            pull = Pull(1, {".copier-answers.yml": answers(NEW)})
            self.repository(name).pulls.append(pull)
        return may

    def merge(self, name: str) -> None:
        repository, truth = self.repository(name), self.truths[name]
        if repository.pulls:
            repository.pulls.clear()
            self.rings.update(repository)
            truth.arrived = self.rings.world.now

    def commit(self, name: str) -> None:
        self.rings.world.commit(self.repository(name), {"x": str(self.rings.world.now)})

    def run(self, name: str, good: bool, number: int) -> None:
        """Run the pipeline of an environment; without environments, the build."""
        repository, truth, world = self.repository(name), self.truths[name], self.rings.world
        result = "SUCCESS" if good else "FAILURE"
        place = truth.environments[number % len(truth.environments)] if truth.environments else ""
        if place:
            world.deploy(repository, place, "ACTIVE" if good else "FAILURE", result)
        else:
            world.run(repository, "build.yml", result)
        if truth.arrived:
            truth.runs.setdefault(place, []).append(good)
            if good and place:
                truth.deployed.setdefault(place, world.now)


@st.composite
def fleets(draw: st.DrawFn) -> tuple[list[tuple[int, tuple[str, ...]]], list[int]]:
    """The ring and the environments of each repository, and the soak hours of each ring."""
    soaks = draw(st.lists(st.sampled_from([0, 0, 3]), min_size=2, max_size=3))
    some = st.sampled_from([(), ("dev",), ("dev", "prd")])
    extra = draw(st.lists(st.tuples(st.integers(0, len(soaks) - 1), some), max_size=3))
    return [(number, draw(some)) for number in range(len(soaks))] + extra, soaks


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(
            ["tick", "tick", "merge", "merge", "commit", "good", "good", "bad", "wait"]
        ),
        st.integers(0, 5),
    ),
    max_size=25,
)


@settings(slow, max_examples=20, suppress_health_check=list(HealthCheck))
@given(made=fleets(), events=EVENTS)
def test_no_ring_opens_before_earlier_rings_are_proved(
    made: tuple[list[tuple[int, tuple[str, ...]]], list[int]],
    events: list[tuple[str, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    repositories, soaks = made
    with tempfile.TemporaryDirectory() as temporary, monkeypatch.context() as patch:
        rings = connected(patch, Path(temporary, "rings.yml"))
        fleet = Fleet(rings, soaks=soaks)
        for number, (at, environments) in enumerate(repositories):
            name = f"r{at}-{number}"
            rings.add(name, *environments, version=OLD)
            fleet.truths[name] = Truth(environments, at)
        rings.write(*(ring(f"ring {n}", f"r{n}-*", soak=hours) for n, hours in enumerate(soaks)))
        everyone = list(fleet.truths)
        for kind, number in events:
            rings.world.tick(minutes=10)
            name = everyone[number % len(everyone)]
            if kind == "tick":
                fleet.tick(number)
            elif kind == "merge":
                fleet.merge(name)
            elif kind == "commit":
                fleet.commit(name)
            elif kind == "wait":
                rings.world.tick(hours=number)
            else:
                fleet.run(name, kind == "good", number)
        # From now on all runs succeed, so all repositories get the version.
        for _ in range(len(soaks) + 1):
            for name in everyone:
                fleet.merge(name)
                for number in range(2):
                    fleet.run(name, True, number)
            rings.world.tick(hours=4)
            fleet.tick(10)
        assert all(truth.arrived for truth in fleet.truths.values())
        assert rings.code == 0 and fleet.tick(10) == []
