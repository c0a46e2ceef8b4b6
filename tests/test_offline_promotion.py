"""A small pipeline in the double of GitHub, from a push to production: built once, deployed by
called workflows, approved once, promoted byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest
from offline_github import OfflineGitHub
from offline_github.repository import git
from test_offline_actions import written
from test_offline_github import CHECKOUT, DOWNLOAD, SCRIPT, UPLOAD, built, commit, only

WORKFLOWS = {
    "build.yml": f"""
    on:
      workflow_call:
        inputs: {{environment: {{type: string, required: true}}}}
        outputs: {{id: {{value: '${{{{ jobs.build.outputs.id }}}}'}}}}
    jobs:
      build:
        name: Check and build
        runs-on: ubuntu-latest
        outputs: {{id: '${{{{ steps.keep.outputs.id }}}}'}}
        steps:
          - {{uses: {CHECKOUT}, with: {{ref: '${{{{ github.sha }}}}', persist-credentials: false}}}}
          - run: date +%s%N > package.txt
          - id: keep
            uses: $/.github/actions/keep
            with: {{name: 'package-${{{{ inputs.environment }}}}', path: package.txt}}
    """,
    "deploy.yml": """
    on:
      workflow_call:
        inputs: {environment: {type: string, required: true}, id: {type: string, required: true}}
        secrets: {TOKEN: {required: false}}
    permissions: {}
    jobs:
      deploy:
        name: Deploy
        runs-on: ubuntu-latest
        environment: ${{ inputs.environment }}
        concurrency: {group: 'deploy-${{ inputs.environment }}', cancel-in-progress: false}
        permissions: {actions: read}
        steps:
          - {uses: $/.github/actions/take, with: {id: '${{ inputs.id }}'}}
          - {run: ship package.txt, env: {TOKEN: '${{ secrets.TOKEN }}'}}
    """,
    "pull-request.yml": """
    on: pull_request
    permissions: {}
    jobs:
      build:
        permissions: {contents: read}
        uses: $/.github/workflows/build.yml
        with: {environment: pull-request}
    """,
    "test.yml": """
    name: Test
    run-name: Deploy ${{ github.sha }} to test
    on: {push: {branches: [main]}}
    permissions: {}
    concurrency: test
    jobs:
      build:
        permissions: {contents: read}
        uses: $/.github/workflows/build.yml
        with: {environment: test}
      deploy:
        needs: [build]
        permissions: {actions: read}
        uses: $/.github/workflows/deploy.yml
        with: {environment: test, id: '${{ needs.build.outputs.id }}'}
        secrets: {TOKEN: '${{ secrets.TOKEN }}'}
    """,
    "prd.yml": """
    name: Prd
    run-name: ${{ github.event.workflow_run.display_title }}, then prd
    on: {workflow_run: {workflows: [Test], types: [completed]}}
    permissions: {}
    jobs:
      changes:
        if: github.event.workflow_run.conclusion == 'success'
        runs-on: ubuntu-latest
        permissions: {actions: read}
        outputs: {id: '${{ steps.keep.outputs.id }}'}
        steps:
          - {uses: $/.github/actions/take, with: {name: package-test}}
          - id: keep
            uses: $/.github/actions/keep
            with: {name: package-prd, path: package.txt}
      approval:
        needs: [changes]
        runs-on: ubuntu-latest
        environment: {name: prd-approval, deployment: false}
        concurrency: {group: prd-approval, cancel-in-progress: true}
        permissions: {actions: read}
        steps: [{uses: $/.github/actions/asks, with: {environment: prd-approval}}]
      deploy:
        needs: [changes, approval]
        permissions: {actions: read}
        uses: $/.github/workflows/deploy.yml
        with: {environment: prd, id: '${{ needs.changes.outputs.id }}'}
        secrets: {TOKEN: '${{ secrets.TOKEN }}'}
    """,
}

ACTIONS = {
    "keep": f"""
    inputs:
      name: {{required: true, description: Its name}}
      path: {{required: true, description: A file}}
    outputs:
      id: {{value: '${{{{ steps.upload.outputs.artifact-id }}}}', description: Its id}}
    runs:
      using: composite
      steps:
        - id: upload
          uses: {UPLOAD}
          with: {{name: '${{{{ inputs.name }}}}', path: '${{{{ inputs.path }}}}', overwrite: true}}
    """,
    "take": f"""
    inputs:
      id: {{default: '', description: Its id in this run}}
      name: {{default: '', description: Its name in the run before}}
    runs:
      using: composite
      steps:
        - id: find
          uses: {SCRIPT}
          env: {{ID: '${{{{ inputs.id }}}}', NAME: '${{{{ inputs.name }}}}'}}
          with:
            script: |
              const find = require(`${{process.env.GITHUB_ACTION_PATH}}/find.cjs`)
              await find({{ github, context, core }})
        - uses: {DOWNLOAD}
          with:
            artifact-ids: ${{{{ steps.find.outputs.id }}}}
            run-id: ${{{{ steps.find.outputs.run }}}}
            github-token: ${{{{ github.token }}}}
    """,
    "asks": f"""
    inputs: {{environment: {{required: true, description: Whose reviewers}}}}
    runs:
      using: composite
      steps:
        - uses: {SCRIPT}
          env: {{ENVIRONMENT: '${{{{ inputs.environment }}}}'}}
          with:
            script: |
              const environment_name = process.env.ENVIRONMENT
              const of = {{ ...context.repo, environment_name }}
              const {{ data }} = await github.rest.repos.getEnvironment(of)
              const asks = data.protection_rules.some(rule => rule.type === 'required_reviewers')
              if (!asks) core.setFailed(`${{environment_name}} asks nobody`)
    """,
}

FIND = """\
module.exports = async ({ github, context, core }) => {
  const { ID, NAME } = process.env
  const run_id = ID ? context.runId : context.payload.workflow_run.id
  const all = { ...context.repo, run_id, ...(ID ? {} : { name: NAME }) }
  const { data: { artifacts } } = await github.rest.actions.listWorkflowRunArtifacts(all)
  core.setOutput('run', run_id)
  core.setOutput('id', artifacts.find(({ id }) => !ID || id === Number(ID)).id)
}
"""


@pytest.fixture
def github(tmp_path: Path) -> OfflineGitHub:
    files = {**written(ACTIONS), ".github/actions/take/find.cjs": FIND}
    github = built(tmp_path, WORKFLOWS, files)
    github.tool("ship")
    github.tools.watch(["package.txt"], ["TOKEN"])
    github.environments = {
        "prd": {"branches": ["main"], "secrets": {"TOKEN": "of prd"}},
        "prd-approval": {"reviewers": True},
    }
    return github


def test_production_gets_the_package_that_was_tested(github: OfflineGitHub) -> None:
    test = only(github.push("main"))
    prd = only(github.runs_of("prd.yml"))
    assert (test.conclusion, prd.conclusion) == ("success", "success")
    assert prd.display_title == f"Deploy {test.sha} to test, then prd"
    assert test.order == ["build / build", "deploy / deploy"]
    assert prd.order == ["changes", "approval", "deploy / deploy"]
    assert prd.approvals == [("approval", "prd-approval")]
    assert test.artifacts["package-test"] == prd.artifacts["package-prd"]
    first, second = github.commands("ship")
    assert first.files == second.files != {}
    assert (first.environment["TOKEN"], second.environment["TOKEN"]) == ("", "of prd")
    deployments = {key: job.environment for key, job in prd.jobs.items() if job.deployment}
    assert deployments == {"deploy / deploy": "prd"}


def test_without_reviewers_production_is_not_deployed(github: OfflineGitHub) -> None:
    github.environments["prd-approval"] = {}
    github.push("main")
    prd = only(github.runs_of("prd.yml"))
    assert prd.results == {"changes": "success", "approval": "failure", "deploy": "skipped"}
    assert prd.job("approval").errors[0] == "prd-approval asks nobody"
    assert len(github.commands("ship")) == 1


def test_a_pull_request_only_builds(github: OfflineGitHub) -> None:
    github.push("main")
    git("switch", "--quiet", "--create", "feature", cwd=github.remote.work_tree)
    commit(github.remote.work_tree, {}, {"feature": "one\n"})
    run = only(github.pull_request("feature"))
    assert (run.conclusion, run.order) == ("success", ["build / build"])
    assert len(github.commands("ship")) == 2
