"""The REST API and the artifact service, on a free port of this machine.

One server serves every `OfflineGitHub` of a process, because GitHub's libraries read the API's
address once, when they are loaded; the token of a request says whose it is.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import http.server
import itertools
import json
import re
import threading
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import organisation
from .clock import timestamp
from .model import Artifact, Job, Run
from .organisation import Organisation
from .people import BOT
from .workflows import LEVELS

if TYPE_CHECKING:
    from .github import OfflineGitHub


@dataclass
class Session:
    """What a token stands for: one job, with its rights; or a person, with theirs."""

    github: OfflineGitHub
    run: Run
    job: Job
    #: Whose token it is, if it is not a job's.
    user: str | None = None

    @property
    def login(self) -> str:
        return self.user or BOT


@dataclass
class ApiCall:
    method: str
    path: str
    job: str
    status: int
    body: Any = None


@dataclass
class Answer:
    """A response; a `status` of 0 drops the connection."""

    status: int
    body: Any = None
    headers: dict[str, str] | None = None
    #: The connection ends in the middle of the body.
    cut: bool = False


@dataclass
class Planned:
    """Something that the test wants to happen to REST calls."""

    method: str
    path: re.Pattern[str]
    answer: Answer
    times: int = 1
    #: So many matching calls are let through before.
    skip: int = 0
    #: The call does its work, and only then gets this answer.
    after: bool = False
    #: The call's own answer, of which the client gets one half.
    cut: bool = False


def next_plan(plans: list[Planned], method: str, path: str) -> Planned | None:
    """The first plan whose turn it is; every plan counts all calls that match it."""
    found = None
    for plan in plans:
        if plan.times == 0 or plan.method not in ("", method) or not plan.path.search(path):
            continue
        if plan.skip:
            plan.skip -= 1
        elif found is None:
            found = plan
            plan.times -= 1
    return found


class ApiError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


Handler = Callable[["Request"], Answer]
ROUTES: list[tuple[str, re.Pattern[str], str, Handler]] = []


@dataclass
class Request:
    session: Session
    parameters: dict[str, str]
    query: dict[str, str]
    body: Any
    url: str

    @property
    def github(self) -> OfflineGitHub:
        return self.session.github

    def run(self) -> Run:
        """The newest attempt of the run in the path, or 404."""
        run = self.github.find_run(int(self.parameters["run"]))
        if run is None:
            raise ApiError(404, "Not Found")
        return run

    def page(self, items: list[Any], key: str | None = None) -> Answer:
        """One page, with the Link header that Octokit's `paginate` follows."""
        size = min(int(self.query.get("per_page", 30)), 100)
        number = int(self.query.get("page", 1))
        shown = items[(number - 1) * size : number * size]
        headers = {}
        if number * size < len(items):
            path = self.url.split("?")[0]
            query = urllib.parse.urlencode({**self.query, "page": number + 1})
            headers["Link"] = f'<{self.github.api_url}{path}?{query}>; rel="next"'
        return Answer(200, {"total_count": len(items), key: shown} if key else shown, headers)


def _tagged(answer: Answer) -> Answer:
    """With the ETag that a later `If-None-Match` may name."""
    digest = hashlib.sha256(json.dumps(answer.body).encode()).hexdigest()
    answer.headers = {**(answer.headers or {}), "ETag": f'W/"{digest}"'}
    return answer


def _unless_known(answer: Answer, known: str | None) -> Answer:
    """304 when the client has this very answer: `known` is its `If-None-Match`."""
    tag = (answer.headers or {}).get("ETag")
    tags = [text.strip().removeprefix("W/") for text in (known or "").split(",")]
    if tag and tag.removeprefix("W/") in tags:
        return Answer(304, headers={"ETag": tag})
    return answer


def route(method: str, path: str, permission: str) -> Callable[[Handler], Handler]:
    """Registers a REST endpoint; `permission` is what the token needs, as `contents: read`."""
    names = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)
    names = re.sub(r"\{(\w+)\*\}", r"(?P<\1>.+)", names)

    def register(handler: Handler) -> Handler:
        ROUTES.append(
            (method, re.compile(f"/repos/(?P<repository>[^/]+/[^/]+){names}"), permission, handler)
        )
        return handler

    return register


