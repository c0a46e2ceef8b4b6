"""The reports of tests are in the summary of the run, also if tests fail."""

from __future__ import annotations

from pathlib import Path

from generated_repositories import folders, generic, start

REPORT = (
    '<testsuite><testcase name="good" time="1"/><testcase name="bad [x](y)">'
    '<failure message="1 | 2"/></testcase></testsuite>'
)
TEST = f"""\
mkdir -p "$RUNNER_TEMP/reports"
echo '{REPORT}' > "$RUNNER_TEMP/reports/x.xml"
printf 'SF:a\\nLF:3\\nLH:1\\n' > lcov.info
exit 1
"""


def test_failed_tests_are_named_in_the_summary(template: Path, tmp_path: Path) -> None:
    components = generic(["shown"], lint="", security="", build="true", produces=[], test=TEST)
    components |= generic(["silent"], lint="", security="", build="true", produces=[], test="true")
    github = start(template, tmp_path, {"components": components}, folders(["shown", "silent"]))
    github.remote.push("refs/heads/main")
    [run] = github.push("develop")
    job = run.job("shown-build / build")
    assert job.result == "failure" and run.job("silent-build / build").result == "success"
    assert run.job("silent-build / build").summary == ""
    assert job.summary.splitlines() == [
        "## Tests in parts/shown",
        "",
        "| Tests | Passed | Failed | Skipped | Time |",
        "| --- | --- | --- | --- | --- |",
        "| 2 | 1 | ❌ 1 | 0 | 1.0 s |",
        "",
        "| Failed test | Message |",
        "| --- | --- |",
        "| bad &#91;x&#93;&#40;y&#41; | 1 &#124; 2 |",
        "",
        "| Coverage | Covered | Share |",
        "| --- | --- | --- |",
        "| lcov.info | 1 of 3 lines | 33.3 % |",
    ]


def test_folders_of_all_environments_are_looked_at(template: Path, tmp_path: Path) -> None:
    test = "printf 'SF:a\\nLF:3\\nLH:1\\n' > lcov.info"
    shown = {"code_type": "generic", "path": "parts/{environment}", "test": test}
    environments = [{"name": "dev", "branch": "main"}, {"name": "prd", "after": "dev"}]
    answers = {"components": {"shown": shown}, "environments": environments}
    [run] = start(template, tmp_path, answers, folders(["dev", "prd"])).push("main")[:1]
    summary = run.job("shown-build / build").summary.splitlines()
    assert summary[0] == "## Tests in parts"
    assert summary[4:] == ["| lcov.info | 1 of 3 lines | 33.3 % |"] * 2
