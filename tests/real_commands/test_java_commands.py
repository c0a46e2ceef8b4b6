"""The commands of Java's code type: with recorded stubs, and with the real Maven on request.

No registry of the tests has Maven's plugins, so REAL_TOOLS=1 uses those of the machine.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import toolbox
from commands import Outcome, Runner, Step, write
from pipeline.code_types import load_code_types

ANSWERS = {"components": {"shop": {"code_type": "java", "path": "shop"}}}
real = pytest.mark.skipif(
    not toolbox.REAL_TOOLS, reason="needs Maven and its plugins (REAL_TOOLS=1)"
)

# Records its call, fails at the set call, and gives the set answers.
STUB = """\
#!/bin/bash
echo "${{0##*/}} $*" >> {log}
if [ -n "${{STUB_FAILS:-}}" ] && [[ "$*" == *$STUB_FAILS* ]]; then exit 1; fi
case "$*" in
  *expression=project.version*) printf '%s\\033[0m\\033[0m' "${{VERSION:-1.2.3}}" ;;
  *expression=project.distribution*) echo "${{SERVER:-null object or invalid expression}}" ;;
  *version.gradle*) cat "${{*: -2:1}}" >> {log}; printf 'Welcome\\n%b' "${{VERSIONS:-}}" ;;
  *.gradle*) cat "$5" >> {log} ;;
esac
# What Gradle makes lies beside the project, and the build makes it again.
if [[ "$*" == *assemble* && -d ../made ]]; then cp --recursive ../made/. .; fi
"""

POM = "<project><version>1.2.3</version></project>\n"
MAVEN = "mvn --batch-mode --no-transfer-progress "
GRADLE = "gradle --no-daemon --console plain "
TIMESTAMP = "-Dproject.build.outputTimestamp=1700000000"
JARS = {"core/target/core-1.2.3.jar": "core", "app/target/app-1.2.3.jar": "app"}


class Machine:
    """A runner with recorded tools, and a repository with one commit."""

    def __init__(self, runner: Runner, tmp_path: Path) -> None:
        self.runner, self.log = runner, tmp_path / "calls"
        self.project = tmp_path / "repository/shop"
        self.folder = tmp_path
        for name in ("mvn", "gradle", "docker", "gpg"):
            self.stub(runner.tools / name)
        # Returns the time of the commit, so that no test needs a git repository.
        git = write(runner.tools, {"git": "#!/bin/bash\necho 1700000000\n"}) / "git"
        git.chmod(0o755)
        java = load_code_types(toolbox.ROOT / "code_types")["java"]
        assert java.publish
        setup = runner.steps["shop/setup"].script
        publish = Step(java.publish.command, java.publish.variables, setup)
        runner.steps = {**runner.steps, "shop/publish": publish}

    def stub(self, path: Path) -> None:
        write(path.parent, {path.name: STUB.format(log=self.log)})
        path.chmod(0o755)

    def run(self, job: str, files: Mapping[str, str] | None = None, **variables: str) -> Outcome:
        write(self.project, files or {})
        self.log.unlink(missing_ok=True)
        return self.runner.run(f"shop/{job}", self.project, **variables)

    @property
    def calls(self) -> list[str]:
        """The recorded calls, and the init scripts for Gradle, without the runner's paths."""
        text = self.log.read_text(encoding="utf-8") if self.log.exists() else ""
        return re.sub(r"/\S*/(temp-[^/]+)/", "", text).splitlines()


@pytest.fixture
def machine(runner: Runner, tmp_path: Path) -> Machine:
    return Machine(runner, tmp_path)


# Which Java


