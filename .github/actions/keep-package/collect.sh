#!/usr/bin/env bash
# Copies $FILES of this folder, or all of them, into $FOLDER, and adds a manifest. An artifact loses
# which files are executable, links and empty folders.
set -euo pipefail
. "$(dirname "$0")/../shared/package.sh"

# keep FILE-OR-FOLDER
keep() {
  if leads_out "$1"; then fail "$NAME: $1 is not a path inside $PWD: give one"; fi
  if [ -z "$(find -L "./$1" -type f -print -quit 2> /dev/null)" ]; then
    fail "$NAME: the build has left no $1 in $PWD: let the build write it, or change \`produces\`"
  fi
  mkdir -p "$FOLDER/$(dirname "$1")"
  if [ -d "$1" ]; then
    mkdir -p "$FOLDER/$1"
    cp -RLp "./$1/." "$FOLDER/$1"
  else
    cp -Lp "./$1" "$FOLDER/$1"
  fi || fail "$NAME: $1 in $PWD cannot be copied, see above: a link may lead nowhere"
}

rm -rf "$FOLDER"
mkdir -p "$FOLDER"
if [ -n "$FILES" ]; then
  while IFS= read -r file; do
    [ -z "$file" ] || keep "$file"
  done <<< "$FILES"
else
  keep .
fi

cd "$FOLDER"
rm -rf .package
odd=$(find . -name $'*[\\\\\n\r]*' -print -quit)
[ -z "$odd" ] || fail "$NAME: $odd has a backslash or a line break in its name, which no package can carry: rename it"
mkdir .package
manifest "$COMMIT" > .package/manifest
digest
