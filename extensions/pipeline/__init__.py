"""From answers to a plan: pure Python that knows nothing of Copier, YAML files or Jinja.

Only the package `for_copier` knows Copier: the functions that copier.yml and the templates call.

answers.py       reads the answers, with everything that may be wrong in them
catalogue.py     what the template knows: code types and clouds
code_types.py    reads `code_types/*.yml`
clouds.py        reads `clouds/*.yml`: logins and registries
own_types.py     reads code types that a repository has of its own
components.py    which components there are, with their settings
dependencies.py  who waits for whom, and which files go where
graph.py         order, waves, cycles
environments.py  what starts a deployment, and what may be deployed
limits.py        what GitHub can run
scope.py         what an environment builds, brings over and deploys
triggers.py      what starts a workflow, and what else must hold
steps.py         what jobs are made of: tools, packages, commands, variables
builds.py        the workflows that check and build a component
deployments.py   the workflows that deploy a component
calls.py         the jobs that call them
component_workflows.py  the workflows of one component for one environment
orchestrators.py the pipelines of environments
pull_request.py  the workflows that check pull requests
what_changed.py  whose a file is, and who takes whose package
actions.py       the shared composite actions
plan.py          all of these: what the templates print
recorded.py      the checksums over recorded answers
setup.py         what a person has to set up on GitHub and in the clouds
repository_history.py  its root, and what its merges were made of
destination.py   what already lies where the pipelines are to be written
repository_files.py  the files of an existing repository
detection.py     its components
task_runners.py  what a project calls its own checks and builds
found_edges.py   who of them needs whom
found_needs.py   what they read beside their folders
proposal.py      both as answers, and the files that speak for them
choosing.py      what a person makes of them by choices
own_workflows.py a repository's own workflows that would deploy the same push
"""