def version(runner: Runner, files: Mapping[str, str], path: str = ".") -> dict[str, str]:
    """The output of the set-up script for a repository with these files."""
    root = write(runner.folder / "repository", files)
    project = root / path
    project.mkdir(exist_ok=True)
    outcome = runner.run("shop/setup", project, GITHUB_WORKSPACE=str(root))
    assert (outcome.code, outcome.output) == (0, "")
    said = dict(outcome.said)
    del said["build-tool"]
    if "file" in said:
        said["file"] = str(Path(said["file"]).relative_to(root))
    return said


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"pom.xml": POM}, {"version": "25"}),
        ({"pom.xml": "<java.version>21</java.version>"}, {"version": "21"}),
        ({"pom.xml": "<java.version>1.8</java.version>"}, {"version": "8"}),
        ({"pom.xml": "<maven.compiler.source>1.8</maven.compiler.source>"}, {"version": "8"}),
        ({"pom.xml": "<maven.compiler.release>8</maven.compiler.release>"}, {"version": "25"}),
        ({"pom.xml": "<maven.compiler.release>${java.version}</maven.compiler.release>\n"
                     "<java.version>17</java.version>"}, {"version": "17"}),
        ({"pom.xml": "<configuration>\n  <release>21</release>\n</configuration>"},
         {"version": "21"}),
        ({"pom.xml": "<java.version>17</java.version>",
          "app/pom.xml": "<maven.compiler.testRelease>21</maven.compiler.testRelease>"},
         {"version": "21"}),
        ({"pom.xml": POM, ".java-version": "21\n"}, {"file": ".java-version"}),
        ({"pom.xml": POM, ".tool-versions": "nodejs 24\njava temurin-21.0.5+11\n"},
         {"file": ".tool-versions"}),
        ({"pom.xml": POM, ".tool-versions": "nodejs 24\n"}, {"version": "25"}),
        ({"pom.xml": POM, "mise.toml": 'java = "temurin-21.0.5+11"\n'}, {"version": "21.0.5"}),
        ({"pom.xml": POM, "mise.toml": "java = 'temurin-21'\n"}, {"version": "21"}),
        ({"pom.xml": POM, ".sdkmanrc": "# SDK\njava=21.0.5-tem\n"}, {"file": ".sdkmanrc"}),
    ],
)  # fmt: skip
def test_the_version_of_a_maven_build(
    files: dict[str, str], said: dict[str, str], runner: Runner
) -> None:
    assert version(runner, files) == {**said, "tool": "maven"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("java { toolchain { languageVersion = JavaLanguageVersion.of(21) } }", "21"),
        ("languageVersion.set(JavaLanguageVersion.of(11))", "17"),
        ("kotlin { jvmToolchain(21) }", "21"),
        ("java { sourceCompatibility = JavaVersion.VERSION_21 }", "21"),
        ("sourceCompatibility = '11'\ntargetCompatibility = '11'", "17"),
        ("sourceCompatibility = JavaVersion.VERSION_1_8", "17"),
        ("tasks.withType<JavaCompile> { options.release = 21 }", "21"),
        ("tasks.withType<JavaCompile> { options.release.set(21) }", "21"),
        ("plugins { java }", "17"),
    ],
)
def test_the_version_of_a_gradle_build(text: str, expected: str, runner: Runner) -> None:
    files = {"settings.gradle.kts": "", "app/build.gradle.kts": text}
    assert version(runner, files) == {"version": expected, "tool": "gradle"}


def test_version_files_of_the_repository_and_the_component(runner: Runner) -> None:
    files = {".tool-versions": "java 21\n", "shop/pom.xml": "<java.version>17</java.version>"}
    assert version(runner, files, "shop") == {"file": ".tool-versions", "tool": "maven"}
    assert version(runner, {"shop/.java-version": "17"}, "shop")["file"] == "shop/.java-version"


# Commands in order


@pytest.mark.parametrize(
    ("files", "calls"),
    [
        ({"pom.xml": POM}, []),
        ({"pom.xml": "<artifactId>maven-checkstyle-plugin</artifactId>"},
         [MAVEN + "verify -DskipTests -Dgpg.skip"]),
        ({"pom.xml": POM, "a/pom.xml": "<artifactId>spotless-maven-plugin</artifactId>"},
         [MAVEN + "verify spotless:check -DskipTests -Dgpg.skip"]),
        ({"build.gradle": "plugins { id 'java' }"}, []),
        ({"build.gradle": "plugins { id 'checkstyle' }"},
         [GRADLE + "--init-script lint.gradle check",
          "allprojects { tasks.withType(Test).configureEach { enabled = false } }"]),
    ],
    ids=["Maven, no rules", "Maven", "spotless in a module", "Gradle, no rules", "Gradle"],
)  # fmt: skip
def test_lint(files: dict[str, str], calls: list[str], machine: Machine) -> None:
    outcome = machine.run("lint", files)
    assert outcome.code == 0, outcome.output
    assert machine.calls == calls
    assert len(outcome.notices) == (not calls)
    if calls:
        assert machine.run("lint", STUB_FAILS="plain" if "gradle" in calls[0] else "verify").code


