"""Doubles of the tools that build, scan, push and run images: BuildKit, skopeo, uv, a cluster."""

from __future__ import annotations

import shlex
import sys

import toolbox
import yaml
from offline_github import OfflineGitHub

DOCKERFILE = "FROM scratch\nCOPY . /app\n"

# Like BuildKit, it makes another image each time, as a folder, and writes its digest into a file of
# metadata. The scanner prints which image it saw.
DOCKER = """\
for argument; do
  case "$argument" in
    type=oci,dest=*) image=${argument#type=oci,dest=} image=${image%,tar=false} ;;
    *:/image:ro) echo "scanned $(cat "${argument%:/image:ro}/index.json")" ;;
  esac
  [ "$before" != --metadata-file ] || metadata=$argument
  before=$argument
done
[ -n "$metadata" ] || exit 0
digest=$(head -c 32 /dev/urandom | sha256sum | cut -c 1-64)
mkdir "$image" # an image is built into a new folder
echo "sha256:$digest" > "$image/index.json"
echo "exporting manifest list sha256:$digest done"
cat > "$metadata" <<EOF
{
  "buildx.build.ref": "builder/builder0/abc",
  "containerimage.digest": "sha256:$digest",
  "image.name": "of no matter"
}
EOF
"""

# It prints what it has pushed.
SKOPEO = """\
for argument; do
  case "$argument" in oci:*) echo "pushed $(cat "${argument#oci:}/index.json")" ;; esac
done
"""

# The cluster prints what was applied; kustomize is real.
KUBECTL = """\
case "$1" in
  kustomize) exec {kubectl} "$@" ;;
  get)
    shift
    [ "$1" = --filename ] || {{ echo "offline $*" && exit; }}
    awk '
      function said() {{ if (kind) print kind, space ? space : "default", name; kind = space = "" }}
      /^---/ {{ said() }}
      /^[a-z]/ {{ part = $1 }}
      $1 == "kind:" && part == "kind:" {{ kind = $2 }}
      /^  name:/ && part == "metadata:" {{ name = $2 }}
      /^  namespace:/ && part == "metadata:" {{ space = $2 }}
      END {{ said() }}' "$2"
    ;;
esac
"""

# tests/real_commands runs the real tools of uv; here that would only take time.
UV = """\
case "$*" in
  *install.py) mkdir "$RUNNER_TEMP/python" && touch "$RUNNER_TEMP/python/folders.txt" ;;
  *"python -m pytest"*) exit 5 ;;
  *"python -m zipfile"*) while [ "$1" != python ]; do shift; done; shift; exec {python} "$@" ;;
esac
"""


def with_images(github: OfflineGitHub) -> OfflineGitHub:
    """Put the doubles on the jobs' PATH."""
    python = shlex.quote(sys.executable)
    github.tools.then("docker", DOCKER)
    github.tools.then("skopeo", SKOPEO)
    github.tools.then(
        "kubectl",
        KUBECTL.format(kubectl=shlex.quote(toolbox.script("kubectl"))),
    )
    github.tool("uvx")
    github.tools.then("uv", UV.format(python=python))
    return github


def deployment(name: str, *images: str) -> str:
    """A manifest that runs these images."""
    containers = [{"name": f"c{index}", "image": image} for index, image in enumerate(images)]
    labels = {"app": name}
    return str(
        yaml.safe_dump(
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": name},
                "spec": {
                    "selector": {"matchLabels": labels},
                    "template": {
                        "metadata": {"labels": labels},
                        "spec": {"containers": containers},
                    },
                },
            }
        )
    )


SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
"""
