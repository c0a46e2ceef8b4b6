# shellcheck shell=bash
# What the scripts that keep and take packages have in common.
export LC_ALL=C

# fail WHAT: ends the script with one line, whatever characters it has.
fail() {
  local text=${1//'%'/'%25'}
  text=${text//$'\r'/'%0D'}
  echo "::error title=Package::${text//$'\n'/'%0A'}"
  exit 1
}

# leads_out NAME: whether it leads out of the folder that it is relative to.
leads_out() {
  case "/$1/" in
    //* | */../*) true ;;
    *) false ;;
  esac
}

# manifest COMMIT: what a package says of the files in this folder. Sorted, so that the same files
# give the same text anywhere; each line has its kind, 64 digits and a name without line breaks.
manifest() {
  echo "commit $1"
  find . -type f ! -path './.package/*' -perm -u+x -print0 | sort -z | xargs -0 -r sha256sum | sed 's/^/executable /'
  find . -type f ! -path './.package/*' ! -perm -u+x -print0 | sort -z | xargs -0 -r sha256sum | sed 's/^/file /'
}

# digest: that of the manifest in this folder, as an output.
digest() {
  echo "digest=$(sha256sum .package/manifest | cut -c 1-64)" >> "$GITHUB_OUTPUT"
}