@route("GET", "", "")
def get_repository(request: Request) -> Answer:
    return Answer(200, request.github.repository_payload())


@route("GET", "/compare/{basehead*}", "contents: read")
def compare(request: Request) -> Answer:
    base, _, head = request.parameters["basehead"].partition("...")
    result = request.github.remote.compare(base, head)
    if result is None:
        raise ApiError(404, "Not Found")
    first, second = str(result.pop("base")), str(result.pop("head"))
    remote = request.github.remote
    merge_base = remote.merge_base(first, second)
    if merge_base is None:
        raise ApiError(404, f"No common ancestor between {first} and {second}.")
    shown = {
        "base_commit": {"sha": first},
        "merge_base_commit": {"sha": merge_base},
        "total_commits": result["ahead_by"],
    }
    # Oldest first; a page of its own has no more than 250, and only the first one has the files.
    new = remote.missing(first, second)
    if "page" in request.query:
        request.github.report("further pages of a comparison")
    size = min(int(request.query.get("per_page", 250)), 250)
    commits = [_commit(request, sha) for sha in new[:size]]
    files = remote.changed(first, second)[:300]
    return Answer(200, {**result, **shown, "commits": commits, "files": files})


def _commit(request: Request, sha: str) -> dict[str, Any]:
    remote = request.github.remote
    return {
        "sha": sha,
        "commit": {"message": remote.message(sha), **_made(request.github.commit_dates.get(sha))},
        "parents": [{"sha": parent} for parent in remote.parents(sha)],
    }


def _made(date: str | None) -> dict[str, Any]:
    """When a commit was made, if it came with a push."""
    return {"committer": {"date": date}} if date else {}


@route("GET", "/commits", "contents: read")
def list_commits(request: Request) -> Answer:
    """A commit and all before it, newest first; those of the default branch unless told."""
    github = request.github
    if unknown := set(request.query) - {"sha", "per_page", "page"}:
        request.github.report(f"listing commits by {sorted(unknown)}")
    sha = github.remote.resolve(request.query.get("sha") or f"refs/heads/{github.default_branch}")
    if sha is None:
        raise ApiError(404, "Not Found")
    found = request.page(github.remote.history(sha))
    return Answer(200, [_commit(request, each) for each in found.body], found.headers)


def _branch(name: str, commit: str) -> dict[str, Any]:
    return {"name": name, "commit": {"sha": commit}, "protected": False}


@route("GET", "/branches", "contents: read")
def list_branches(request: Request) -> Answer:
    refs = request.github.remote.refs("refs/heads/")
    return request.page([_branch(name, commit) for name, commit in refs.items()])


@route("GET", "/branches/{branch*}", "contents: read")
def get_branch(request: Request) -> Answer:
    name = request.parameters["branch"]
    commit = request.github.remote.refs("refs/heads/").get(name)
    if commit is None:
        raise ApiError(404, "Branch not found")
    return Answer(200, _branch(name, commit))


@route("GET", "/tags", "contents: read")
def list_tags(request: Request) -> Answer:
    refs = request.github.remote.refs("refs/tags/")
    return request.page(
        [{"name": name, "commit": {"sha": commit}} for name, commit in refs.items()]
    )


@route("GET", "/commits/{ref*}", "contents: read")
def get_commit(request: Request) -> Answer:
    commit = request.github.remote.resolve(request.parameters["ref"])
    if commit is None:
        raise ApiError(422, f"No commit found for SHA: {request.parameters['ref']}")
    return Answer(200, _commit(request, commit))


def _ref(request: Request, name: str, pointed: tuple[str, str]) -> dict[str, Any]:
    kind, sha = pointed
    url = f"{request.github.api_url}/repos/{request.github.name}/git"
    shown = {"type": kind, "sha": sha, "url": f"{url}/{kind}s/{sha}"}
    return {"ref": name, "url": f"{url}/{name}", "object": shown}