@pytest.mark.parametrize("build", ["Maven", "Gradle"])
def test_tests(build: str, machine: Machine) -> None:
    files = {"pom.xml": POM} if build == "Maven" else {"settings.gradle": ""}
    outcome = machine.run("test", files)
    assert outcome.code == 0, outcome.output
    assert len(outcome.notices) == 1 and str(machine.project) in outcome.notices[0]
    if build == "Maven":
        assert machine.calls == [MAVEN + "verify -Dgpg.skip"]
    else:
        assert machine.calls == [GRADLE + "check"]
    outcome = machine.run("test", {"a/target/surefire-reports/TEST-a.xml": "<testsuite/>"})
    assert outcome.code == 0 and not outcome.notices
    assert machine.run("test", STUB_FAILS="--").code == 1


SCANNED = " --scanners vuln --exit-code 1 --quiet"
OWN_RULES = " --config trivy.yaml"
NO_RULES = " --severity HIGH,CRITICAL --ignore-unfixed"


@pytest.mark.parametrize("rules", [OWN_RULES, NO_RULES], ids=["own rules", "no rules"])
@pytest.mark.parametrize("build", ["Maven", "Gradle", "Gradle without locks"])
def test_security(build: str, rules: str, machine: Machine) -> None:
    files = {
        "Maven": {"pom.xml": POM},
        "Gradle": {"build.gradle": "", "app/gradle.lockfile": ""},
        "Gradle without locks": {"build.gradle": ""},
    }[build]
    files |= {"trivy.yaml": ""} if rules == OWN_RULES else {}
    outcome = machine.run("security", files)
    assert outcome.code == 0, outcome.output
    assert len(outcome.notices) == (build == "Gradle without locks")
    calls = machine.calls
    if build == "Maven":
        bom = "package org.cyclonedx:cyclonedx-maven-plugin:2.9.3:makeAggregateBom"
        assert calls.pop(0) == f"{MAVEN}{bom} -DoutputFormat=json -DskipTests -Dgpg.skip"
    if build == "Gradle without locks":
        assert not calls
        return
    what = "sbom target/bom.json" if build == "Maven" else "filesystem ."
    (call,) = calls
    assert call.startswith(f"docker run --rm --volume {machine.project}:/project:ro --workdir ")
    assert re.search(r" aquasec/trivy:[0-9.]+@sha256:[0-9a-f]{64} ", call)
    assert call.endswith(f" {what}{rules}{SCANNED}")
    assert machine.run("security", STUB_FAILS="trivy").code == 1


def test_the_same_trivy_everywhere() -> None:
    """Two code types use the same pin, so there is only one to update."""
    pins = {
        pin
        for file in (toolbox.ROOT / "code_types").glob("*.yml")
        for pin in re.findall(r"aquasec/trivy\S+", file.read_text(encoding="utf-8"))
    }
    assert len(pins) == 1


@pytest.mark.parametrize(
    ("files", "tool"),
    [
        ({"pom.xml": POM}, MAVEN),
        ({"pom.xml": POM, "gradlew": "", "build.gradle": ""}, MAVEN),
        ({"pom.xml": POM, "mvnw": ""}, MAVEN.replace("mvn ", "bash mvnw ")),
        ({"build.gradle": ""}, GRADLE),
        (
            {"build.gradle": "", "gradlew": "", "mvnw": ""},
            GRADLE.replace("gradle ", "bash gradlew "),
        ),
    ],
)
def test_the_build_tool(files: dict[str, str], tool: str, runner: Runner, tmp_path: Path) -> None:
    outcome = runner.run("shop/setup", write(tmp_path / "shop", files))
    assert outcome.said["build-tool"] == tool.strip()


