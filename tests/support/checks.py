"""Checks that many tests share: leftover files, running processes, and what was sent to the model."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from codex_imagegen.demo.drawing import draw
from codex_imagegen.demo.fake_openai import Script, has_tool_output, running_cell
from tests.support import builds
from tests.support.lab import Lab, Outcome

SIDE = 160
KEYS = [
    "schema", "ok", "backend", "images", "failures", "error", "thread_id", "codex_version", "elapsed_sec", "warnings",
    "dry_run", "planned", "last",
]  # fmt: skip
ENDS = pytest.mark.parametrize("version", [builds.OLDEST, builds.NEWEST])
"""The oldest and the newest build, in every test run."""
NEWEST_FIRST = pytest.mark.parametrize(
    "version", [builds.NEWEST, pytest.param(builds.OLDEST, marks=pytest.mark.every_build)]
)
"""The newest build in every test run; the oldest, which behaves the same, only with ``--every-build``."""


class DrawsSmall(Script):
    """Draws small pictures, quickly."""

    def draw(self, prompt: str) -> bytes:
        return small_png(prompt)


def small_png(prompt: str) -> bytes:
    """The picture that :class:`Small` makes of a prompt."""
    return draw(prompt, side=SIDE)


def variants(*, ends_only: bool = False, function_model_in_ci: bool = False) -> list[Any]:
    """(build, model) of every build, and of a model without code mode where the build knows both kinds.

    Builds between the oldest and the newest are marked ``every_build``; with ``function_model_in_ci``, so are the
    models without code mode.
    """
    found = []
    for version in (builds.OLDEST, builds.NEWEST) if ends_only else builds.BUILDS:
        marks = [] if version in {builds.OLDEST, builds.NEWEST} else [pytest.mark.every_build]
        found.append(pytest.param(version, None, id=version, marks=marks))
        if builds.number(version) >= (0, 144):
            more = [pytest.mark.every_build] if function_model_in_ci else marks
            found.append(pytest.param(version, builds.FUNCTION_MODEL, id=f"{version}-function", marks=more))
    return found


def every_build() -> list[Any]:
    """Each build once; those between the newest and the oldest are marked ``every_build``."""
    found = [variant for variant in variants() if variant.values[1] is None]
    return [pytest.param(variant.values[0], id=variant.id, marks=variant.marks) for variant in found]


def with_provider(world: Lab, *more: str) -> None:
    """A provider of the user's own in config.toml, which stands where OpenAI's does."""
    config = world.home / "config.toml"
    table = [
        "[model_providers.proxy]",
        'name = "proxy"',
        f'base_url = "{world.standin.url}/v1"',
        'wire_api = "responses"',
    ]
    config.write_text("\n".join(['model_provider = "proxy"', config.read_text(), *table, *more, ""]))


def model_of(model: str | None) -> list[str]:
    return [] if model is None else ["--model", model]


def requests(world: Lab) -> list[Any]:
    """The requests to the model, turn by turn."""
    return [call.json for call in world.standin.calls_to("/responses")]


def picture_turns(world: Lab) -> int:
    """How many turns asked for a picture, without the closing turn and turns that wait for a script.

    Those are cut off in time, but on a busy machine the request may already have been sent.
    """
    return sum(map(asks_for_picture, requests(world)))


def asks_for_picture(request: Any) -> bool:
    """Whether a turn begins a picture; a closing turn, or one that waits for a script, does not."""
    return not has_tool_output(request) and running_cell(request) is None


def texts_of_role(request: Any, role: str) -> list[str]:
    """Every text of a role in a request, in order."""
    messages = [item for item in request["input"] if item.get("role") == role]
    parts = [part for item in messages for part in item.get("content") or []]
    return [part["text"] for part in parts if part["type"] == "input_text"]


def shown_pictures(request: Any) -> list[bytes]:
    """The pictures that the model was shown in a request."""
    parts = [part for item in request["input"] for part in item.get("content") or [] if isinstance(part, dict)]
    return [_of_url(part["image_url"]) for part in parts if part.get("type") == "input_image"]


def tool_references(world: Lab) -> list[bytes]:
    """The references that the image tool was given."""
    return [
        _of_url(image["image_url"]) for call in world.standin.calls_to("/images/edits") for image in call.json["images"]
    ]


def tool_prompts(world: Lab) -> list[str]:
    """The prompts that reached the pictures endpoint (from 0.144.0)."""
    return [call.json["prompt"] for call in tuple(world.standin.calls) if "/images/" in call.path]


def mean_difference(one: bytes, other: bytes) -> float:
    """How much two pictures differ, from 0 (the same) to 255."""
    with Image.open(io.BytesIO(one)) as first, Image.open(io.BytesIO(other)) as second:
        left, right = (image.convert("RGB").resize((32, 32)).tobytes() for image in (first, second))
    return sum(abs(a - b) for a, b in zip(left, right, strict=True)) / len(left)


def finish(run: subprocess.Popen[bytes], *, seconds: float = 60) -> Outcome:
    """Wait for a started command."""
    out, err = run.communicate(timeout=seconds)
    return Outcome(run.returncode, out, err.decode(), 0.0)


def processes(world: Lab, *, wait: bool = True) -> list[int]:
    """The processes that run in this lab's Codex home; waits up to 5 s for those that are about to end."""
    mark = f"CODEX_HOME={world.home}".encode()
    for _ in range(50 if wait else 1):
        alive = [pid for pid in _pids() if mark in _environment(pid)]
        if not alive:
            break
        time.sleep(0.1)
    return alive


