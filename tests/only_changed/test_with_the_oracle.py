"""The modules decide what the oracle decides, in every history.

    CHANGES=300 python3 dev.py test tests/only_changed

plays this number of histories with new seeds. The suite plays a few, always the same.
"""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import compared
import planner
import pytest
from oracle import cases, histories
from planner import Planner

#: In the last ones, the modules and the oracle once disagreed.
FIXED = [*range(18), 64, 69, 124, 218, 247, 572, 5371, 1795794430156]
FRESH = int(os.environ.get("CHANGES", "0"))


@pytest.fixture(scope="module")
def ask() -> Iterator[Planner]:
    with planner.started() as process:
        yield process


@pytest.mark.parametrize("case", cases.CASES, ids=lambda case: case.__name__)
def test_a_case(case: cases.Case, ask: Planner) -> None:
    case(compared.compared(ask))


def test_histories(ask: Planner) -> None:
    for seed in FIXED:
        compared.history(ask, seed)


@pytest.mark.skipif(not FRESH, reason="CHANGES=300 plays this number of histories")
def test_fresh_histories(ask: Planner, capsys: pytest.CaptureFixture[str]) -> None:
    first = int(time.time()) * 1000
    counts: Counter[str] = Counter()
    for seed in range(first, first + FRESH):
        counts.update(compared.history(ask, seed).counts)
    with capsys.disabled():
        print(f"\nseeds {first} to {first + FRESH - 1}: {dict(counts)}, {histories.STATS}")


