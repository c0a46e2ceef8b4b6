"""From answers to a plan: pure Python that knows nothing of Copier, YAML files or Jinja.

answers.py       reads the answers, with everything that may be wrong in them
catalogue.py     what the template knows: code types and clouds
code_types.py    reads `code_types/*.yml`
clouds.py        reads `clouds/*.yml`: logins and registries
components.py    which components there are, with their settings
dependencies.py  who waits for whom, and which files go where
graph.py         order, waves, cycles
environments.py  what starts a deployment, and what may be deployed
limits.py        what GitHub can run
plan.py          the workflows, jobs and steps that the templates print
"""