@route("GET", "/git/matching-refs/{ref*}", "contents: read")
def matching_refs(request: Request) -> Answer:
    """All of them: GitHub has no pages here. An annotated tag points to a tag object."""
    start = f"refs/{request.parameters['ref']}"
    refs = request.github.remote.pointed()
    return Answer(200, [_ref(request, n, to) for n, to in refs.items() if n.startswith(start)])


@route("GET", "/git/ref/{ref*}", "contents: read")
def get_ref(request: Request) -> Answer:
    name = f"refs/{request.parameters['ref']}"
    pointed = request.github.remote.pointed().get(name)
    if pointed is None:
        raise ApiError(404, "Not Found")
    return Answer(200, _ref(request, name, pointed))


@route("GET", "/git/trees/{tree}", "contents: read")
def get_tree(request: Request) -> Answer:
    """All files of a commit. Where `tree_limit` cuts the list short, folders can be asked for."""
    github = request.github
    sha, folder = request.parameters["tree"], ""
    if sha in github.folders:
        sha, folder = github.folders[sha]
    commit = github.remote.resolve(sha)
    if commit is None:
        raise ApiError(404, "Not Found")
    files = [file for file in github.remote.tree(commit) if file[0].startswith(folder)]
    entries = [
        {"path": path.removeprefix(folder), "mode": mode, "type": kind, "sha": oid}
        for path, mode, kind, oid in files
    ]
    if "recursive" in request.query:
        cut = len(entries) > github.tree_limit
        return Answer(200, {"sha": sha, "tree": entries[: github.tree_limit], "truncated": cut})
    shown = [entry for entry in entries if "/" not in entry["path"]]
    for name in sorted({e["path"].split("/")[0] for e in entries if "/" in e["path"]}):
        below = hashlib.sha1(f"{commit} {folder}{name}".encode()).hexdigest()
        github.folders[below] = (commit, f"{folder}{name}/")
        shown.append({"path": name, "mode": "040000", "type": "tree", "sha": below})
    return Answer(200, {"sha": sha, "tree": shown, "truncated": False})


@route("GET", "/contents/{path*}", "contents: read")
def get_content(request: Request) -> Answer:
    remote = request.github.remote
    commit = remote.resolve(request.query["ref"])
    text = remote.text(commit, request.parameters["path"]) if commit else None
    if text is None:
        raise ApiError(404, "Not Found")
    content = base64.b64encode(text).decode()
    return Answer(200, {"type": "file", "encoding": "base64", "content": content})


@route("GET", "/git/tags/{tag}", "contents: read")
def get_tag(request: Request) -> Answer:
    """The tag object that an annotated tag points to."""
    found = request.github.remote.tag_object(request.parameters["tag"])
    if found is None:
        raise ApiError(404, "Not Found")
    return Answer(200, found)


RUN_FILTERS = {
    "actor": "actor",
    "branch": "head_branch",
    "event": "event",
    "head_sha": "head_sha",
}


def _moment(text: str) -> datetime.datetime:
    """A date (midnight), or a date and time with its offset, as GitHub's search takes it."""
    moment = datetime.datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)


def _created_within(text: str, created_at: str) -> bool:
    """`>=A`, `>A`, `<=A`, `<A`, `A..B`, `A..*` or `*..B`."""
    created = _moment(created_at)
    if match := re.fullmatch(r"([<>]=?)(.+)", text):
        limit = _moment(match[2])
        return {
            ">=": created >= limit,
            ">": created > limit,
            "<=": created <= limit,
            "<": created < limit,
        }[match[1]]
    first, separator, last = text.partition("..")
    if not separator or first == last == "*":
        raise ValueError(f"not a range of dates: {text}")
    return (first == "*" or created >= _moment(first)) and (last == "*" or created <= _moment(last))


#: A list that is filtered ends after so many.
FILTERED = 1000


