#!/usr/bin/env bash
# Copies $FILES, or everything in this folder, into $FOLDER, and adds a manifest. The manifest says
# which files are executable, because an artifact does not. An artifact has no links and no empty folders.
set -euo pipefail
. "${0%/*}/../shared/package.sh"

# keep FILE-OR-FOLDER
keep() {
  if leads_out "$1"; then fail "$NAME: $1 is not a path inside $PWD: give a path inside"; fi
  if [ -z "$(find -L "./$1" -type f -print -quit 2> /dev/null)" ]; then
    fail "$NAME: the build did not write $1 in $PWD: let the build write it, or change \`produces\`"
  fi
  mkdir -p "$FOLDER/$(dirname "$1")"
  if [ -d "$1" ]; then
    mkdir -p "$FOLDER/$1"
    cp -RLp "./$1/." "$FOLDER/$1"
  else
    cp -Lp "./$1" "$FOLDER/$1"
  fi || fail "$NAME: $1 in $PWD cannot be copied (see the error above): check whether a link leads to a missing file"
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
[ -z "$odd" ] || fail "$NAME: $odd has a backslash or a line break in its name, which a package cannot contain: rename the file"
mkdir .package
manifest "$COMMIT" > .package/manifest
digest
