"""A double of GitHub's GraphQL API with an organisation, checked against GitHub's published schema.

graphql-core validates and executes each query by that schema, so queries and answers contain only
what GitHub has. GitHub's limits are checked, too: each list has `first` or `last` of at most 100,
and a query reads at most 500,000 nodes.
"""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import graphql
from graphql.language import ast
from graphql.validation import NoDeprecatedCustomRule
from toolbox import NODE_PACKAGES

ADDRESS = "https://github.com/acme/pipelines-template"
SCHEMA = NODE_PACKAGES / "node_modules" / "@octokit" / "graphql-schema" / "schema.graphql"
ORCHESTRATOR = ".github/workflows/orchestrator-{}.yml"
Node = dict[str, Any]


@functools.cache
def schema() -> graphql.GraphQLSchema:
    text = SCHEMA.read_text(encoding="utf-8")
    return graphql.build_schema(text, assume_valid=True, assume_valid_sdl=True, no_location=True)


@functools.lru_cache(64)
def validated(query: str) -> graphql.DocumentNode:
    document = graphql.parse(query, no_location=True)
    # A query must not use deprecated fields.
    rules = [*graphql.specified_rules, NoDeprecatedCustomRule]
    errors = graphql.validate(schema(), document, rules)
    assert not errors, errors
    return document


def answers(version: object, source: object = f"{ADDRESS}.git", more: str = "") -> str:
    """The text of an answers file, as Copier writes it."""
    copiers = json.dumps({"_commit": version, "_src_path": source})[1:-1].replace(', "', '\n"')
    return (
        "# The answers\n"
        + copiers.replace('"_', "_").replace('":', ":")
        + f"\n{more}code_types: [python]\n"
    )


def oid(*parts: object) -> str:
    return hashlib.sha1(repr(parts).encode()).hexdigest()


@dataclass
class Run:
    """A run of a workflow with its check suite."""

    file: str
    conclusion: str | None = "SUCCESS"
    event: str = "push"
    started: datetime | None = None
    number: int = 0


@dataclass
class Commit:
    files: dict[str, str | None]
    """The text of each file; None for a binary file."""
    date: datetime
    merged: datetime | None = None
    runs: list[Run] = field(default_factory=list)

    @property
    def oid(self) -> str:
        return oid(self.date, sorted(self.files.items(), key=str))


@dataclass
class Deployment:
    environment: str
    commit: Commit
    state: str
    created: datetime


@dataclass
class Pull:
    number: int
    files: dict[str, str | None]
    checks: str | None = "SUCCESS"
    fork: bool = False


@dataclass
class Repository:
    name: str
    owner: str = "acme"
    commits: list[Commit] = field(default_factory=list)
    """The newest is the last."""
    tags: dict[str, str] = field(default_factory=dict)
    archived: bool = False
    private: bool = False
    unreadable: bool = False
    pulls: list[Pull] = field(default_factory=list)
    deployments: list[Deployment] = field(default_factory=list)
    former: tuple[str, ...] = ()
    """Former names."""

    @property
    def head(self) -> Commit:
        return self.commits[-1]

    @property
    def id(self) -> str:
        return f"R_{oid(self.owner, self.former or self.name)[:12]}"


def connection(items: Sequence[Node | None], arguments: Node) -> Node:
    first, last = arguments.get("first"), arguments.get("last")
    start = int(arguments["after"]) if arguments.get("after") else 0
    if last:
        page, end = items[-last:], len(items)
    else:
        end = start + (first or 0)
        page = items[start:end]
    return {
        "nodes": list(page),
        "totalCount": len(items),
        "pageInfo": {"hasNextPage": end < len(items), "endCursor": str(end)},
    }


