"""What a recorded tool runs: writes down how it was called, and fails if it was told to.

Copied into the jobs' PATH under the tools' names. Standard library only, started without site
packages and with few imports, because hundreds run: with pathlib one costs half as much again.
"""

# ruff: noqa: PTH109, PTH110, PTH113, PTH120, PTH123

import fcntl
import json
import os
import re
import sys

tools, tool = os.path.split(sys.argv[0])
folder, arguments = os.path.dirname(tools), sys.argv[1:]
with open(f"{folder}/tools.json") as file:
    settings = json.load(file)
job = os.environ.get("OFFLINE_GITHUB_JOB", "")
code = 0
for rule in settings["failures"]:
    if rule["tool"] == tool and re.search(rule["job"], job):
        code = rule["code"] if re.search(rule["arguments"], " ".join(arguments)) else code
watched = "|".join(settings["environment"])


def digest(name):
    import hashlib

    with open(name, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


entry = {
    "tool": tool,
    "arguments": arguments,
    "cwd": os.getcwd(),
    "workspace": os.environ.get("GITHUB_WORKSPACE", ""),
    "job": job,
    "run": int(os.environ.get("GITHUB_RUN_ID", "0")),
    "environment": {k: v for k, v in os.environ.items() if re.fullmatch(watched, k)},
    "files": {name: digest(name) for name in settings["files"] if os.path.isfile(name)},
    "code": code,
}
with open(f"{folder}/commands.jsonl", "a") as log:
    fcntl.flock(log, fcntl.LOCK_EX)
    log.write(json.dumps(entry) + "\n")
after = f"{tools}/.after-{tool}"
if not code and os.path.exists(after):
    sys.stdout.flush()
    os.execv(after, [after, *arguments])
print("offline", tool, *arguments)
if code:
    print("offline", tool, "was told to fail", file=sys.stderr)
sys.exit(code)