def _runs(request: Request, runs: list[Run]) -> Answer:
    github, wanted = request.github, request.query
    if unknown := set(wanted) - {*RUN_FILTERS, "created", "status", "per_page", "page"}:
        github.report(f"listing runs by {sorted(unknown)}")
    filtered = bool(set(wanted) & {*RUN_FILTERS, "created", "status"})
    moment = github.clock.now() - (github.filtered_list_lag if filtered else github.list_lag)
    runs = [run for run in runs if timestamp(run.created_at) <= moment or not github.lags]
    for filter_name, attribute in RUN_FILTERS.items():
        if filter_name in wanted:
            runs = [run for run in runs if getattr(run, attribute) == wanted[filter_name]]
    if "created" in wanted:
        try:
            _created_within(wanted["created"], "2026-01-01")
        except ValueError:
            github.report(f"listing runs with created={wanted['created']}")
            return Answer(501, {"message": "not modelled by the offline GitHub"})
        runs = [run for run in runs if _created_within(wanted["created"], run.created_at)]
    if "status" in wanted:
        # By what the index knows, which is a little old.
        runs = [run for run in runs if wanted["status"] in run.seen(moment, github.lags)]
    newest_first = sorted(runs, key=lambda run: run.id, reverse=True)
    shown = newest_first[:FILTERED] if filtered else newest_first
    return _tagged(request.page([github.run_payload(run) for run in shown], "workflow_runs"))


@route("GET", "/actions/runs", "actions: read")
def list_runs(request: Request) -> Answer:
    return _runs(request, request.github.latest_attempts())


@route("GET", "/actions/workflows/{workflow}/runs", "actions: read")
def list_workflow_runs(request: Request) -> Answer:
    path = request.github.workflow_path(request.parameters["workflow"])
    if path is None:
        raise ApiError(404, "Not Found")
    return _runs(
        request, [run for run in request.github.latest_attempts() if run.workflow_path == path]
    )


@route("GET", "/actions/workflows/{workflow}", "actions: read")
def get_workflow(request: Request) -> Answer:
    path = request.github.workflow_path(request.parameters["workflow"])
    if path is None:
        raise ApiError(404, "Not Found")
    return Answer(200, {"id": request.github.workflow_id(path), "path": path, "state": "active"})


@route("GET", "/actions/runs/{run}", "actions: read")
def get_run(request: Request) -> Answer:
    return _tagged(Answer(200, request.github.run_payload(request.run())))


@route("GET", "/actions/runs/{run}/attempts/{attempt}", "actions: read")
def get_attempt(request: Request) -> Answer:
    run = request.github.find_run(request.run().id, int(request.parameters["attempt"]))
    if run is None:
        raise ApiError(404, "Not Found")
    return Answer(200, request.github.run_payload(run))


@route("GET", "/actions/runs/{run}/jobs", "actions: read")
def list_jobs(request: Request) -> Answer:
    """Those of the newest attempt, or of all."""
    github, run = request.github, request.run()
    wanted = request.query.get("filter", "latest")
    if wanted not in ("latest", "all"):
        raise ApiError(422, "Invalid filter")
    attempts = [each for each in github.runs if each.id == run.id] if wanted == "all" else [run]
    shown = {job["id"]: job for attempt in attempts for job in github.job_payloads(attempt)}
    return request.page(list(shown.values()), "jobs")


@route("GET", "/actions/runs/{run}/attempts/{attempt}/jobs", "actions: read")
def list_attempt_jobs(request: Request) -> Answer:
    run = request.github.find_run(request.run().id, int(request.parameters["attempt"]))
    if run is None:
        raise ApiError(404, "Not Found")
    return request.page(request.github.job_payloads(run), "jobs")


@route("GET", "/actions/jobs/{job}", "actions: read")
def get_job(request: Request) -> Answer:
    for run in reversed(request.github.runs):
        for job in request.github.job_payloads(run):
            if job["id"] == int(request.parameters["job"]):
                return Answer(200, job)
    raise ApiError(404, "Not Found")


def _artifact(request: Request, artifact: Artifact, run: Run) -> dict[str, Any]:
    url = f"{request.github.api_url}/repos/{request.github.name}"
    kept = datetime.timedelta(days=artifact.retention_days or 90)
    end = datetime.datetime.fromisoformat(artifact.created_at) + kept
    return {
        "id": artifact.id,
        "name": artifact.name,
        "size_in_bytes": len(artifact.data),
        "expired": artifact.expired,
        "digest": artifact.digest,
        "created_at": artifact.created_at,
        "updated_at": artifact.created_at,
        "expires_at": end.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "url": f"{url}/actions/artifacts/{artifact.id}",
        "archive_download_url": f"{url}/actions/artifacts/{artifact.id}/zip",
        "workflow_run": {
            "id": run.id,
            "head_sha": run.head_sha,
            "head_branch": run.head_branch,
            "repository_id": request.github.repository_id,
            "head_repository_id": request.github.head_repository_id(run),
        },
    }


