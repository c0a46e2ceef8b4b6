"""Each guard is removed, one at a time: then an attack that it prevents must succeed.

`GUARDS` names the attack, and the change in a file of `.github` that removes the guard. A guard
without such an attack would be useless.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attacks
import pytest
from attacks import ATTACKS, ThroughError
from worlds import Pipelines, World

Guard = tuple[str, str, str, Callable[[World], None]]
A = "actions"
GUARDS: dict[str, Guard] = {
    # The commit
    "the first job takes only a commit of the branch": (
        f"{A}/check-commit/check.cjs",
        "!await commits.isDeployable(commit)",
        "false",
        attacks.a_branch_called_like_a_commit,
    ),
    "the deployment takes only a commit of the branch": (
        f"{A}/may-deploy/check.cjs",
        "!await commits.isDeployable(COMMIT)",
        "false",
        attacks.a_branch_called_like_a_commit,
    ),
    "a tagged commit lies on the default branch": (
        f"{A}/shared/commits.cjs",
        "return (!isTag || await isTagged(sha)) && Boolean(await newerOnBranch(sha))",
        "return isTag ? await isTagged(sha) : Boolean(await newerOnBranch(sha))",
        attacks.a_tag_on_what_nobody_merged,
    ),
    # Which runs are trusted
    "only what a branch was at was reviewed": (
        f"{A}/shared/commits.cjs",
        "await commitsSince(await newestOnDefaultBranch(), head_sha))",
        "await commitsSince(await newestOnDefaultBranch(), head_sha) ?? "
        "await isAncestor(`${head_sha}...${await newestOnDefaultBranch()}`))",
        attacks.a_tag_called_main_on_what_was_merged_with_a_pull_request,
    ),
    "the run before was reviewed": (
        f"{A}/check-commit/check.cjs",
        "trigger && !await commits.isTrusted(trigger)",
        "false",
        attacks.a_tag_called_main_on_what_nobody_merged,
    ),
    "a run whose package is taken was reviewed": (
        f"{A}/take-package/find.cjs",
        "other !== triggeringRun && !await isTrusted(other)",
        "false",
        attacks.a_feature_branch_that_pretends_to_be_the_test,
    ),
    "only a reviewed run makes another one too old": (
        f"{A}/shared/runs.cjs",
        "|| !await commits.isReviewed(run)) continue",
        ") continue",
        attacks.a_feature_branch_with_a_green_approval,
    ),
    "where any branch may be deployed, only this one is believed": (
        f"{A}/shared/commits.cjs",
        "isOurs || refs !== ANY_BRANCH || ",
        "true || ",
        attacks.a_feature_branch_that_pretends_to_be_a_production_by_hand,
    ),
    "and goes on to what comes after it": (
        f"{A}/check-commit/check.cjs",
        "trigger && !await commits.isTrusted(trigger)",
        "trigger && !await commits.isReviewed(trigger)",
        attacks.a_feature_branch_that_pretends_to_be_a_test_by_hand,
    ),
    "a commit is no newer than those before it": (
        f"{A}/shared/commits.cjs",
        "[sha, ...newer].flatMap(",
        "newer.slice(-1).flatMap(",
        attacks.a_commit_of_a_clock_that_is_wrong,
    ),
    "a fork's run is never reviewed": (
        f"{A}/shared/commits.cjs",
        "if (!mayHaveDeployed({ event, head_branch, head_repository })) return false",
        "if (event === 'pull_request') return true",
        attacks.a_fork_that_brings_its_own_orchestrators_and_main,
    ),
    # The package
    "a package is verified by the digest that its build left": (
        f"{A}/take-package/find.cjs",
        "setOutputs(found.artifact, planned?.commit ?? found.commit, requested.digest ?? '')",
        "setOutputs(found.artifact, planned?.commit ?? found.commit, '')",
        attacks.a_package_swapped_before_it_is_deployed,
    ),
    "a build names no other component's package": (
        f"{A}/take-package/find.cjs",
        "if (JSON.stringify(given) !== packages.replace(/\\s/g, '')) throw",
        "if (false) throw",
        attacks.a_build_that_says_which_package_another_one_has,
    ),
    "a build that failed has left no package": (
        f"{A}/shared/manifests.cjs",
        "conclusion === 'success' && started_at <= created_at",
        "started_at <= created_at",
        attacks.a_package_uploaded_while_its_build_fails,
    ),
    "production's own package, too": (
        f"{A}/take-package/find.cjs",
        "setOutputs(found.artifact, planned?.commit ?? found.commit, requested.digest ?? '')",
        "setOutputs(found.artifact, planned?.commit ?? found.commit, '')",
        attacks.a_package_swapped_before_production_takes_it,
    ),
    "a package is no newer than the job that built it": (
        f"{A}/take-package/find.cjs",
        "!await manifests.isFromBuild(artifact, PRODUCER)",
        "false",
        attacks.a_package_swapped_after_it_was_deployed,
    ),
    "a package is no newer than the end of its run": (
        f"{A}/take-package/find.cjs",
        "return setOutputs(artifact, commit, isOfArchive ? '' : digest)",
        "return setOutputs(artifact, commit, '')",
        attacks.a_test_that_runs_again_while_production_takes_its_package,
    ),
    "what is promoted was not built alone": (
        f"{A}/take-package/find.cjs",
        "environment !== own && !OF_PIPELINE.test(other.display_title)",
        "false",
        attacks.a_component_that_was_built_alone,
    ),
    "a re-run takes no run with older packages": (
        f"{A}/run-component/run.cjs",
        "if (before && isOutdated(before, task.packages))",
        "if (false)",
        attacks.a_test_that_is_run_again_while_a_component_still_deploys,
    ),
    "a re-run takes no run that a person has re-run": (
        f"{A}/run-component/run.cjs",
        "child.run_attempt > 1 || ",
        "",
        attacks.a_component_that_is_run_again_before_its_orchestrator,
    ),
    "a re-run takes only the run that its own job has started": (
        f"{A}/run-component/run.cjs",
        "if (!child?.isOnly) return",
        "if (!child) return",
        attacks.what_a_workflow_deploys_in_an_orchestrators_name_meanwhile,
    ),
    "a test that was overtaken holds no package": (
        "workflows/orchestrator-test.yml",
        "        if: steps.commit.outputs.deploy == 'true'\n",
        "",
        attacks.a_run_of_test_that_deployed_nothing,
    ),
    # What is remembered
    "what did not succeed is deployed again": (
        f"{A}/what-changed/plan.cjs",
        "entry?.state === 'success' && entry.kind === kind",
        "entry?.kind === kind",
        attacks.a_deployment_that_failed_and_was_not_touched_again,
    ),
    "names count": (
        f"{A}/what-changed/contents.cjs",
        "isOwner(path, object)).sort(byPath)",
        "isOwner(path, object)).sort(byPath).map(([, object]) => object)",
        attacks.a_file_that_is_renamed,
    ),
    "only the summary leaves a manifest": (
        f"{A}/shared/manifests.cjs",
        "if (!isFromJob) return",
        "",
        attacks.a_manifest_that_a_build_uploads,
    ),
    "only a reviewed run leaves a manifest": (
        f"{A}/shared/manifests.cjs",
        " || !await commits.isReviewed(run)) continue",
        ") continue",
        attacks.a_manifest_of_a_tag_called_main,
    ),
    "a pull request leaves none": (
        f"{A}/shared/commits.cjs",
        "['push', 'workflow_dispatch'].includes(event) && ",
        "",
        attacks.a_manifest_of_a_pull_request,
    ),
    "only an orchestrator leaves a manifest": (
        f"{A}/shared/manifests.cjs",
        "fileOf(run) !== `orchestrator-${environment}.yml` || ",
        "",
        attacks.a_manifest_of_another_workflow,
    ),
    "what is not known is deployed": (
        f"{A}/what-changed/plan.cjs",
        "all || !isUpToDate(entry, 'deployed', deployKeys[name])",
        "all || entry && !isUpToDate(entry, 'deployed', deployKeys[name])",
        attacks.manifests_that_are_deleted,
    ),
    "a run that is gone is missed": (
        f"{A}/what-changed/what.cjs",
        "found && !await manifests.hasMissingRuns(found)",
        "found",
        attacks.a_run_that_is_deleted,
    ),
    "what was deployed since is looked up": (
        f"{A}/what-changed/what.cjs",
        "overtaken(found, await attemptsSince(found, environment))",
        "found",
        attacks.manifests_that_are_deleted,
    ),
    "what was deployed alone is looked up": (
        f"{A}/what-changed/what.cjs",
        "overtaken(found, await attemptsSince(found, environment))",
        "found",
        attacks.a_component_alone_that_nobody_remembers,
    ),
    "only reviewed runs have deployed": (
        f"{A}/shared/manifests.cjs",
        "isReviewed && conclusion === 'success'",
        "conclusion === 'success'",
        attacks.a_job_of_a_tag_called_main_that_has_the_name_of_a_deployment,
    ),
    "what was deployed by hand has no key": (
        f"{A}/shared/manifests.cjs",
        "([0-9a-f]{12}|by hand)$/",
        "([0-9a-f]{12})$/",
        attacks.a_component_alone_with_packages_of_another_commit,
    ),
    "what a run has deployed goes on, whoever deploys after it": (
        f"{A}/deployment-summary/manifest.cjs",
        "JSON.stringify({ ...memory,",
        "JSON.stringify({ ...overtaken(memory, otherAttempts),",
        attacks.a_component_alone_while_test_still_deploys,
    ),
    "what only waits has deployed nothing": (
        f"{A}/shared/manifests.cjs",
        "status === 'completed'",
        "status !== 'queued'",
        attacks.a_deployment_that_only_waits,
    ),
    "only a reviewed orchestrator has planned": (
        f"{A}/shared/manifests.cjs",
        " || !await commits.isTrusted(run)) return",
        ") return",
        attacks.a_plan_of_a_feature_branch,
    ),
    "nothing is planned with the latest packages": (
        f"{A}/read-plan/read.cjs",
        "context.payload.inputs?.packages === 'latest'",
        "false",
        attacks.what_a_workflow_deploys_with_the_latest_packages,
    ),
    "a plan holds for the workflows that it was made with": (
        f"{A}/read-plan/read.cjs",
        "plan.sha !== context.sha",
        "false",
        attacks.pipelines_that_change_while_a_component_is_started,
    ),
    "what was brought over says its commit": (
        f"{A}/take-package/find.cjs",
        "planned?.commit ?? found.commit",
        "COMMIT",
        attacks.a_package_that_is_older_than_what_takes_it,
    ),
    "the last job looks once more at what was left out": (
        f"{A}/deployment-summary/summary.cjs",
        "(!stale.length && ",
        "(",
        attacks.an_approval_that_comes_after_a_newer_component_alone,
    ),
    "also at what older runs have deployed since": (
        f"{A}/deployment-summary/summary.cjs",
        "(!stale.length && ",
        "(",
        attacks.an_approval_that_comes_after_an_older_component_alone,
    ),
    "an older plan is refused": (
        f"{A}/may-deploy/check.cjs",
        "if (newer) {",
        "if (false) {",
        attacks.an_older_plan_that_is_approved_last,
    ),
    # The approval
    "an approval is for its attempt": (
        f"{A}/may-deploy/approved.cjs",
        "!APPROVED || APPROVED === GITHUB_RUN_ATTEMPT",
        "true",
        attacks.a_rerun_of_what_failed_is_not_approved,
    ),
    "an approval has reviewers": (
        f"{A}/require-approval/approval.cjs",
        "if (!rules.some(",
        "if (false && !rules.some(",
        attacks.an_approval_without_reviewers,
    ),
    "an orchestrator deploys each component in its turn": (
        f"{A}/may-deploy/approved.cjs",
        "if (!isWaiting)",
        "if (false)",
        attacks.a_component_out_of_turn_under_an_orchestrator_that_was_approved,
    ),
    "an orchestrator's run was approved": (
        f"{A}/may-deploy/approved.cjs",
        "if (!isApproved)",
        "if (false)",
        attacks.a_rerun_of_what_failed_by_an_orchestrator_is_not_approved,
    ),
    # The order
    "once a newer run may deploy, older ones do not": (
        f"{A}/may-deploy/check.cjs",
        "if (newer) {",
        "if (false) {",
        attacks.an_old_run_that_is_approved_last,
    ),
    "runs behind a page of others count": (
        f"{A}/shared/api.cjs",
        """more = Boolean(headers.link?.includes('rel="next"'))""",
        "more = false",
        attacks.an_approved_run_behind_many_skipped_ones,
    ),
    "earlier attempts count": (
        f"{A}/shared/runs.cjs",
        "filter: 'all' }",
        "filter: 'latest' }",
        attacks.an_approved_run_that_is_run_again,
    ),
    "components alone count": (
        f"{A}/may-deploy/check.cjs",
        ", `${COMPONENT}-${ENVIRONMENT}.yml`]",
        "]",
        attacks.an_approved_component_alone,
    ),
    "a push's deployment is not by hand": (
        f"{A}/may-deploy/check.cjs",
        "(starter.event ?? starter.eventName) === 'workflow_dispatch'",
        "context.eventName === 'workflow_dispatch'",
        attacks.an_old_push_over_a_component_that_went_ahead,
    ),
    "an older candidate asks nobody": (
        f"{A}/check-commit/check.cjs",
        "String(!newer && !isIdle)",
        "String(!isIdle)",
        attacks.a_roll_back_in_test_makes_no_newer_candidate,
    ),
    # Places in queues
    "a re-run takes no candidate's place": (
        "workflows/orchestrator-prd.yml",
        "(github.event_name == ''workflow_dispatch'' || github.run_attempt > 1)",
        "(github.event_name == ''workflow_dispatch'')",
        attacks.an_old_candidate_that_is_run_again,
    ),
    "a re-run takes no push's place": (
        "workflows/orchestrator-test.yml",
        "github.event_name == 'push' && github.run_attempt == 1 &&",
        "github.event_name == 'push' &&",
        attacks.an_old_push_that_is_run_again,
    ),
    "what a person starts takes no push's place": (
        "workflows/orchestrator-test.yml",
        "github.event_name == 'push' && github.run_attempt == 1 &&",
        "github.run_attempt == 1 &&",
        attacks.an_old_commit_by_hand_in_test,
    ),
    "a roll-back takes no candidate's place": (
        "workflows/orchestrator-prd.yml",
        "github.event.workflow_run.event != 'workflow_dispatch' && ",
        "",
        attacks.a_roll_back_in_test_takes_no_candidates_place_in_the_queue,
    ),
    "what persons wait for is not replaced": (
        "workflows/orchestrator-prd.yml",
        "&& github.run_id || ''candidate''",
        "&& ''candidate'' || ''candidate''",
        attacks.a_commit_started_twice,
    ),
    "deployments queue": (
        "workflows/terraform-deploy.yml",
        "cancel-in-progress: false, queue: max",
        "cancel-in-progress: false",
        attacks.a_component_alone_pushes_nothing_out,
    ),
    "tags queue": (
        "workflows/orchestrator-prd.yml",
        "cancel-in-progress: false, queue: max",
        "cancel-in-progress: false",
        attacks.tags_that_come_at_once,
    ),
    # Early
    "production says which default branch it needs": (
        f"{A}/check-commit/check.cjs",
        "!new RegExp(REFS).test(`refs/heads/${default_branch}`)",
        "false",
        attacks.a_default_branch_that_production_refuses,
    ),
    "a scan only warns of what was let in before": (
        f"{A}/check-commit/check.cjs",
        "byHand && await isRollBack()",
        "byHand",
        attacks.a_scan_that_only_warns,
    ),
    # Where each component has a run of its own
    "a run that is run again by itself may break what its orchestrator has seen succeed": (
        f"{A}/deployment-summary/manifest.cjs",
        "ownAttemptsOf(name).at(-1)?.state !== 'success')",
        "false)",
        attacks.a_component_that_fails_when_it_is_run_again,
    ),
    "what was started, and is gone, may have deployed": (
        f"{A}/shared/manifests.cjs",
        "startsRun && counts(",
        "false && counts(",
        attacks.a_component_whose_run_is_deleted_when_it_has_failed,
    ),
    "what an earlier attempt has deployed, and not written down, is not known": (
        f"{A}/deployment-summary/manifest.cjs",
        "(otherAttempts.includes(one) || !isOvertaken(one.component))",
        "otherAttempts.includes(one)",
        attacks.an_attempt_that_deploys_and_dies,
    ),
    "a job has not started what has come since it began": (
        f"{A}/run-component/run.cjs",
        "({ isNew }) => !isNew",
        "() => true",
        attacks.a_run_that_comes_while_a_job_is_run_again,
    ),
    "a package that is kept is the one that was built": (
        f"{A}/shared/manifests.cjs",
        "!isReplaced && ",
        "",
        attacks.a_package_that_a_run_alone_replaces_and_ends_sooner,
    ),
}


def _no_policy(settings: dict[str, Any]) -> None:
    for kind in ("branches", "tags"):
        settings.pop(kind, None)


SETTINGS: dict[str, tuple[Callable[[World], Any], Callable[[World], None]]] = {
    "the branch policy of an environment": (
        lambda world: _no_policy(world.github.environments["prd"]),
        attacks.a_workflow_of_a_feature_branch_that_names_production,
    ),
    "who may push tags that deploy, and production's own reviewers": (
        lambda world: (
            world.github.rulesets.clear(),
            world.github.environments["prd"].pop("reviewers"),
        ),
        attacks.a_workflow_of_a_tag_that_names_production,
    ),
    "who may push to branches that deploy": (
        lambda world: world.github.rulesets.clear(),
        attacks.a_push_to_the_branch_itself,
    ),
    "who may push to the default branch": (
        lambda world: world.github.rulesets[0]["conditions"]["ref_name"]["include"].remove(
            "~DEFAULT_BRANCH"
        ),
        attacks.a_push_to_the_default_branch_beside_branches_of_releases,
    ),
    "that strangers' runs are let in": (
        lambda world: setattr(
            world.github, "approval_policy", "first_time_contributors_new_to_github"
        ),
        attacks.a_pull_request_of_a_stranger_that_cancels_a_deployment,
    ),
}
"""What docs/ci-cd.md sets up, how it is removed, and the attack that then succeeds."""


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_is_missed(
    name: str, pipelines: Callable[[str], Pipelines], tmp_path: Path
) -> None:
    forget, attack = SETTINGS[name]
    world = World(tmp_path / "github", pipelines(ATTACKS[attack.__name__][0]))
    world.forgotten = lambda: forget(world)
    with pytest.raises(ThroughError):
        attack(world)


def broken(pipelines: Pipelines, guard: Guard) -> Pipelines:
    return dataclasses.replace(pipelines, broken=(guard[:3],))


def test_a_text_that_holds_a_commit_is_no_commit(
    pipelines: Callable[[str], Pipelines], tmp_path: Path
) -> None:
    """The first version: it looked for a commit in the text, and built the text.

    Today the text itself has to lie on the branch, too, so both are taken away.
    """
    file, found = f"{A}/check-commit/check.cjs", "commit.match(/[0-9a-f]{40}/)?.[0] ?? ''"
    first = (
        (file, "!/^[0-9a-f]{40}$/.test(commit)", "!/[0-9a-f]{40}/.test(commit)"),
        (file, "!await commits.isDeployable(commit)", f"!await commits.isDeployable({found})"),
    )
    with pytest.raises(ThroughError):
        pipelines_then = dataclasses.replace(pipelines("call"), broken=first)
        attacks.a_branch_called_like_a_commit(World(tmp_path / "github", pipelines_then))


KEPT = (
    f"{A}/take-package/find.cjs",
    "return setOutputs(artifact, commit, isOfArchive ? '' : digest)",
    "return setOutputs(artifact, commit, '')",
)
FORGOTTEN = (
    f"{A}/deployment-summary/manifest.cjs",
    "(otherAttempts.includes(one) || !isOvertaken(one.component))",
    "otherAttempts.includes(one)",
)
TWICE: dict[str, tuple[tuple[tuple[str, str, str], ...], Callable[[World], None]]] = {
    "what did not succeed is remembered, or not known": (
        (
            (
                f"{A}/what-changed/remember.cjs",
                "if (result === 'skipped') return",
                "if (result !== 'success') return",
            ),
            FORGOTTEN,
        ),
        attacks.a_half_that_failed_and_was_reverted,
    ),
    "what was cancelled did not succeed, or not known": (
        (
            (
                f"{A}/what-changed/remember.cjs",
                "if (result === 'skipped') return",
                "if (['skipped', 'cancelled'].includes(result)) return",
            ),
            FORGOTTEN,
        ),
        attacks.a_deployment_that_was_cancelled,
    ),
    "a title names one orchestrator, and a job has not started what has come since it began": (
        (
            (
                f"{A}/shared/runs.cjs",
                "/^Deploy [0-9a-f]{40} to [\\w-]+, [\\w-]+ of run",
                "/ of run",
            ),
            (f"{A}/run-component/run.cjs", "({ isNew }) => !isNew", "() => true"),
        ),
        attacks.a_run_whose_title_names_another_orchestrator,
    ),
    "what an environment only builds is compared there, and where it is promoted": (
        (
            ("workflows/orchestrator-test.yml", "needs.first-build.result == 'success'", "false"),
            KEPT,
        ),
        attacks.a_package_swapped_that_test_only_builds,
    ),
    "a package is no newer than the end of its run, when it is planned, and when it is taken": (
        (
            (
                f"{A}/shared/manifests.cjs",
                "Date.parse(artifact.expires_at) <= Date.parse(expires)",
                "true",
            ),
            KEPT,
        ),
        attacks.a_test_that_runs_again_before_production_plans,
    ),
    "a package of a run of its own is what was tested, also where it has no digest of its own": (
        (
            (
                f"{A}/shared/manifests.cjs",
                "Date.parse(artifact.expires_at) <= Date.parse(expires)",
                "true",
            ),
            (f"{A}/shared/manifests.cjs", "!isReplaced && ", ""),
            (f"{A}/take-package/find.cjs", "artifact.digest !== digest", "false"),
        ),
        attacks.a_component_that_was_built_again_before_production_plans,
    ),
    "what a person types is no approval, and no plan": (
        (
            (f"{A}/may-deploy/approved.cjs", "if (context.actor !== BOT)", "if (false)"),
            (f"{A}/read-plan/read.cjs", "if (context.actor !== BOT)", "if (false)"),
        ),
        attacks.what_a_person_types_while_an_orchestrator_deploys,
    ),
    "a re-run takes only what was started while its job went on, and nothing else beside it": (
        (
            (
                f"{A}/run-component/children.cjs",
                "started_at <= run.created_at && !(completed_at && completed_at < run.created_at)",
                "started_at",
            ),
            (f"{A}/run-component/run.cjs", "if (!child?.isOnly) return", "if (!child) return"),
        ),
        attacks.what_a_workflow_deploys_in_an_orchestrators_name,
    ),
    "an orchestrator's run was reviewed, when it plans, and when it deploys": (
        (
            (f"{A}/may-deploy/approved.cjs", "if (!await isTrusted(run))", "if (false)"),
            (
                f"{A}/shared/manifests.cjs",
                " || !await commits.isTrusted(run)) return",
                ") return",
            ),
        ),
        attacks.what_a_workflow_of_a_feature_branch_starts_is_not_approved,
    ),
    "an orchestrator's run is for this commit, when it plans, and when it deploys": (
        (
            (
                f"{A}/may-deploy/approved.cjs",
                "if (commitInTitle(run.display_title) !== COMMIT)",
                "if (false)",
            ),
            (f"{A}/read-plan/read.cjs", "if (plan.commit !== COMMIT)", "if (false)"),
        ),
        attacks.another_commit_under_an_orchestrator_that_was_approved,
    ),
    "a manifest is of a branch of the environment, and reviewed": (
        (
            (f"{A}/shared/manifests.cjs", " || !commits.mayBeReviewed(head_branch)", ""),
            (
                f"{A}/shared/manifests.cjs",
                " || !await commits.isReviewed(run)) continue",
                ") continue",
            ),
        ),
        attacks.a_manifest_of_a_feature_branch,
    ),
    "what a feature branch runs is no deployment, and has proved nothing": (
        (
            (f"{A}/shared/manifests.cjs", " && commits.mayHaveDeployed(run)", ""),
            (f"{A}/shared/manifests.cjs", "isReviewed && conclusion === 'success'", "true"),
        ),
        attacks.a_job_of_a_feature_branch_that_has_the_name_of_a_deployment,
    ),
}
"""Attacks that two checks prevent, each of which is enough."""


@pytest.mark.parametrize("name", TWICE)
def test_two_are_missed(name: str, pipelines: Callable[[str], Pipelines], tmp_path: Path) -> None:
    both, attack = TWICE[name]
    kind, _ = ATTACKS[attack.__name__]
    for number, one in enumerate(both):
        attack(World(tmp_path / str(number), dataclasses.replace(pipelines(kind), broken=(one,))))
    with pytest.raises(ThroughError):
        attack(World(tmp_path / "both", dataclasses.replace(pipelines(kind), broken=both)))


@pytest.mark.parametrize("name", GUARDS)
def test_is_missed(name: str, pipelines: Callable[[str], Pipelines], tmp_path: Path) -> None:
    guard = GUARDS[name]
    kind, attack = ATTACKS[guard[3].__name__]
    with pytest.raises(ThroughError):
        attack(World(tmp_path / "github", broken(pipelines(kind), guard)))