@dataclass
class Organisation:
    repositories: list[Repository] = field(default_factory=list)
    now: datetime = datetime(2026, 11, 1, tzinfo=UTC)
    calls: list[str] = field(default_factory=list)
    points: int = 0
    nodes: int = 0
    refuses: Callable[[str], tuple[int, dict[str, str], object] | None] = lambda query: None
    """An answer that replaces the usual one: status, headers, body."""

    def tick(self, **duration: float) -> datetime:
        self.now += timedelta(**duration or {"seconds": 1})
        return self.now

    def commit(
        self, repository: Repository, files: dict[str, str | None], merged: bool = False
    ) -> Commit:
        """Add a commit. Files with an empty text are deleted."""
        before = repository.commits[-1].files if repository.commits else {}
        now = {name: text for name, text in {**before, **files}.items() if text != ""}
        commit = Commit(now, self.tick())
        commit.merged = self.tick(hours=1) if merged else None
        repository.commits.append(commit)
        return commit

    def deploy(
        self,
        repository: Repository,
        environment: str,
        state: str = "ACTIVE",
        run: str | None = "SUCCESS",
    ) -> None:
        """Add a run of an orchestrator at the newest commit, with a deployment."""
        commit = repository.head
        self.run(repository, f"orchestrator-{environment}.yml", run)
        if state == "ACTIVE":
            for other in repository.deployments:
                if other.environment == environment and other.state == "ACTIVE":
                    other.state = "INACTIVE"
        repository.deployments.append(Deployment(environment, commit, state, self.tick()))

    def run(
        self, repository: Repository, file: str, conclusion: str | None, event: str = "push"
    ) -> None:
        runs = repository.head.runs
        runs.append(Run(file, conclusion, event, self.tick(), len(runs)))

    # Objects for GraphQL -------------------------------------------------------------------------

    def find(self, owner: str, name: str) -> Node | None:
        for repository in self.repositories:
            names = (repository.name.lower(), *repository.former)
            if repository.owner == owner.lower() and name.lower() in names:
                return self._repository(repository)
        raise_not_found(f"Could not resolve to a Repository with the name '{owner}/{name}'.")
        return None

    def _workflow(self, id: str) -> Node | None:
        for repository in self.repositories:
            url = f"https://github.com/{repository.owner}/{repository.name}"
            if not id.startswith(f"W_{url}/"):
                continue
            runs = []
            for commit in repository.commits:
                for run in commit.runs:
                    if run.file == id.rpartition("/")[2]:
                        made = suite(run, url)
                        made["commit"] = self._commit(repository, commit, url)
                        told = made["workflowRun"] | {"checkSuite": made}
                        runs.append((run.started, told))
            runs.sort(key=lambda pair: pair[0], reverse=True)
            newest = [told for _, told in runs]
            return {
                "__typename": "Workflow",
                "runs": lambda _, newest=newest, **arguments: connection(newest, arguments),
            }
        return None

    def by_id(self, id: str) -> Node | None:
        if workflow := self._workflow(id):
            return workflow
        for repository in self.repositories:
            if repository.id == id:
                return self._repository(repository)
        raise_not_found(f"Could not resolve to a node with the global id of '{id}'.")
        return None

    def root(self) -> Node:
        def owner(_: object, login: str) -> Node | None:
            mine = [r for r in self.repositories if r.owner == login.lower()]
            if not mine and login != "empty":
                return None
            mine.sort(key=lambda r: r.name)

            def repositories(_: object, **arguments: Any) -> Node:
                nodes = [None if r.unreadable else self._repository(r) for r in mine]
                return connection(nodes, arguments)

            return {"__typename": "Organization", "login": login, "repositories": repositories}

        return {
            "repositoryOwner": owner,
            "repository": lambda _, owner, name, **__: self.find(owner, name),
            "node": lambda _, id: self.by_id(id),
            "rateLimit": {
                "cost": self.points,
                "nodeCount": self.nodes,
                "remaining": 4000,
                "resetAt": "2026-11-01T00:00:00Z",
            },
        }

    def _repository(self, repository: Repository) -> Node:
        full_name = f"{repository.owner}/{repository.name}"
        url = f"https://github.com/{full_name}"

        def environment(_: object, name: str) -> Node | None:
            mine = [d for d in repository.deployments if d.environment == name]
            done = [d for d in mine if d.state in ("ACTIVE", "INACTIVE", "FAILURE", "ERROR")]
            last = self._deployment(done[-1], url) if done else None
            return {"name": name, "latestCompletedDeployment": last} if mine else None

        def deployments(_: object, environments: list[str], **arguments: Any) -> Node:
            mine = [d for d in repository.deployments if d.environment in environments]
            if arguments["orderBy"]["direction"] == "DESC":
                mine.reverse()
            return connection([self._deployment(d, url) for d in mine], arguments)

        def pulls(_: object, **arguments: Any) -> Node:
            made = [self._pull(pull, url) for pull in reversed(repository.pulls)]
            return connection(made, arguments)

        def refs(_: object, **arguments: Any) -> Node:
            # Annotated tags; the newest is the first.
            made = [
                {
                    "name": n,
                    "target": {
                        "__typename": "Tag",
                        "oid": oid(n),
                        "target": {"__typename": "Commit", "oid": sha},
                    },
                }
                for n, sha in reversed(repository.tags.items())
            ]
            return connection(made, arguments)

        target = self._commit(repository, repository.head, url) if repository.commits else None
        return {
            "__typename": "Repository",
            "id": repository.id,
            "nameWithOwner": full_name,
            "url": url,
            "isArchived": repository.archived,
            "isPrivate": repository.private,
            "isEmpty": not repository.commits,
            "defaultBranchRef": target and {"name": "main", "target": target},
            "object": lambda _, expression: self._object(repository, expression),
            "environment": environment,
            "deployments": deployments,
            "pullRequests": pulls,
            "refs": refs,
        }

    def _object(self, repository: Repository, expression: str) -> Node | None:
        if not repository.commits:
            return None
        path = expression.removeprefix("HEAD:").strip("/")
        files = repository.head.files
        if path in files:
            return blob(files[path])
        prefix = f"{path}/" if path else ""
        inside = sorted({n[len(prefix) :].split("/")[0] for n in files if n.startswith(prefix)})
        if not inside and path:
            return None
        entries = [{"name": n, "type": "blob" if prefix + n in files else "tree"} for n in inside]
        return {"__typename": "Tree", "oid": oid(inside), "entries": entries}

    def _commit(self, repository: Repository, commit: Commit, url: str) -> Node:
        def history(_: object, path: str | None = None, **arguments: Any) -> Node:
            listed = repository.commits[: repository.commits.index(commit) + 1]
            if path is not None:
                before = [None, *listed]
                listed = [
                    c
                    for c, b in zip(listed, before, strict=False)
                    if c.files.get(path) != (b.files.get(path) if b else None)
                ]
            return connection(
                [self._commit(repository, c, url) for c in reversed(listed)], arguments
            )

        def suites(_: object, **arguments: Any) -> Node:
            return connection([suite(run, url) for run in commit.runs], arguments)

        merged = commit.merged and {"mergedAt": commit.merged.isoformat()}
        return {
            "__typename": "Commit",
            "oid": commit.oid,
            "committedDate": commit.date.isoformat(),
            "file": lambda _, path: entry(commit.files, path),
            "history": history,
            "checkSuites": suites,
            "associatedPullRequests": lambda _, **a: connection([merged] if merged else [], a),
        }

    def _deployment(self, deployment: Deployment, url: str) -> Node:
        repository = next(r for r in self.repositories if url.endswith(f"/{r.owner}/{r.name}"))
        created = deployment.created.isoformat()
        return {
            "state": deployment.state,
            "createdAt": created,
            "updatedAt": created,
            "latestStatus": {"createdAt": created, "logUrl": f"{url}/actions/runs/1/job/2"},
            "commit": self._commit(repository, deployment.commit, url),
        }

    def _pull(self, pull: Pull, url: str) -> Node:
        commit = {
            "__typename": "Commit",
            "oid": oid(pull.number, str(pull.files)),
            "statusCheckRollup": pull.checks and {"state": pull.checks},
            "file": lambda _, path: entry(pull.files, path),
        }
        return {
            "number": pull.number,
            "url": f"{url}/pull/{pull.number}",
            "isCrossRepository": pull.fork,
            "headRef": {"target": commit},
        }

    # The API -----------------------------------------------------------------------------------

    def answer(self, body: bytes) -> tuple[int, dict[str, str], object]:
        asked = json.loads(body)
        query, variables = asked["query"], asked["variables"]
        self.calls.append(query)
        if other := self.refuses(query):
            return other
        document = validated(query)
        self.nodes, requests = limits(document, variables)
        assert self.nodes <= 500_000
        self.points = max(1, round(requests / 100))
        result = graphql.execute(schema(), document, self.root(), variable_values=variables)
        told: Node = {"data": result.data}
        if result.errors:  # an error without a type is one of this double
            told["errors"] = [
                {
                    "type": error.extensions["type"],
                    "path": error.path,
                    "message": error.message,
                }
                for error in result.errors
            ]
        # GitHub's error for a repository that it lists, but does not show.
        for number, repository in enumerate(self.repositories):
            if repository.unreadable and "query Listing" in query:
                path = ["repositoryOwner", "repositories", "nodes", number]
                message = "Although you appear to have the correct authorization credentials, no."
                told.setdefault("errors", []).append(
                    {"type": "FORBIDDEN", "path": path, "message": message}
                )
        return 200, {}, told