def _artifacts(request: Request, runs: list[Run]) -> Answer:
    found = [(a, run) for run in runs for a in run.artifact_store.values() if a.final]
    if "name" in request.query:
        found = [(a, run) for a, run in found if a.name == request.query["name"]]
    found.sort(key=lambda pair: pair[0].id, reverse=True)
    return request.page([_artifact(request, a, run) for a, run in found], "artifacts")


@route("GET", "/actions/artifacts", "actions: read")
def list_artifacts(request: Request) -> Answer:
    return _artifacts(request, request.github.latest_attempts())


@route("GET", "/actions/runs/{run}/artifacts", "actions: read")
def list_run_artifacts(request: Request) -> Answer:
    return _artifacts(request, [request.run()])


def _one_artifact(request: Request) -> Artifact:
    artifact = request.github.artifact(int(request.parameters["artifact"]))
    if artifact is None or not artifact.final:
        raise ApiError(404, "Not Found")
    return artifact


@route("GET", "/actions/artifacts/{artifact}", "actions: read")
def get_artifact(request: Request) -> Answer:
    artifact = _one_artifact(request)
    run = request.github.find_run(artifact.run_id)
    assert run
    return Answer(200, _artifact(request, artifact, run))


@route("GET", "/actions/artifacts/{artifact}/zip", "actions: read")
def download_artifact(request: Request) -> Answer:
    artifact = _one_artifact(request)
    if artifact.expired:
        raise ApiError(410, "Artifact has expired")
    return Answer(302, b"", {"Location": blob_url(request.github, artifact)})


@route("POST", "/actions/workflows/{workflow}/dispatches", "actions: write")
def dispatch(request: Request) -> Answer:
    body = request.body or {}
    path = request.github.workflow_path(request.parameters["workflow"])
    if path is None:
        raise ApiError(404, "Not Found")
    try:
        run = request.github.dispatch_at_once(
            path, body.get("ref", ""), body.get("inputs") or {}, request.session.login
        )
    except ValueError as error:
        raise ApiError(422, str(error)) from error
    if not body.get("return_run_details"):
        return Answer(204)
    shown = request.github.run_payload(run)
    return Answer(
        200, {"workflow_run_id": run.id, "run_url": shown["url"], "html_url": shown["html_url"]}
    )


def _issue(request: Request) -> dict[str, Any]:
    number = int(request.parameters["number"])
    found = [issue for issue in request.github.issues if issue["number"] == number]
    if not found:
        raise ApiError(404, "Not Found")
    return found[0]


@route("GET", "/issues", "issues: read")
def list_issues(request: Request) -> Answer:
    wanted = {"state": request.query.get("state", "open")}
    issues = [i for i in request.github.issues[::-1] if wanted["state"] in (i["state"], "all")]
    creator = request.query.get("creator")
    return request.page([i for i in issues if creator in (None, i["user"]["login"])])


@route("POST", "/issues", "issues: write")
def create_issue(request: Request) -> Answer:
    body = {name: request.body[name] for name in ("title", "body")}
    number = len(request.github.issues) + 1
    user = {"login": request.session.login}
    issue = {"number": number, "state": "open", "comments": [], "user": user, **body}
    request.github.issues.append(issue)
    return Answer(201, issue)


@route("PATCH", "/issues/{number}", "issues: write")
def change_issue(request: Request) -> Answer:
    issue = _issue(request)
    issue.update(request.body)
    return Answer(200, issue)


@route("POST", "/issues/{number}/comments", "issues: write")
def comment(request: Request) -> Answer:
    _issue(request)["comments"].append(request.body["body"])
    return Answer(201, {})


def _cancel(request: Request) -> Answer:
    run = request.run()
    if run.status == "completed":
        raise ApiError(409, "Cannot cancel a workflow run that is completed.")
    request.github.cancel(run)
    return Answer(202, {})


