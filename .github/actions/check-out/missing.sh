#!/usr/bin/env bash
# Fails if $FOLDER has a submodule or Git LFS files, and no setting says whether the component needs
# them. Otherwise a build would go on with an empty folder, or with a pointer in place of a file.
# File names are read with -z: without it, git writes `ü` as \303\274, in quotes.
set -euo pipefail

# Without git on the runner, actions/checkout downloads an archive.
if { [ -z "$SUBMODULES" ] || [ -z "$LFS" ]; } && ! git rev-parse --git-dir > /dev/null; then
  echo "::error title=Check out::git cannot read the checkout (see above): install git 2.18 or newer on the runner, or set submodules and lfs for the component in $FOLDER"
  exit 1
fi
if [ -z "$SUBMODULES" ]; then
  while IFS= read -r submodule; do
    case "$FOLDER/" in "$submodule"/*) inside=yes ;; *) inside= ;; esac
    case "$submodule/" in "$FOLDER"/*) inside=yes ;; esac
    if [ "$FOLDER" = . ] || [ "$inside" ]; then
      echo "::error title=Submodule $submodule::It is not checked out. Set submodules: true (or recursive) for the component in $FOLDER, or false if it works without the submodule"
      exit 1
    fi
  done < <(git ls-files -z --stage | tr '\0' '\n' | sed -n $'s/^160000 [^\t]*\t//p')
fi
if [ -z "$LFS" ]; then
  while IFS= read -r -d '' file; do
    if [ -f "$file" ] && [ "$(head -c 35 "$file" | tr -d '\0')" = 'version https://git-lfs.github.com/' ]; then
      echo "::error title=Git LFS::$file is a pointer, and its content is not checked out. Set lfs: true for the component in $FOLDER, or false if it works without the content"
      exit 1
    fi
  done < <(git ls-files -z -- ":(literal,attr:filter=lfs)$FOLDER")
fi
