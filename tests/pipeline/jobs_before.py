"""All jobs before a job, computed in another way than in the plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def with_all_before(direct: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Each job with all jobs before it, direct or not, in the order of the jobs."""

    def above(job: str) -> set[str]:
        return {one for need in direct[job] for one in (need, *above(need))}

    return {job: [other for other in direct if other in above(job)] for job in direct}
