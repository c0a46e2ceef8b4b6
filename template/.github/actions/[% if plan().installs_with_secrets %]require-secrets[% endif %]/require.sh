#!/usr/bin/env bash
# Fails because the secrets $MISSING are not set. Without them, nothing can be installed. A check that
# leaves the installation out would be green without checking anything.
set -euo pipefail

read -ra names <<< "$MISSING"
if [ "$OF_A_FORK" = true ]; then
  why='GitHub gives no secrets to pull requests from forks. Somebody with write access has to review the change and push it to a branch of this repository'
elif [ "$ACTOR" = 'dependabot[bot]' ]; then
  why="Dependabot has its own secrets, set it there: gh secret set ${names[0]} --app dependabot"
else
  why="Set it for the repository: gh secret set ${names[0]}"
fi
echo "::error title=Secret ${names[*]}::The installation needs it, and it is not set. $why"
exit 1