PARENT = "<modules>\n  <module>libs</module>\n  <module>./apps/shop/</module>\n</modules>"


@pytest.mark.parametrize(
    ("files", "tool"),
    [
        (
            {"pom.xml": PARENT, "apps/shop/pom.xml": POM},
            f"{MAVEN}--file ../../pom.xml --projects apps/shop --also-make",
        ),
        (
            {
                "pom.xml": "<module>apps</module>",
                "apps/pom.xml": "<module>shop</module>",
                "apps/shop/pom.xml": POM,
                "mvnw": "",
            },
            f"bash ../../mvnw {MAVEN.partition(' ')[2]}"
            "--file ../../pom.xml --projects apps/shop --also-make",
        ),
        # The folder is not a module of the build above it.
        ({"pom.xml": "<module>apps/shop-old</module>", "apps/shop/pom.xml": POM}, MAVEN.strip()),
        (
            {"settings.gradle.kts": "", "gradlew": "", "apps/shop/build.gradle.kts": ""},
            f"bash ../../gradlew {GRADLE.partition(' ')[2].strip()}",
        ),
    ],
    ids=["parent", "two parents and a wrapper", "beside", "Gradle"],
)
def test_a_module_of_a_larger_build(
    files: dict[str, str], tool: str, runner: Runner, tmp_path: Path
) -> None:
    root = write(tmp_path / "repository", files)
    outcome = runner.run("shop/setup", root / "apps/shop", GITHUB_WORKSPACE=str(root))
    assert outcome.code == 0 and outcome.said["build-tool"] == tool


def test_a_version_of_maven_without_its_wrapper(runner: Runner, tmp_path: Path) -> None:
    project = write(tmp_path / "shop", {"pom.xml": POM, ".tool-versions": "maven 3.9.9\njava 21"})
    [notice] = runner.run("shop/setup", project, GITHUB_WORKSPACE=str(project)).notices
    assert "'maven 3.9.9'" in notice


@pytest.mark.parametrize("tool", ["mvn", "gradle"])
def test_the_wrapper_is_preferred(tool: str, machine: Machine) -> None:
    name = f"{tool}w"
    write(machine.project, {"pom.xml" if tool == "mvn" else "build.gradle": POM})
    machine.stub(machine.project / name)
    (machine.project / name).chmod(0o644)  # a commit from Windows has this mode
    assert machine.run("test").code == 0
    assert machine.calls[0].startswith(f"{name} --")
    assert not [call for call in machine.calls[1:] if call.startswith((f"{tool} ", name))]
    assert machine.run("test", STUB_FAILS="--").code == 1
    assert len([call for call in machine.calls if call.startswith((tool, name))]) == 1


# Builds


def packaged(machine: Machine) -> dict[str, str]:
    folder = machine.project / "dist"
    return {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()}


LEFT_OUT = {
    "core/target/core-1.2.3-sources.jar": "",
    "core/target/core-1.2.3-javadoc.jar": "",
    "core/target/core-1.2.3-tests.jar": "",
    "app/target/original-app-1.2.3.jar": "",
    "app/target/classes/lib.jar": "",
    ".packages/other/target/other.jar": "",
}


def test_build_with_maven(machine: Machine) -> None:
    outcome = machine.run("build", {"pom.xml": POM, **JARS, **LEFT_OUT, "dist/old.jar": ""})
    assert outcome.code == 0, outcome.output
    assert machine.calls == [f"{MAVEN}clean package -Dgpg.skip -DskipTests {TIMESTAMP}"]
    assert packaged(machine) == {"core-1.2.3.jar": "core", "app-1.2.3.jar": "app"}


def test_build_with_gradle(machine: Machine) -> None:
    made = {
        "build/libs/shop.war": "war",
        "libs/core/build/libs/core.jar": "core",
        "build/libs/shop-plain.war": "",
        "core/build/libs/core-plain.jar": "",
        "buildSrc/build/libs/buildSrc.jar": "",
        "build-logic/build/libs/build-logic.jar": "",
        "app/build/libs/exploded/inner.jar": "",
        "app/build/tmp/x.jar": "",
    }
    write(machine.project.parent / "made", made)
    left = {"settings.gradle": "", "build/libs/shop-test-fixtures.jar": "of a check"}
    outcome = machine.run("build", left)
    assert outcome.code == 0, outcome.output
    assert machine.calls[0] == GRADLE + "--init-script archives.gradle assemble"
    assert "preserveFileTimestamps = false" in "".join(machine.calls)
    assert packaged(machine) == {"shop.war": "war", "core.jar": "core"}