def wait_until(true: Callable[[], object], what: str, *, seconds: int = 60) -> None:
    """Wait until a condition is true; fails if it takes too long."""
    for _ in range(seconds * 20):
        if true():
            return
        time.sleep(0.05)
    pytest.fail(f"waited for {what}")


def kill(pid: int) -> None:
    """Kill one process of the test's own."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def reason_why_not(*command: str) -> Callable[[], str | None]:
    """A function that tries a command on this machine; returns the reason why it fails, or None."""

    @cache
    def why_not() -> str | None:
        try:
            done = subprocess.run(command, capture_output=True, timeout=20, check=False)
        except OSError as error:
            return str(error)
        return None if done.returncode == 0 else f"{json.dumps(command)}: {done.stderr.decode().strip()}"

    return why_not


def needs_proc() -> str | None:
    """The reason why a test that reads /proc can't run here, or None."""
    return None if sys.platform == "linux" else "needs Linux's /proc"


def link_or_copy(source: str | Path, target: Path) -> None:
    """Copy a large file that is never written to: by a hard link where possible."""
    try:
        os.link(os.path.realpath(source), target)
    except OSError:  # another file system
        shutil.copy2(source, target)


def unfinished_files(folder: Path) -> list[str]:
    """The program's unfinished files in a folder."""
    return sorted(str(path) for path in folder.rglob(".codex-imagegen*"))


def assert_clean(world: Lab) -> None:
    """A run has left no temporary file and no process."""
    assert world.leftovers == []
    assert unfinished_files(world.work) == []
    assert processes(world) == []


def assert_failed(world: Lab, done: Outcome, exit_code: int, code: str, *, spent: bool | None = False) -> Any:
    """The failure is reported as promised, as JSON and as one sentence, and nothing is left; returns the JSON."""
    answer = assert_reported(done, exit_code, code)
    assert answer["error"]["spent"] is spent, answer
    assert not [*world.work.rglob("*fox*"), *world.work.rglob("image*")]
    assert_clean(world)
    return answer


def assert_reported(done: Outcome, exit_code: int, code: str) -> Any:
    """stdout is one JSON object with the error and a hint; stderr is one sentence."""
    answer = done.json
    error = answer["error"]
    assert (done.code, error["code"], error["exit_code"]) == (exit_code, code, exit_code), done
    assert list(answer)[: len(KEYS)] == KEYS  # the promise changes by addition
    assert (answer["ok"], answer["images"], answer["failures"]) == (False, [], [{"index": 0, "error": error}])
    assert error["message"]
    assert error["hint"]
    lines = done.err.splitlines()
    assert len(lines) == 1, done.err
    assert lines[0].startswith("codex-imagegen: ")
    assert lines[0].isprintable()
    return answer


def _of_url(url: str) -> bytes:
    return base64.b64decode(url.partition(",")[2])


def _pids() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    except FileNotFoundError:  # macOS has no /proc
        return []


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""