route("POST", "/actions/runs/{run}/cancel", "actions: write")(_cancel)
route("POST", "/actions/runs/{run}/force-cancel", "actions: write")(_cancel)


@route("GET", "/_clone", "contents: read")
def clone(request: Request) -> Answer:
    """Not GitHub's: tells the checkout stand-in where a ref is, if its token may read it."""
    remote, ref = request.github.remote, request.query["ref"]
    branch = ref.removeprefix("refs/heads/")
    commit: str | None = None
    fetched: str | None = f"refs/heads/{branch}"
    if re.fullmatch("[0-9a-f]{40}", ref):  # GitHub lets no branch or tag have such a name
        branch, commit = "", remote.resolve(ref)
        fetched = commit
    else:
        commit = remote.refs("refs/heads/").get(branch)
    if commit is None:
        tag = ref.removeprefix("refs/tags/")
        branch, commit, fetched = "", remote.refs("refs/tags/").get(tag), f"refs/tags/{tag}"
    if commit is None and ref.startswith("refs/pull/"):
        commit, fetched = remote.refs("refs/pull/").get(ref.removeprefix("refs/pull/")), ref
    if commit is None:
        raise ApiError(404, f"A branch or tag with the name '{ref}' could not be found")
    return Answer(200, {"remote": remote, "commit": commit, "branch": branch, "fetched": fetched})


# The artifact service


def blob_url(github: OfflineGitHub, artifact: Artifact) -> str:
    return f"{github.server.url}/blobs/{id(github)}/{artifact.id}.zip?sig=signature-{artifact.id}"


def twirp(session: Session, method: str, body: dict[str, Any]) -> Answer:
    """github.actions.results.api.v1.ArtifactService, for the run of the token."""
    github, store = session.github, session.run.artifact_store
    named = [a for a in store.values() if a.name == body.get("name")]
    match method:
        case "CreateArtifact":
            if named:
                message = "an artifact with this name already exists on the workflow run"
                return Answer(409, {"code": "already_exists", "msg": message})
            artifact = github.new_artifact(session.run, body["name"])
            if expires := body.get("expires_at"):
                left = _moment(expires) - datetime.datetime.now(datetime.UTC)
                artifact.retention_days = round(left / datetime.timedelta(days=1))
            return Answer(200, {"ok": True, "signed_upload_url": blob_url(github, artifact)})
        case "FinalizeArtifact":
            named[0].final = True
            return Answer(200, {"ok": True, "artifact_id": str(named[0].id)})
        case "ListArtifacts":
            found = [a for a in store.values() if a.final and not a.expired]
            if "name_filter" in body:
                found = [a for a in found if a.name == body["name_filter"]]
            if "id_filter" in body:
                found = [a for a in found if str(a.id) == body["id_filter"]]
            ids = {
                "workflow_run_backend_id": str(session.run.id),
                "workflow_job_run_backend_id": "1",
            }
            shown = [
                {
                    **ids,
                    "database_id": str(a.id),
                    "name": a.name,
                    "size": str(len(a.data)),
                    "created_at": a.created_at,
                    "digest": a.digest,
                }
                for a in found
            ]
            return Answer(200, {"artifacts": shown})
        case "GetSignedArtifactURL" if named:
            return Answer(200, {"signed_url": blob_url(github, named[0])})
        case "DeleteArtifact" if named:
            del store[named[0].id]
            return Answer(200, {"ok": True, "artifact_id": str(named[0].id)})
    return Answer(404, {"code": "not_found", "msg": f"{method}: not found"})


@dataclass
class Call:
    """A REST call."""

    method: str
    #: With its query.
    url: str
    body: Any = None
    #: Its `If-None-Match`.
    known: str | None = None

    @property
    def path(self) -> str:
        return urllib.parse.urlsplit(self.url).path

    @property
    def query(self) -> dict[str, str]:
        query = urllib.parse.urlsplit(self.url).query
        return dict(urllib.parse.parse_qsl(query, keep_blank_values=True))