@pytest.mark.parametrize(
    ("jars", "said"),
    [
        ({"target/shop-sources.jar": ""}, "::error title=Build::There is no jar or war in target "),
        ({"a/target/app.jar": "", "b/target/app.jar": ""}, "cp: will not overwrite just-created "),
    ],
)
def test_jars_that_cannot_be_a_package_are_refused(
    jars: dict[str, str], said: str, machine: Machine
) -> None:
    outcome = machine.run("build", {"pom.xml": POM, **jars})
    assert outcome.code == 1 and outcome.output.startswith(said)


def test_a_build_that_fails(machine: Machine) -> None:
    assert machine.run("build", {"pom.xml": POM, **JARS}, STUB_FAILS="package").code == 1
    assert not (machine.project / "dist").exists()


# Publications

BUILT = {"dist/core-1.2.3.jar": "core", "dist/app-1.2.3.jar": "app"}
EVALUATE = (
    MAVEN + "--quiet org.apache.maven.plugins:maven-help-plugin:3.5.2:evaluate -Dexpression={} "
    "-DforceStdout"
)


@pytest.mark.parametrize("server", ["releases", "central", ""])
def test_publishing_with_maven(server: str, machine: Machine) -> None:
    outcome = machine.run(
        "publish",
        {"pom.xml": POM, **JARS, **BUILT},
        GITHUB_REF_NAME="v1.2.3",
        MAVEN_USERNAME="me",
        MAVEN_PASSWORD="hidden",
        **({"SERVER": server} if server else {}),
    )
    assert outcome.code == 0, outcome.output
    assert machine.calls == [
        EVALUATE.format("project.version"),
        f"{MAVEN}clean package -Dgpg.skip -DskipTests {TIMESTAMP}",
        EVALUATE.format("project.distributionManagement.repository.id"),
        f"{MAVEN}clean deploy --settings settings.xml -DskipTests {TIMESTAMP}",
    ]
    settings = (machine.runner.folder / "temp-shop-publish/settings.xml").read_text()
    ids = ["central", *(["releases"] if server == "releases" else [])]
    assert re.findall("<id>(.*?)</id>", settings) == ids
    assert settings.count("<password>${env.MAVEN_PASSWORD}</password>") == len(ids)
    assert "hidden" not in settings and "hidden" not in outcome.output


def test_publishing_with_a_signature(machine: Machine) -> None:
    outcome = machine.run(
        "publish",
        {"pom.xml": POM, **JARS, **BUILT},
        GITHUB_REF_NAME="shop-v1.2.3",
        MAVEN_GPG_PRIVATE_KEY="a key",
    )
    assert outcome.code == 0, outcome.output
    assert "gpg --batch --quiet --import" in machine.calls
    assert "gpg.skip" not in machine.calls[-1] and "a key" not in outcome.output


def test_publishing_with_gradle(machine: Machine) -> None:
    write(machine.project.parent / "made", {"lib/build/libs/lib-1.2.3.jar": "lib"})
    files = {"settings.gradle": "", "dist/lib-1.2.3.jar": "lib"}
    outcome = machine.run(
        "publish", files, GITHUB_REF_NAME="v1.2.3", VERSIONS="version: 1.2.3\\nversion: 1.2.3\\n"
    )
    assert outcome.code == 0, outcome.output
    assert [call for call in machine.calls if call.startswith("gradle ")] == [
        GRADLE + "--quiet --init-script version.gradle help",
        GRADLE + "--init-script archives.gradle assemble",
        GRADLE + "--init-script archives.gradle publish",
    ]


