#!/usr/bin/env bash
# Fails because the secrets $MISSING are not there: nothing can be installed, and a check that leaves
# that out would be green without having checked anything.
set -euo pipefail

read -ra names <<< "$MISSING"
if [ "$OF_A_FORK" = true ]; then
  why='GitHub gives pull requests of forks no secrets. Somebody who may push has to read the change and push it to a branch of this repository'
elif [ "$ACTOR" = 'dependabot[bot]' ]; then
  why="Dependabot has secrets of its own: gh secret set ${names[0]} --app dependabot"
else
  why="Set it for the repository: gh secret set ${names[0]}"
fi
echo "::error title=Secret ${names[*]}::Installing needs it, and it is not set. $why"
exit 1
