"""``--open``: which program opens the pictures, with which arguments, and that no failure of it matters."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest

from codex_imagegen.cli import viewer
from codex_imagegen.platform import processes, system
from codex_imagegen.results import Image
from tests.support import checks, history
from tests.support.pictures import encoded

FOX, OWL = encoded(40, "fox"), encoded(44, "owl")
DISPLAY = {"DISPLAY": ":0", "WAYLAND_DISPLAY": ""}
RECORDS = """#!{python}
import json, os, sys, time
print("noise", file=sys.stderr)
print("noise", flush=True)
record = dict(argv=sys.argv[1:], session=os.getsid(0) == os.getpid(), stdin=sys.stdin.read())
with open("{calls}", "a") as file:
    print(json.dumps(record), file=file)
{then}
"""


class Openers:
    """The only programs on PATH, each of which records how it was started."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._calls = folder, folder / "calls.jsonl"

    def add(self, name: str, then: str = "") -> None:
        path = self.folder / name
        path.write_text(RECORDS.format(python=sys.executable, calls=self._calls, then=then))
        path.chmod(0o755)

    def calls(self, count: int) -> list[list[str]]:
        """The arguments of each call, once so many have come."""
        checks.wait_until(lambda: len(self._lines()) >= count, "the viewer")
        records = list(map(json.loads, self._lines()))
        assert all(record["session"] and record["stdin"] == "" for record in records)
        return [record["argv"] for record in records]

    def _lines(self) -> list[str]:
        return self._calls.read_text().splitlines() if self._calls.exists() else []