def raise_not_found(message: str) -> None:
    raise graphql.GraphQLError(message, extensions={"type": "NOT_FOUND"})


def blob(text: str | None) -> Node:
    return {"__typename": "Blob", "oid": oid(text), "text": text, "isTruncated": False}


def entry(files: dict[str, str | None], path: str) -> Node | None:
    if path not in files:
        return None
    return {"oid": oid(files[path]), "object": blob(files[path])}


def suite(run: Run, url: str) -> Node:
    started = run.started and run.started.isoformat()
    return {
        "status": "COMPLETED" if run.conclusion else "IN_PROGRESS",
        "conclusion": run.conclusion,
        "updatedAt": started,
        "workflowRun": {
            "url": f"{url}/actions/runs/{run.number}",
            "event": run.event,
            "createdAt": started,
            "file": {"path": f".github/workflows/{run.file}"},
            "workflow": {
                "id": f"W_{url}/{run.file}",
                "resourcePath": f"/x/y/actions/workflows/{run.file}",
            },
        },
    }


def limits(document: graphql.DocumentNode, variables: Node) -> tuple[int, int]:
    """The nodes and requests of a query, counted as in GitHub's documentation."""
    fragments = {
        d.name.value: d for d in document.definitions if isinstance(d, ast.FragmentDefinitionNode)
    }
    nodes = requests = 0

    def look(selection: ast.SelectionSetNode, kind: Any, times: int) -> None:
        nonlocal nodes, requests
        for part in selection.selections:
            if isinstance(part, ast.FragmentSpreadNode):
                fragment = fragments[part.name.value]
                on = schema().type_map[fragment.type_condition.name.value]
                look(fragment.selection_set, on, times)
            elif isinstance(part, ast.InlineFragmentNode):
                on = (
                    schema().type_map[part.type_condition.name.value]
                    if part.type_condition
                    else kind
                )
                look(part.selection_set, on, times)
            elif isinstance(part, ast.FieldNode) and part.selection_set:
                inner = graphql.get_named_type(kind.fields[part.name.value].type)
                size = times
                if inner.name.endswith("Connection"):
                    given = {a.name.value: a.value for a in part.arguments}
                    value = given.get("first") or given.get("last")
                    assert value, f"{part.name.value} says neither first nor last"
                    if isinstance(value, ast.VariableNode):
                        count = int(variables[value.name.value])
                    else:
                        count = int(value.value)  # type: ignore[attr-defined]
                    assert 1 <= count <= 100
                    requests += times
                    nodes += times * count
                    size = times * count
                look(part.selection_set, inner, size)

    for definition in document.definitions:
        if isinstance(definition, ast.OperationDefinitionNode):
            look(definition.selection_set, schema().query_type, 1)
    return nodes, requests


