"""From answers to a plan: pure Python that knows nothing of Copier and Jinja.

Only the package `for_copier` knows Copier: the functions that copier.yml and the templates call.

What the template knows
    catalogue.py           all code types and clouds
    code_type_model.py     what a code type is
    code_types.py          reads `code_types/*.yml`
    like.py                reads code types that copy another one, with some words replaced
    own_types.py           reads a repository's own code types
    clouds.py              reads `clouds/*.yml`: logins and registries
    limits.py              what GitHub can run

The answers
    answers.py             reads all of them, and refuses what is wrong
    questions.py           each question: default, prompt, check, documentation
    components.py          the components with their settings
    settings.py            which settings a component can have
    dependencies.py        which component waits for which, and takes which files
    graph.py               order, waves, cycles
    environments.py        what starts a deployment, and what may be deployed
    recorded.py            the checksums over recorded answers
    versions.py            the order of versions of the template

The plan
    plan.py                everything that is generated: the templates print it
    scope.py               which components an environment builds, promotes and deploys
    triggers.py            what starts a workflow, and what else must hold
    steps.py               what jobs are made of: tools, packages, commands, variables
    builds.py              `{component}-build.yml`
    deployments.py         `{component}-deploy.yml`
    component_plans.py     `{component}-plan.yml`
    component_workflows.py `{component}-{env}.yml`
    orchestrators.py       `orchestrator-{env}.yml`
    infrastructure_drift.py `infrastructure-drift.yml`
    calls.py               the jobs that call builds and deployments
    dispatch.py            the jobs in which an orchestrator starts the runs of components
    pull_request.py        `pull-request.yml`
    actions.py             the composite actions that workflows share
    written_files.py       compares the written files with the plan, and tells the result
    what_changed.py        which files belong to which component
    sizes.py               how large workflow files become
    headers.py             the English lines at the top of workflows
    ci_cd_page.py          what docs/ci-cd.md shows of a plan
    github_settings.py     what a person has to set up on GitHub and in the clouds
    printing.py            values as YAML, texts in Markdown

An existing repository
    repository_files.py    its files
    repository_history.py  its root, and what its merges were made of
    git_branches.py        its branches
    destination.py         the files that are already there, before anything is written
    detection.py           finds its components
    environment_names.py   which names are those of environments
    found_environments.py  finds its environments
    found_clouds.py        finds the cloud that a component deploys to
    found_states.py        finds deployments without a lasting state, or with a shared one
    found_edges.py         finds which component needs which
    found_reads.py         finds the same by the names of data that one component reads of another
    found_needs.py         finds what a component reads outside its folder
    found_inputs.py        finds files that a Dockerfile takes and nothing makes
    found_readers.py       finds the project's tools that would check the generated files
    image_names.py         finds images that no component is known to build
    checkout.py            finds submodules and Git LFS
    task_runners.py        finds the project's own checks and builds
    proposal.py            everything that was found, as answers
    choosing.py            how a person changes a proposal at the prompts
    own_workflows.py       finds workflows that would deploy the same push
    unmatched.py           finds what in the repository does not match the answers

For all of them
    errors.py              errors of one line
    names.py               checks of names and paths
    schema.py              checks of values by a schema
    yaml_text.py           reads YAML
"""
