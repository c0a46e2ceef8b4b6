"""Doubles of what builds and runs images: BuildKit, uv's tools and a cluster."""

from __future__ import annotations

import shlex
import sys

import toolbox
import yaml
from offline_github import OfflineGitHub

DOCKERFILE = "FROM scratch\nCOPY . /app\n"

# As BuildKit does: the digest depends on what is built, and is written into a file of metadata.
DOCKER = """\
[ "$1 $2" = "buildx build" ] || exit 0
file=Dockerfile
while [ $# -gt 1 ]; do
  case "$1" in
    --metadata-file) metadata=$2 ;;
    --file) file=$2 ;;
  esac
  shift
done
[ -n "$metadata" ] || exit 0
digest=$(echo "$COMPONENT $COMMIT $ENVIRONMENT" | sha256sum - "$file" | sha256sum | cut -c 1-64)
echo "exporting manifest list sha256:$digest done"
cat > "$metadata" <<EOF
{
  "buildx.build.ref": "builder/builder0/abc",
  "containerimage.digest": "sha256:$digest",
  "image.name": "of no matter"
}
EOF
"""

# The cluster says what was applied; kustomize is the real one.
KUBECTL = """\
case "$1" in
  kustomize) exec {kubectl} "$@" ;;
  get) exec {python} - "$@" <<'EOF'
import sys, yaml
if "--filename" in sys.argv:
    for one in yaml.safe_load_all(open("rendered.yaml")):
        metadata = one["metadata"]
        print(one["kind"], metadata.get("namespace", "default"), metadata["name"])
else:
    print("offline", *sys.argv[2:])
EOF
  ;;
esac
"""

# uv's tools are real elsewhere (tests/real_commands); here the time is better spent.
UV = """\
case "$*" in
  *"python -m pytest"*) exit 5 ;;
  *"python -m zipfile"*) while [ "$1" != python ]; do shift; done; shift; exec {python} "$@" ;;
esac
"""


def with_images(github: OfflineGitHub) -> OfflineGitHub:
    """Put the doubles on the jobs' PATH."""
    python = shlex.quote(sys.executable)
    github.tools.then("docker", DOCKER)
    github.tools.then(
        "kubectl",
        KUBECTL.format(kubectl=shlex.quote(toolbox.script("kubectl")), python=python),
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