def respond(session: Session, call: Call) -> Answer:
    """What a client hears; counts the call, and tells how many are left."""
    limit = session.github.rate_limit
    if (call.method, call.path) == ("GET", "/rate_limit"):  # which is free
        said = Answer(200, {"resources": {"core": limit.state()}}, limit.headers())
    else:
        if limit.take():
            said = _planned(session, call)
            if said.status == 304:
                limit.give_back()
        else:
            message = "API rate limit exceeded for installation."
            said = Answer(403, {"message": message, "status": "403"})
        headers = {**limit.headers(), **(said.headers or {})}
        said = Answer(said.status, said.body, headers, said.cut)
    session.github.api_calls.append(
        ApiCall(call.method, call.url, session.job.key, said.status, call.body)
    )
    return said


def _planned(session: Session, call: Call) -> Answer:
    """What the test wants the client to hear, or what the call itself answers."""
    planned = session.github.planned_answer(call.method, call.path)
    if planned is None:
        return answer(session, call)
    if planned.cut:
        whole = answer(session, call)
        return Answer(whole.status, whole.body, whole.headers, cut=True)
    if planned.after:
        answer(session, call)
    return planned.answer


def answer(session: Session, call: Call) -> Answer:
    """What GitHub itself says to a call."""
    path = call.path
    try:
        for method, pattern, permission, handler in ROUTES:
            match = pattern.fullmatch(path)
            if method != call.method or not match:
                continue
            parameters = {k: urllib.parse.unquote(v) for k, v in match.groupdict().items()}
            if parameters["repository"].lower() != session.github.name.lower():
                raise ApiError(404, "Not Found")
            _authorize(session, permission)
            said = handler(Request(session, parameters, call.query, call.body, path))
            return _unless_known(said, call.known)
    except ApiError as error:
        return Answer(error.status, {"message": str(error), "status": str(error.status)})
    except Exception as error:
        session.github.failures.append(error)
        return Answer(500, {"message": repr(error)})
    session.github.report(f"REST call {call.method} {path}")
    return Answer(501, {"message": "not modelled by the offline GitHub"})


def _authorize(session: Session, permission: str) -> None:
    """A token without the right gets what GitHub answers for a private repository."""
    scope, _, level = permission.partition(": ")
    if scope and LEVELS[session.job.permissions.get(scope, "none")] < LEVELS[level]:
        raise ApiError(403, f"Resource not accessible by integration (needs {permission})")


