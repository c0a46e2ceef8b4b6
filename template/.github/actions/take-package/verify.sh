#!/usr/bin/env bash
# Verifies the package in $FOLDER, and places its $FILES: one "name" or "name -> path" per line.
set -euo pipefail
. "${0%/*}/../shared/package.sh"

bad() { fail "$PACKAGE $1: run the workflow that built it again"; }

cd "$FOLDER" 2> /dev/null || bad "was not downloaded"
[ -z "$(find . ! -type f ! -type d -print -quit)" ] || bad "contains something else than files and folders"
[ "$(find .package 2> /dev/null)" = $'.package\n.package/manifest' ] || bad "has no manifest"

found=$(sha256sum .package/manifest | cut -c 1-64)
[ "${DIGEST:-$found}" = "$found" ] || bad "is not the one that the build has uploaded"
read -r kind built < .package/manifest || bad "has no manifest"
[ "$kind $built" = "commit $COMMIT" ] || bad "was built from $built, not from $COMMIT"

# The manifest says which files are executable, because an artifact does not.
while IFS= read -r line; do
  name=${line:77}
  if [ "${line:0:11}" = 'executable ' ] && ! leads_out "$name" && [ -f "$name" ]; then chmod +x "$name"; fi
done < .package/manifest
differences=$(diff .package/manifest <(manifest "$COMMIT")) || {
  names=$(sed -n -E 's/^[<>] (file|executable) [^ ]+  //p' <<< "$differences" | sort -u | sed -n 1,3p | paste -s -d ' ' -)
  bad "differs from what the build has uploaded, in ${names:-its manifest}"
}

# place NAME PATH
place() {
  mkdir -p "$(dirname "$2")"
  if [ -d "$1" ]; then
    mkdir -p "$2"
    cp -Rp "./$1/." "$2"
  else
    cp -p "./$1" "$2"
  fi
}

while IFS= read -r line; do
  [ -n "$line" ] || continue
  name=${line%% -> *}
  path=${line#* -> }
  if leads_out "$name" || leads_out "$path"; then fail "$PACKAGE: '$line' leads out of the package or the repository: give paths inside them"; fi
  [ -e "./$name" ] || fail "$PACKAGE does not contain $name: let its build write it, or take other files"
  [ "$name" = "$line" ] || place "$name" "$GITHUB_WORKSPACE/$path"
done <<< "$FILES"
echo "digest=$found" >> "$GITHUB_OUTPUT"
