# shellcheck shell=bash
# Functions that the scripts for keeping and taking packages share.
export LC_ALL=C

# fail MESSAGE: escapes the message, prints it as an error in one line, and ends the script.
fail() {
  local text=${1//'%'/'%25'}
  text=${text//$'\r'/'%0D'}
  echo "::error title=Package::${text//$'\n'/'%0A'}"
  exit 1
}

# leads_out NAME: whether a relative name leads out of its folder.
leads_out() {
  case "/$1/" in
    //* | */../*) true ;;
    *) false ;;
  esac
}

# manifest COMMIT: prints the manifest of the files in this folder. Each line has the kind, the digest
# (64 digits) and the name of a file. Lines are sorted, so the same files always give the same text.
manifest() {
  echo "commit $1"
  # With --binary, there is a star before the name.
  find . -type f ! -path './.package/*' \( -perm -u+x -exec sha256sum --binary {} + -o -exec sha256sum {} + \) |
    sed -E 's/^(\\?.{64}) \*/executable \1  /; t; s/^/file /' | sort -k 1,1 -k 3
}

# digest: sets the output `digest` to the digest of the manifest in this folder.
digest() {
  echo "digest=$(sha256sum .package/manifest | cut -c 1-64)" >> "$GITHUB_OUTPUT"
}