class _HttpHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # the body would wait for 40 ms until the headers have arrived
    server: _HttpServer
    github: OfflineGitHub | None = None

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The `Date` header tells the time that scripts see."""
        if timestamp is None and self.github:
            timestamp = self.github.clock.now()
        return super().date_time_string(timestamp)

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        data = self.rfile.read(length)
        if self.headers.get("Transfer-Encoding") == "chunked":
            data = self._chunks()
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        if url.path.startswith("/blobs/"):
            answer = self._blob(url.path, query, data)
        elif repository := organisation.repository_of(url.path):
            answer = self._git(repository, url, data)
        else:
            answer = self._api(url.path, data)
        self._send(answer)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = _serve  # noqa: N815

    def _chunks(self) -> bytes:
        data = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def _send(self, answer: Answer) -> None:
        if answer.status == 0:
            self.close_connection = True
            return
        content = answer.body
        headers = {"x-ms-request-id": "1", **(answer.headers or {})}
        if content is None:
            content = b""
        elif not isinstance(content, bytes):
            content = json.dumps(content).encode()
            headers["Content-Type"] = "application/json; charset=utf-8"
        self.send_response(answer.status)
        for name, value in headers.items():
            self.send_header(name, value)
        if answer.status not in (204, 304):
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if answer.cut:
            content = content[: len(content) // 2]
            self.close_connection = True
        if self.command != "HEAD" and answer.status not in (204, 304):
            self.wfile.write(content)

    def _api(self, path: str, data: bytes) -> Answer:
        token = self.headers.get("Authorization", "").rpartition(" ")[2]
        if owner := self.server.owners.get(token):
            body = json.loads(data) if data else None
            return Answer(*owner.rest(owner.tokens[token], self.command, self.path, body))
        session = self.server.sessions.get(token)
        if session is None:
            return Answer(401, {"message": "Bad credentials"})
        self.github = session.github
        body = json.loads(data) if data else None
        if path.startswith("/twirp/"):
            if planned := session.github.planned_answer(self.command, path):
                return planned.answer
            with session.github.lock:
                return twirp(session, path.rpartition("/")[2], body or {})
        if path == "/_offline/fault":
            asked = body or {}
            return Answer(200, {"code": session.github.fault(asked["method"], asked["path"])})
        if path == "/_offline/app-token":
            owner = session.github.organisation
            if owner is None:
                return Answer(404, {"message": "Not Found"})
            status, content = owner.issue(body or {}, session.job.key)
            if status == 201:
                self.server.owners[content["token"]] = owner
            return Answer(status, content)
        known = self.headers.get("If-None-Match")
        return respond(session, Call(self.command, self.path, body, known))

    def _git(self, repository: str, url: urllib.parse.SplitResult, data: bytes) -> Answer:
        """git over HTTP, for the tokens of an app."""
        kind, _, login = self.headers.get("Authorization", "").partition(" ")
        token = base64.b64decode(login).decode().rpartition(":")[2] if kind else ""
        owner = self.server.owners.get(token)
        if owner is None:
            return Answer(401, b"", {"WWW-Authenticate": 'Basic realm="GitHub"'})
        status, headers, body = owner.git(
            owner.tokens[token], repository, self.command, url, dict(self.headers), data
        )
        return Answer(status, body, headers)

    def _blob(self, path: str, query: dict[str, str], data: bytes) -> Answer:
        github_id, _, name = path.removeprefix("/blobs/").partition("/")
        github = self.server.githubs[int(github_id)]
        artifact = github.artifact(int(name.removesuffix(".zip")))
        if artifact is None:
            return Answer(404)
        if planned := github.planned_answer(self.command, path):
            return planned.answer
        if self.command == "GET":
            return Answer(200, artifact.data, {"Content-Type": "application/zip"})
        # Azure's library sends blocks and then the list that puts them in order.
        blocks = self.server.blocks.setdefault(path, {})
        match query.get("comp"):
            case "block":
                blocks[query["blockid"]] = data
            case "blocklist":
                order = re.findall(r"<(?:Latest|Uncommitted|Committed)>([^<]+)<", data.decode())
                artifact.data = b"".join(blocks[block] for block in order)
            case _:
                artifact.data = data
        artifact.digest = f"sha256:{hashlib.sha256(artifact.data).hexdigest()}"
        return Answer(201, b"", {"ETag": '"1"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"})

    def log_message(self, format: str, *args: Any) -> None:
        """Tests read `api_calls` instead."""


class _HttpServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _HttpHandler)
        self.sessions: dict[str, Session] = {}
        self.githubs: dict[int, OfflineGitHub] = {}
        self.blocks: dict[str, dict[str, bytes]] = {}
        #: Tokens of apps.
        self.owners: dict[str, Organisation] = {}


class Server:
    """The HTTP server, and the tokens it knows."""

    def __init__(self) -> None:
        self._http = _HttpServer()
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._numbers = itertools.count(1)
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def add(self, github: OfflineGitHub) -> None:
        self._http.githubs[id(github)] = github

    def clone(self, token: str, repository: str, ref: str) -> Answer:
        """Where a ref is, if a token may read it: for the stand-in of actions/checkout."""
        session = self._http.sessions.get(token)
        if session is None:
            return Answer(401, {"message": "Bad credentials"})
        query = urllib.parse.urlencode({"ref": ref})
        return answer(session, Call("GET", f"/repos/{repository}/_clone?{query}"))

    def tokens(self, session: Session) -> tuple[str, str]:
        """A job's GITHUB_TOKEN and its token for the artifact service."""
        number = next(self._numbers)
        claims = {"scp": f"Actions.Results:{session.run.id}:{session.job.id}", "jti": str(number)}
        parts = [
            base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=")
            for p in ({"alg": "none"}, claims)
        ]
        token, runtime = f"ghs_offline{number:08}", ".".join([*parts, ""])
        self._http.sessions |= {token: session, runtime: session}
        return token, runtime
