#!/usr/bin/env bash
# A sample for the tests of the validators: a script beside an action.
set -euo pipefail
. "$(dirname "$0")/../lib/digest.sh"

for file in *; do
  cp -p "$file" "$GITHUB_WORKSPACE"
done
echo "digest=$(digest)" >> "$GITHUB_OUTPUT"