# A fault -> the module, the old and the new text, and the case (or seed) that notices it.
BROKEN: dict[str, tuple[str, str, str, cases.Case | int]] = {
    "dependents are forgotten": (
        "contents.cjs",
        "const taken = takes(config, name).map(producer => [producer, keyOf(producer)])",
        "const taken = []",
        cases.c01_failed_then_reverted,
    ),
    "the packages of a deployment are forgotten": (
        "contents.cjs",
        "Object.entries(taken).sort()",
        "[]",
        1,
    ),
    "names are compared by their start": (
        "contents.cjs",
        "path.startsWith(`${name}/`)",
        "path.startsWith(name)",
        cases.c14_which_components_have_a_file,
    ),
    "a component without a record is clean": (
        "plan.cjs",
        "entry?.state === 'success' &&",
        "!entry || entry.state === 'success' &&",
        cases.c01_failed_then_reverted,
    ),
    "a failure is clean": (
        "plan.cjs",
        "entry?.state === 'success' &&",
        "entry && entry.state !== 'unknown' &&",
        cases.c07_cancelled_half_way_then_a_readme,
    ),
    "an unknown state is clean": (
        "plan.cjs",
        "entry?.state === 'success' &&",
        "entry && entry.state !== 'failure' &&",
        cases.c10_a_roll_back_is_deleted,
    ),
    "compared with the last push, not with what is deployed": (
        "remember.cjs",
        "  const components = { ...memory?.components }\n",
        "  const components = Object.fromEntries(Object.entries(memory?.components ?? {})"
        ".map(([name, one]) => [name, { ...one, deployKey: plan.deployKeys[name] }]))\n",
        cases.c01_failed_then_reverted,
    ),
    "the actions are forgotten": (
        "contents.cjs",
        "path.startsWith(ACTIONS) &&",
        "false &&",
        cases.c17_a_new_environment_and_a_new_template,
    ),
    "the workflows are forgotten": ("contents.cjs", "pipeline.find(", "[].find(", 0),
    "the list of components counts as an action": (
        "contents.cjs",
        "&& path !== CONFIG",
        "",
        cases.c13_removed_and_added_again,
    ),
    "no files are excluded": (
        "contents.cjs",
        " && !excluded.some(isMatch => isMatch(path))",
        "",
        cases.c18_excluded_files,
    ),
    "the template's files belong to the root": (
        "contents.cjs",
        "return path => !isGenerated(path)",
        "return path => true",
        cases.c14_which_components_have_a_file,
    ),
    "the files of one environment count for all": (
        "contents.cjs",
        "filesOf(component, [environment], tree)",
        "filesOf(component, Object.keys(config.environments), tree)",
        cases.c19_files_of_one_environment,
    ),
    "a package holds the files of one environment": (
        "contents.cjs",
        "builtFor(config, name, environment), tree",
        "environment ? [environment] : builtFor(config, name, environment), tree",
        cases.c19_files_of_one_environment,
    ),
    "a component for each environment is built once": (
        "contents.cjs",
        "given && !component.perEnvironment",
        "given",
        cases.c15_one_environment_only_and_per_environment,
    ),
    "any package will do": (
        "plan.cjs",
        "one.key === keys[name] && ",
        "",
        cases.c01_failed_then_reverted,
    ),
    "packages do not expire": (
        "plan.cjs",
        "Date.parse(found.expires) < end",
        "false",
        cases.c03_package_about_to_expire_when_test_runs,
    ),
    "packages count until their last day": (
        "plan.cjs",
        "(later.length ? Math.min(MARGIN, environments[environment].days / 2) * DAY : 0)",
        "0",
        cases.c03_package_about_to_expire_when_test_runs,
    ),
    "no later environment counts": (
        "plan.cjs",
        "for (const name of names) addForLater(name)",
        "",
        cases.c03_package_about_to_expire_when_test_runs,
    ),
    "only the next environment counts": (
        "components.cjs",
        "for (const before of found) found.push(",
        "for (const before of [environment]) found.push(",
        1,
    ),
    "libraries are not checked": (
        "plan.cjs",
        "if (!manifest) for (const name of names) addCheck(name)",
        "",
        cases.c21_a_library_that_nobody_takes,
    ),
    "a component of another commit counts in a manifest": (
        "plan.cjs",
        " && key === manifest.keys[name]",
        "",
        cases.c23_a_component_that_prd_did_not_want_when_the_candidate_ran,
    ),
    "a component that was only checked is promoted": (
        "plan.cjs",
        " && kind !== 'checked'",
        "",
        cases.c23_a_component_that_prd_did_not_want_when_the_candidate_ran,
    ),
    "a missing package does not refuse the plan": (
        "plan.cjs",
        "plan.refused.push(goneMessage(name))",
        "name",
        cases.c04_package_gone_while_the_approval_waited,
    ),
    "a removed component stays in the manifest": (
        "remember.cjs",
        "delete components[name]",
        "name",
        cases.c13_removed_and_added_again,
    ),
    "a skipped component has failed": (
        "remember.cjs",
        "if (result === 'skipped') return",
        "",
        cases.c01_failed_then_reverted,
    ),
    "a failed component has succeeded": (
        "remember.cjs",
        ": 'failure', kind",
        ": 'success', kind",
        cases.c07_cancelled_half_way_then_a_readme,
    ),
    "packages are forgotten": (
        "remember.cjs",
        "...Object.keys(memory?.packages ?? {})",
        "",
        cases.c10_a_roll_back_is_deleted,
    ),
    "a package without its producers goes on": (
        "remember.cjs",
        "if (!isComplete(name)) continue",
        "",
        cases.c19_files_of_one_environment,
    ),
    "attempts of others are forgotten": (
        "remember.cjs",
        "of newest) {",
        "of []) {",
        cases.c10_a_roll_back_is_deleted,
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_module_is_noticed(name: str, tmp_path: Path) -> None:
    file, old, new, noticing = BROKEN[name]
    shutil.copytree(planner.ACTION, tmp_path / "broken")
    shutil.copytree(planner.ACTION.parent / "shared", tmp_path / "shared")
    module = tmp_path / "broken" / file
    text = module.read_text(encoding="utf-8")
    assert text.count(old) == 1
    module.write_text(text.replace(old, new), encoding="utf-8")
    with planner.started(module.parent) as process, pytest.raises(AssertionError):
        if isinstance(noticing, int):
            compared.history(process, noticing)
        else:
            noticing(compared.compared(process))
