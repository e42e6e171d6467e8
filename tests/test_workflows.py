"""The GitHub workflows, which have never run: they fit GitHub's schema, the README and pyproject.toml."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.ci  # the schema and a YAML parser come with the extra ci
ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def workflow(name: str) -> dict[str, Any]:
    from ruamel.yaml import YAML

    return YAML(typ="safe").load((ROOT / ".github" / "workflows" / name).read_text())


def steps(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in found["jobs"].values() for step in job["steps"]]


def readme_command(name: str) -> str:
    found = re.search(rf"<!-- {name} -->\n```sh\n(.*?)\n```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def test_workflows_fit_the_schema_of_github():
    line = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run([*line, *WORKFLOWS], capture_output=True, text=True, check=False)
    assert (done.returncode, len(WORKFLOWS)) == (0, 2), done.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflow_says_that_it_has_never_run(path: Path):
    assert path.read_text().startswith("# This file has never run.")


def test_ci_runs_the_commands_of_the_readme():
    runs = [step["run"].strip() for step in steps(workflow("ci.yml")) if "run" in step]
    assert runs == [readme_command("demo"), readme_command("tests"), ".ci/run"]


def test_ci_runs_on_every_python_from_the_lowest_on():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lowest = int(project["requires-python"].removeprefix(">=3."))
    matrix = workflow("ci.yml")["jobs"]["readme"]["strategy"]["matrix"]
    assert matrix["python"] == [f"3.{minor}" for minor in range(lowest, 15)]
    assert matrix["os"] == ["ubuntu-latest", "macos-latest"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflow_pins_actions_and_has_minimal_permissions(path: Path):
    found = workflow(path.name)
    used = [step["uses"] for step in steps(found) if "uses" in step]
    assert [action for action in used if not re.search(r"@(v\d+|release/v1)$", action)] == []
    assert found["permissions"] in ({}, {"contents": "read"})
    granted = {name: job.get("permissions") for name, job in found["jobs"].items()}
    if path.name == "release.yml":
        assert granted == {
            "build": {"contents": "read"}, "publish": {"id-token": "write"}, "announce": {"contents": "write"},
        }  # fmt: skip
        assert found["jobs"]["publish"]["environment"] == "pypi"
    else:
        assert set(granted.values()) == {None}


def test_release_checks_that_the_tag_is_the_version(tmp_path):
    (script,) = [step["run"] for step in steps(workflow("release.yml")) if "version=" in step.get("run", "")]
    version = subprocess.run(
        [sys.executable, "-c", "import codex_imagegen; print(codex_imagegen.__version__)"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    (tmp_path / "python").symlink_to(sys.executable)
    for tag, code in ((f"v{version}", 0), ("v99.0", 1), (version, 1)):
        done = subprocess.run(
            ["bash", "-e", "-c", script], cwd=ROOT, check=False,
            env={"PATH": f"{tmp_path}:/usr/bin:/bin", "GITHUB_REF_NAME": tag, "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
        assert done.returncode == code, tag
