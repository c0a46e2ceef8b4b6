"""The checks of random plans also hold for a few plans that no earlier run has drawn.

The name of a test has its seed: RANDOM_SEED=n draws the same examples again.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import test_components
import test_github_settings
import test_plan
import test_pull_request
from hypothesis import given, seed, settings
from made_answers import answers, costly, plans
from pipeline.plan import Plan
from seeds import fresh_seeds

fresh = settings(costly, derandomize=False, max_examples=6)


def checks_of_plans() -> list[Callable[[Plan], None]]:
    """The bodies of the tests that take a random plan."""
    modules = (test_plan, test_pull_request, test_github_settings)
    tests = [test for module in modules for test in vars(module).values()]
    bodies = [test.hypothesis.inner_test for test in tests if hasattr(test, "hypothesis")]
    return [
        body
        for body in bodies
        if [p.annotation for p in inspect.signature(body, eval_str=True).parameters.values()]
        == [Plan]
    ]


@pytest.mark.parametrize("number", fresh_seeds(3))
def test_new_random_plans(number: int) -> None:
    checks = checks_of_plans()
    assert len(checks) > 10

    @seed(number)
    @fresh
    @given(plans())
    def check(made: Plan) -> None:
        for each in checks:
            each(made)

    check()


@pytest.mark.parametrize("number", fresh_seeds(3))
def test_new_random_answers_are_accepted(number: int) -> None:
    right = test_components.test_valid_random_answers_are_rarely_refused

    @seed(number)
    @fresh
    @given(answers())
    def check(made: dict[str, Any]) -> None:
        right.hypothesis.inner_test(made)

    check()
