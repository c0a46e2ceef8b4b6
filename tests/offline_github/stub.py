"""What a recorded tool runs: writes down how it was called, and fails if it was told to.

Copied into the jobs' PATH under the tools' names. Standard library only, started without site
packages, so that it costs 20 ms.
"""

import fcntl
import hashlib
import json
import os
import re
import sys
from pathlib import Path

folder = Path(sys.argv[0]).parent.parent
settings = json.loads((folder / "tools.json").read_text())
tool, arguments = Path(sys.argv[0]).name, sys.argv[1:]
job = os.environ.get("OFFLINE_GITHUB_JOB", "")
code = 0
for rule in settings["failures"]:
    if rule["tool"] == tool and re.search(rule["job"], job):
        code = rule["code"] if re.search(rule["arguments"], " ".join(arguments)) else code
watched = "|".join(settings["environment"])
entry = {
    "tool": tool,
    "arguments": arguments,
    "cwd": str(Path.cwd()),
    "workspace": os.environ.get("GITHUB_WORKSPACE", ""),
    "job": job,
    "run": int(os.environ.get("GITHUB_RUN_ID", "0")),
    "environment": {k: v for k, v in os.environ.items() if re.fullmatch(watched, k)},
    "files": {
        name: hashlib.sha256(Path(name).read_bytes()).hexdigest()
        for name in settings["files"]
        if Path(name).is_file()
    },
    "code": code,
}
with (folder / "commands.jsonl").open("a") as log:
    fcntl.flock(log, fcntl.LOCK_EX)
    log.write(json.dumps(entry) + "\n")
after = folder / "tools" / f".after-{tool}"
if after.exists() and not code:
    sys.stdout.flush()
    os.execv(after, [str(after), *arguments])
print("offline", tool, *arguments)
if code:
    print("offline", tool, "was told to fail", file=sys.stderr)
sys.exit(code)
