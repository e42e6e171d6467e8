"""How the tests fetch Codex builds: completely or not at all, at most once per run, and only with npm."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import builds

NPM = """#!/bin/sh
echo "$1" >> "{log}"
while [ $# -gt 0 ]; do
  case "$1" in --prefix) prefix=$2 ;; --cache) mkdir -p "$2" ;; esac
  shift
done
if [ -n "$prefix" ]; then mkdir -p "$prefix/node_modules/.bin" && : > "$prefix/node_modules/.bin/codex"; fi
{end}
"""


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """Put an npm on PATH that ends with these shell lines; return the log of its calls."""
    monkeypatch.setattr(builds, "CACHE", tmp_path / "cache")
    monkeypatch.setenv(builds.RUN, str(tmp_path))
    monkeypatch.delenv("CI", raising=False)

    def put(end: str) -> Path:
        log = tmp_path / "calls"
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "npm").write_text(NPM.format(log=log, end=end))
        (tmp_path / "bin" / "npm").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
        return log

    return put


def test_fetched_build_is_kept_without_the_cache_of_npm(npm):
    log = npm("")
    command = builds.codex(builds.NEWEST)
    assert builds.codex(builds.NEWEST) == command
    assert command.is_file()
    assert log.read_text().split() == ["view", "install"]
    folder = builds.CACHE / "codex"
    assert sorted(path.name for path in folder.iterdir()) == [builds.NEWEST, f"{builds.NEWEST}.lock"]
    assert [path.name for path in (folder / builds.NEWEST).iterdir()] == ["node_modules"]


def test_failed_fetch_leaves_nothing_and_is_not_tried_again(npm):
    log = npm('echo "npm error code ENOTFOUND\nnpm error errno ENOTFOUND\nnpm error no such host" >&2; exit 1')
    for _ in range(2):
        with pytest.raises(pytest.skip.Exception) as skipped:
            builds.codex(builds.NEWEST)
        assert str(skipped.value) == f"npm could not fetch @openai/codex@{builds.NEWEST}: code ENOTFOUND no such host"
    assert log.read_text().split() == ["view"]
    assert [path.name for path in (builds.CACHE / "codex").iterdir()] == [f"{builds.NEWEST}.lock"]


def test_failed_install_is_not_taken_for_a_build(npm):
    npm('[ -z "$prefix" ]')
    with pytest.raises(pytest.skip.Exception):
        builds.codex(builds.NEWEST)
    assert not (builds.CACHE / "codex" / builds.NEWEST).exists()


def test_missing_npm_skips_and_fails_in_ci(npm, monkeypatch, tmp_path):
    npm("")
    (tmp_path / "bin" / "npm").unlink()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(pytest.skip.Exception, match="npm is not installed"):
        builds.codex(builds.OLDEST)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="npm is not installed"):
        builds.codex(builds.OLDEST)


def test_default_run_fetches_the_oldest_and_the_newest_build_alone(npm, monkeypatch):
    log = npm("")
    monkeypatch.setattr(builds, "ends_only", True)
    for ask in (lambda: builds.codex(builds.TOO_OLD), lambda: builds.npm_package("axe-core", "4.10.3")):
        with pytest.raises(pytest.fail.Exception, match="by default: mark the test"):
            ask()
    assert not log.exists()