@pytest.fixture
def openers(tmp_path, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    for name, value in DISPLAY.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(viewer, "_FAILURE_SEC", 5.0)
    return Openers(folder)


@pytest.fixture
def world(lab, openers):
    world = lab(offline=True)
    world.thread = history.thread_of(world.history.rollout(history.generated_image(FOX)))
    world.display = {**DISPLAY, "PATH": str(openers.folder)}
    return world


def recover(world, *arguments, **environment):
    return world.call("recover", *arguments, "--open", env={**world.display, **environment})


def images(*paths):
    return [Image(str(path), "png", 1, 1, 1, "0") for path in paths]


def written(folder, *names):
    paths = [folder / name for name in names]
    for path in paths:
        path.write_bytes(FOX)
    return paths


def test_open_starts_the_viewer_with_the_absolute_path_and_keeps_the_streams_clean(world, openers):
    openers.add("xdg-open")
    done = recover(world, world.thread, "--out", "-fox.png")
    assert (done.code, done.text, done.err) == (0, f"{world.work}/-fox.png\n", "")
    assert openers.calls(1) == [[f"{world.work}/-fox.png"]]


def test_open_with_json_opens_and_has_its_warning_in_the_object(world, openers):
    openers.add("xdg-open")
    done = recover(world, world.thread, "--json")
    assert (done.code, done.err, done.json["warnings"]) == (0, "", [])
    assert openers.calls(1) == [[done.json["images"][0]["path"]]]
    done = recover(world, world.thread, "--json", "--force", DISPLAY="")
    assert (done.code, done.json["ok"], done.err) == (0, True, "")
    assert [warning["code"] for warning in done.json["warnings"]] == ["not-opened"]


def test_open_of_several_pictures_starts_one_viewer_each(world, openers):
    openers.add("xdg-open")
    thread = history.thread_of(world.history.rollout(history.generated_image(FOX), history.generated_image(OWL)))
    done = recover(world, thread)
    assert sorted(openers.calls(2)) == [[path] for path in done.text.splitlines()]


def test_open_with_out_dash_opens_nothing(world, openers):
    openers.add("xdg-open", then="import pathlib; pathlib.Path('opened').touch()")
    done = recover(world, world.thread, "--out", "-")
    assert (done.code, done.out, done.err, os.listdir(world.work)) == (0, FOX, "", [])


@pytest.mark.parametrize(
    ("environment", "names", "then", "sentence"),
    [
        ({"DISPLAY": ""}, ["xdg-open"], "", "there is no display (DISPLAY and WAYLAND_DISPLAY are not set); --show"),
        ({}, [], "", "no xdg-open or gio is on PATH."),
        ({}, ["xdg-open"], "sys.exit(3)", "xdg-open failed."),
    ],
)
def test_open_that_fails_is_a_warning(world, openers, environment, names, then, sentence):
    for name in names:
        openers.add(name, then)
    done = recover(world, world.thread, **environment)
    assert (done.code, done.text) == (0, f"{world.work / world.thread}.png\n")
    assert done.err.startswith("codex-imagegen: warning: the picture can't be opened here: ")
    assert sentence in done.err
    assert done.err.count("\n") == 1


def test_open_with_a_program_that_cannot_be_started_is_a_warning(world, openers):
    openers.add("xdg-open")
    (openers.folder / "xdg-open").write_text("#!/nowhere\n")
    done = recover(world, world.thread)
    assert (done.code, done.err.count("\n")) == (0, 1)
    assert "xdg-open can't be started" in done.err


def test_open_of_a_failed_recovery_starts_nothing(world, openers):
    openers.add("xdg-open", then="import pathlib; pathlib.Path('opened').touch()")
    done = recover(world, history.new_thread_id())
    assert (done.code, done.out, os.listdir(world.work)) == (6, b"", [])


def test_viewer_in_the_foreground_does_not_hold_the_program(world, openers, monkeypatch):
    openers.add("xdg-open", then="time.sleep(60)")
    monkeypatch.setattr(viewer, "_FAILURE_SEC", 0.2)
    started = []
    start = processes.start_detached
    monkeypatch.setattr(processes, "start_detached", lambda argv: started.append(start(argv)) or started[-1])
    begin = time.monotonic()
    assert recover(world, world.thread).code == 0
    assert time.monotonic() - begin < 30
    (process,) = started
    assert process.poll() is None
    process.kill()
    process.wait()


@pytest.mark.every_build
def test_open_of_a_real_process_ends_before_its_viewer(world, openers):
    openers.add("xdg-open", then="time.sleep(1.5); open(sys.argv[1] + '.seen', 'w').close()")
    begin = time.monotonic()
    done = world.run("recover", world.thread, "--out", "fox.png", "--open", env=world.display)
    assert (done.code, done.text, done.err) == (0, f"{world.work}/fox.png\n", "")
    assert not (world.work / "fox.png.seen").exists(), time.monotonic() - begin
    checks.wait_until((world.work / "fox.png.seen").exists, "the viewer")


# Which program


def test_wayland_is_a_display(openers, monkeypatch, tmp_path):
    openers.add("xdg-open")
    monkeypatch.setenv("DISPLAY", "")
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert list(viewer.open_images(images(*written(tmp_path, "a.png")))) == []
    assert len(openers.calls(1)) == 1


def test_gio_takes_all_pictures_where_there_is_no_xdg_open(openers, tmp_path):
    openers.add("gio")
    paths = written(tmp_path, "a.png", "b.png")
    assert list(viewer.open_images(images(*paths, "-", "/dev/null"))) == []
    assert openers.calls(1) == [["open", *map(str, paths)]]


def test_macos_opens_all_pictures_at_once_without_a_display(openers, tmp_path, monkeypatch):
    openers.add("open")
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.delenv("DISPLAY")
    paths = written(tmp_path, "a.png", "b.png")
    assert list(viewer.open_images(images(*paths))) == []
    assert openers.calls(1) == [list(map(str, paths))]


def test_wsl_opens_with_wslview_or_explorer_and_the_path_of_windows(openers, tmp_path, monkeypatch):
    monkeypatch.setattr(system, "is_wsl", lambda: True)
    monkeypatch.delenv("DISPLAY")
    openers.add("explorer.exe", "sys.exit(1)")  # as it does
    wslpath = openers.folder / "wslpath"
    wslpath.write_text("#!/bin/sh\nprintf '\\\\\\\\wsl$%s\\r\\n' \"$2\"\n")
    wslpath.chmod(0o755)
    (path,) = written(tmp_path, "a.png")
    assert list(viewer.open_images(images(path))) == []
    assert openers.calls(1) == [[rf"\\wsl${path}"]]
    openers.add("wslview")
    assert list(viewer.open_images(images(path))) == []
    assert openers.calls(2)[1] == [str(path)]
    (openers.folder / "wslview").unlink()
    wslpath.unlink()
    (warning,) = viewer.open_images(images(path))
    assert "explorer.exe can't be started" in warning.message


def test_open_of_very_many_pictures_opens_the_first_ones(openers, tmp_path):
    openers.add("gio")
    paths = written(tmp_path, *(f"{number}.png" for number in range(viewer.MAX_OPENED + 1)))
    (warning,) = viewer.open_images(images(*paths))
    assert (warning.code, warning.message) == ("not-opened", "only the first 20 of 21 pictures were opened")
    assert openers.calls(1) == [["open", *map(str, paths[: viewer.MAX_OPENED])]]


@pytest.mark.every_build
@pytest.mark.real
def test_open_after_a_run_and_after_the_demo(lab, openers):
    openers.add("xdg-open")
    world = lab(script=checks.DrawsSmall())
    path = f"{openers.folder}:{world.environment['PATH']}"
    done = world.call("--prompt", "a fox", "--out", "fox.png", "--open", env={**DISPLAY, "PATH": path})
    assert (done.code, openers.calls(1)) == (0, [[f"{world.work}/fox.png"]])
    world.call("demo", "--out", "demo.png", "--open", "--json", env={**DISPLAY, "PATH": path})
    assert openers.calls(2)[1] == [f"{world.work}/demo.png"]