@contextmanager
def served(organisation: Organisation, token: str = "a-token") -> Iterator[str]:
    """Serve the API over HTTP on this machine."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status, headers, told = 401, {}, {"message": "Bad credentials"}
            if self.headers["authorization"] == f"Bearer {token}":
                status, headers, told = organisation.answer(body)
            sent = told if isinstance(told, bytes) else json.dumps(told).encode()
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(sent))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/graphql"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def template(*versions: str) -> Repository:
    """The template's repository, with a tag for each version."""
    made = Repository("pipelines-template")
    for number, version in enumerate(versions):
        commit = Commit({"copier.yml": version}, datetime(2026, 1, 1 + number, tzinfo=UTC))
        made.commits.append(commit)
        made.tags[version] = commit.oid
    return made


def files(
    text: str, *environments: str, name: str = ".copier-answers.yml"
) -> dict[str, str | None]:
    return {name: text, "README.md": "x"} | {
        ORCHESTRATOR.format(e): "on: push" for e in environments
    }


def five_hundred(number: int = 500) -> Organisation:
    """An organisation with many repositories of all kinds, with three environments each."""
    made = Organisation([template("v0.1.0", "v0.2.0", "v0.3.0", "v0.10.0")])
    versions = ["v0.1.0", "v0.2.0", "v0.3.0", "v0.10.0", "v0.10.0"]
    for n in range(1, number):
        repository = Repository(f"service-{n:03}", private=n % 3 == 0, archived=n % 50 == 0)
        made.repositories.append(repository)
        environments = ("dev", "tst", "prd")
        made.commit(repository, files(answers(versions[n % 5]), *environments), n % 2 == 0)
        for environment in environments:
            good = n % 17 or environment != "tst"
            made.deploy(
                repository,
                environment,
                "ACTIVE" if good else "FAILURE",
                "SUCCESS" if good else "FAILURE",
            )
        if n % 5 < 3:
            pull = Pull(
                n, {".copier-answers.yml": answers("v0.10.0")}, ["SUCCESS", "FAILURE", None][n % 3]
            )
            repository.pulls.append(pull)
    return made