@pytest.mark.parametrize(
    ("tag", "versions"),
    [
        ("v1.2.4", "version: 1.2.3\\n"),
        ("v11.2.3", "version: 1.2.3\\n"),
        ("v1.2.3", "version: 1.2.3-SNAPSHOT\\n"),
        ("v1.2.3", "version: 1.2.2\\nversion: 1.2.3\\n"),
        ("v1.2.3", ""),
    ],
)
@pytest.mark.parametrize("build", ["pom.xml", "build.gradle"])
def test_a_tag_of_another_version(build: str, tag: str, versions: str, machine: Machine) -> None:
    one = versions.split("\\n")[0].removeprefix("version: ") or "unspecified"
    outcome = machine.run(
        "publish",
        {build: POM, **JARS, **BUILT},
        GITHUB_REF_NAME=tag,
        VERSIONS=versions,
        VERSION=one,
    )
    assert outcome.code == 1
    assert outcome.output == (
        f"::error title=Publish::The tag {tag} does not end with the version {one} "
        f"of {machine.project}\n"
    )
    assert not [call for call in machine.calls if re.search("package|deploy|publish$", call)]


def test_only_built_files_are_published(machine: Machine) -> None:
    files = {"pom.xml": POM, **JARS, **BUILT, "app/target/app-1.2.3.jar": "another"}
    outcome = machine.run("publish", files, GITHUB_REF_NAME="v1.2.3")
    assert outcome.code == 1 and "dist/app-1.2.3.jar" in outcome.output
    assert "::error title=Publish::A second build of" in outcome.output
    assert not [call for call in machine.calls if "deploy" in call]


@pytest.mark.parametrize("failing", ["project.version", "package", "repository.id", "deploy"])
def test_no_command_runs_after_a_failure(failing: str, machine: Machine) -> None:
    files = {"pom.xml": POM, **JARS, **BUILT}
    outcome = machine.run("publish", files, GITHUB_REF_NAME="v1.2.3", STUB_FAILS=failing)
    assert outcome.code == 1 and failing in machine.calls[-1]


# With the real Maven

PLUGINS = {
    "clean": "3.4.1",
    "compiler": "3.14.1",
    "resources": "3.3.1",
    "surefire": "3.5.4",
    "jar": "3.4.2",
    "deploy": "3.1.4",
    "install": "3.1.4",
    "shade": "3.6.1",
}
# Maven before 3.9 gives an old plexus-utils to a plugin without its own.
UTILS = """\
<dependencies><dependency>
  <groupId>org.codehaus.plexus</groupId><artifactId>plexus-utils</artifactId><version>4.0.2</version>
</dependency></dependencies>"""
PARENT = "<groupId>demo</groupId><artifactId>demo</artifactId><version>1.2.3</version>"
SAMPLE = {
    "pom.xml": f"""\
<project>
  <modelVersion>4.0.0</modelVersion>
  {PARENT}
  <packaging>pom</packaging>
  <modules><module>core</module><module>app</module></modules>
  <properties>
    <maven.compiler.release>17</maven.compiler.release>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
  </properties>
  <dependencies><dependency>
    <groupId>org.junit.jupiter</groupId><artifactId>junit-jupiter</artifactId>
    <version>5.11.4</version><scope>test</scope>
  </dependency></dependencies>
  <build><pluginManagement><plugins>
    {
        "".join(
            f"<plugin><artifactId>maven-{name}-plugin</artifactId><version>{number}</version>"
            f"{UTILS if name == 'surefire' else ''}</plugin>"
            for name, number in PLUGINS.items()
        )
    }
  </plugins></pluginManagement></build>
  <distributionManagement><repository>
    <id>releases</id><url>file://${{user.dir}}/../repository</url>
  </repository></distributionManagement>
</project>
""",
    "core/pom.xml": f"""\
<project>
  <modelVersion>4.0.0</modelVersion>
  <parent>{PARENT}</parent>
  <artifactId>core</artifactId>
</project>
""",
    "core/src/main/java/demo/Core.java": """\
package demo;

public class Core {
    public static String greeting() {
        return "hello";
    }
}
""",
    "core/src/test/java/demo/CoreTest.java": """\
package demo;

class CoreTest {
    @org.junit.jupiter.api.Test
    void greets() {
        org.junit.jupiter.api.Assertions.assertEquals("hello", Core.greeting());
    }
}
""",
    "app/pom.xml": f"""\
<project>
  <modelVersion>4.0.0</modelVersion>
  <parent>{PARENT}</parent>
  <artifactId>app</artifactId>
  <dependencies><dependency>
    <groupId>demo</groupId><artifactId>core</artifactId><version>1.2.3</version>
  </dependency></dependencies>
  <build><plugins><plugin>
    <artifactId>maven-shade-plugin</artifactId>
    <executions><execution>
      <phase>package</phase><goals><goal>shade</goal></goals>
    </execution></executions>
  </plugin></plugins></build>
</project>
""",
    "app/src/main/java/demo/App.java": """\
package demo;

public class App {
    public static void main(String[] arguments) {
        System.out.println(Core.greeting());
    }
}
""",
}


