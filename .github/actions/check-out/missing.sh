#!/usr/bin/env bash
# Fails where $FOLDER holds a submodule or files of Git LFS, and nothing says whether they are needed:
# a build would go on with an empty folder, or with a text in place of a file.
# Names of files are read with -z: without, git writes `ü` as \303\274, in quotes.
set -euo pipefail

if [ -z "$SUBMODULES" ]; then
  while IFS= read -r submodule; do
    case "$FOLDER/" in "$submodule"/*) inside=yes ;; *) inside= ;; esac
    case "$submodule/" in "$FOLDER"/*) inside=yes ;; esac
    if [ "$FOLDER" = . ] || [ "$inside" ]; then
      echo "::error title=Submodule $submodule::It is not checked out. Give the component in $FOLDER the setting submodules: true (or recursive), or false if it works without"
      exit 1
    fi
  done < <(git ls-files -z --stage | tr '\0' '\n' | sed -n $'s/^160000 [^\t]*\t//p')
fi
if [ -z "$LFS" ]; then
  while IFS= read -r -d '' file; do
    if [ -f "$file" ] && [ "$(head -c 35 "$file" | tr -d '\0')" = 'version https://git-lfs.github.com/' ]; then
      echo "::error title=Git LFS::$file is a pointer, its content is not checked out. Give the component in $FOLDER the setting lfs: true, or false if it works without"
      exit 1
    fi
  done < <(git ls-files -z -- ":(literal,attr:filter=lfs)$FOLDER")
fi