@pytest.fixture
def maven(runner: Runner, machine: Machine) -> Machine:
    """A machine with the real Maven, except the plugin that evaluates a project."""
    asked = "*help-plugin*project.version*) echo 1.2.3 ;;\n  *help-plugin*) echo releases ;;"
    mvn = shutil.which("mvn")
    # Nothing is fetched. Maven in its offline mode would deploy nowhere, not even to a folder.
    other = f'*\\ deploy\\ *) exec {mvn} "$@" ;;\n  *) exec {mvn} --offline "$@" ;;'
    script = f'#!/bin/bash\ncase "$*" in\n  {asked}\n  {other}\nesac\n'
    write(runner.tools, {"mvn": script})
    (runner.tools / "git").unlink()
    project = write(machine.project, SAMPLE)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "sample"]):
        subprocess.run([*git, *arguments], cwd=project, check=True)
    return machine


@real
def test_real_maven(maven: Machine) -> None:
    """The project is tested, built twice to the same bytes, published as built, and runs."""
    outcome = maven.run("test")
    assert outcome.code == 0 and not outcome.notices, outcome.output
    assert "Tests run: 1, Failures: 0" in outcome.output

    packages = []
    for _ in range(2):
        shutil.rmtree(maven.project / "dist", ignore_errors=True)
        for module in ("core", "app"):
            shutil.rmtree(maven.project / module / "target", ignore_errors=True)
        outcome = maven.run("build")
        assert outcome.code == 0, outcome.output
        assert "Tests run" not in outcome.output
        packages.append({f.name: f.read_bytes() for f in (maven.project / "dist").iterdir()})
    assert packages[0] == packages[1]
    assert set(packages[0]) == {"core-1.2.3.jar", "app-1.2.3.jar"}
    app = maven.project / "dist/app-1.2.3.jar"
    assert "demo/Core.class" in zipfile.ZipFile(app).namelist()
    said = subprocess.run(["java", "-cp", app, "demo.App"], capture_output=True, text=True)
    assert said.stdout == "hello\n"

    variables = {"MAVEN_USERNAME": "a", "MAVEN_PASSWORD": "b"}
    outcome = maven.run("publish", GITHUB_REF_NAME="v1.2.3", **variables)
    assert outcome.code == 0, outcome.output
    local = Path.home() / ".m2/repository/demo"
    shutil.rmtree(local)  # a deployment installs it
    published = maven.folder / "repository/repository/demo"
    for name in ("core", "app"):
        jar = published / name / "1.2.3" / f"{name}-1.2.3.jar"
        assert jar.read_bytes() == packages[0][jar.name]


@real
@pytest.mark.parametrize(
    ("job", "changed"),
    [
        ("test", {"core/src/test/java/demo/CoreTest.java": "return"}),
        ("test", {"core/src/main/java/demo/Core.java": "hello"}),
        ("build", {"core/src/main/java/demo/Core.java": "return"}),
    ],
    ids=["a test does not compile", "a test fails", "the code does not compile"],
)
def test_real_maven_fails(job: str, changed: dict[str, str], maven: Machine) -> None:
    for name, word in changed.items():
        text = SAMPLE[name].replace(word, f"{word}!") if word in SAMPLE[name] else "class {"
        write(maven.project, {name: text})
    outcome = maven.run(job)
    assert outcome.code == 1 and "BUILD FAILURE" in outcome.output
