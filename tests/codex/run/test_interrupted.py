"""The picture of an interrupted run: found by thread or folder, waited for, never that of another run."""

from __future__ import annotations

import base64
import errno
import fcntl
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from codex_imagegen.codex.run import workspace
from codex_imagegen.codex.run.interrupted import PIPE_BYTES, QUIET_SEC, fetch
from codex_imagegen.errors import Interrupted, NoPicture, RunTimeout
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.request import Event, InterruptedRun, Run
from codex_imagegen.results import BackendResult
from tests.support.pictures import encoded, torn

THREAD = "019a0000-0000-7000-8000-00000000000{}"


class Home:
    """A Codex home, with rollouts of runs that worked in some folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder
        self.started = time.time()

    def rollout(
        self, number: int, cwd: str, *pictures: bytes, prompt: str = "a fox", later: float = 0.0, **meta: str
    ) -> Path:
        """``later`` is by how many seconds Codex's clock is beyond the journal's."""
        moment = time.localtime(self.started + later)
        day = self.path / "sessions" / time.strftime("%Y/%m/%d", moment)
        day.mkdir(parents=True, exist_ok=True)
        thread = THREAD.format(number)
        path = day / time.strftime(f"rollout-%Y-%m-%dT%H-%M-%S-{thread}.jsonl", moment)
        content = [{"type": "input_text", "text": prompt}]
        path.write_text(
            _line("session_meta", id=thread, cwd=cwd, cli_version="0.169.0", **meta)
            + _line("response_item", type="message", role="user", content=content)
            + "".join(_line("event_msg", type="item_completed", item=_item(data)) for data in pictures)
        )
        return path


def _line(kind: str, **payload: Any) -> str:
    return json.dumps({"type": kind, "payload": payload}, separators=(",", ":")) + "\n"


def _item(data: bytes) -> dict[str, Any]:
    return {
        "type": "Extension", "kind": "image_gen.generation", "id": "call_1", "status": "completed",
        "result": base64.b64encode(data).decode(),
    }  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "codex")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return workspace.choose_path()


def run(
    home: Home,
    folder: str,
    number: int | None = None,
    *,
    seconds: float = 5.0,
    prompt: str = "a fox",
    full_turn: bool = False,
    interrupt: Interrupt | None = None,
) -> BackendResult:
    now = time.monotonic()
    events: list[Event] = []
    env = {"CODEX_HOME": str(home.path)}
    new_run = Run(now, now + seconds, interrupt or Interrupt(), events.append, environment=env)
    earlier = InterruptedRun(folder, home.started, THREAD.format(number) if number else None)
    result = fetch(earlier, prompt, new_run, full_turn=full_turn)
    assert [event.stage for event in events] == ["started", "received"]
    return result


def test_interrupted_run_is_found_by_its_thread(home: Home, folder: str) -> None:
    home.rollout(1, folder, encoded(seed=1), encoded(seed=2, side=48))
    result = run(home, folder, 1)
    assert (result.picture.data, result.thread_id, result.codex_version) == (
        encoded(seed=1),
        THREAD.format(1),
        "0.169.0",
    )
    assert run(home, folder, 1, full_turn=True).picture.data == encoded(seed=2, side=48)


def test_interrupted_run_is_found_by_its_folder(home: Home, folder: str) -> None:
    home.rollout(1, workspace.choose_path(), encoded(seed=1))
    home.rollout(2, folder, encoded(seed=2))
    home.rollout(3, "/elsewhere", encoded(seed=3))
    result = run(home, folder)
    assert (result.picture.data, result.thread_id) == (encoded(seed=2), THREAD.format(2))


def test_thread_of_another_folder_is_not_used(home: Home, folder: str) -> None:
    home.rollout(1, workspace.choose_path(), encoded())
    with pytest.raises(NoPicture):
        run(home, folder, 1)


def test_torn_picture_is_not_fetched(home: Home, folder: str) -> None:
    home.rollout(1, folder, torn(encoded()))
    with pytest.raises(NoPicture) as caught:
        run(home, folder)
    assert caught.value.spent is None
    home.rollout(1, folder, torn(encoded()), encoded(seed=2))
    assert run(home, folder).picture.data == encoded(seed=2)


def test_saved_file_is_fetched(home: Home, folder: str) -> None:
    home.rollout(1, folder)
    saved = home.path / "generated_images" / THREAD.format(1)
    saved.mkdir(parents=True)
    (saved / "ig_1.png").write_bytes(encoded())
    assert run(home, folder).picture.data == encoded()


def test_run_without_a_session_is_reported_at_once(home: Home, folder: str) -> None:
    started = time.monotonic()
    for number in (None, 1):
        with pytest.raises(NoPicture):
            run(home, folder, number)
    assert time.monotonic() - started < 1


def test_running_codex_is_waited_for(home: Home, folder: str) -> None:
    with workspace.workspace(folder=folder), workspace.lock_folder(folder):
        threading.Timer(0.5, home.rollout, (1, folder, encoded())).start()
        started = time.monotonic()
        assert run(home, folder).picture.data == encoded()
        assert time.monotonic() - started > 0.4


def test_running_codex_with_full_turn_is_waited_for_to_its_end(home: Home, folder: str) -> None:
    os.mkdir(folder)
    home.rollout(1, folder, encoded(seed=1))
    with workspace.lock_folder(folder), pytest.raises(RunTimeout) as caught:
        run(home, folder, seconds=0.5, full_turn=True)
    assert caught.value.spent is None
    assert run(home, folder, full_turn=True).picture.data == encoded(seed=1)


def test_wait_can_be_interrupted(home: Home, folder: str) -> None:
    interrupt = Interrupt()
    threading.Timer(0.3, interrupt.set).start()
    with workspace.workspace(folder=folder), workspace.lock_folder(folder), pytest.raises(Interrupted):
        run(home, folder, interrupt=interrupt)


def test_session_of_a_cut_prompt_is_not_used(home: Home, folder: str) -> None:
    prompt = "x" * (PIPE_BYTES + 1)
    home.rollout(1, folder, encoded(), prompt=prompt[:PIPE_BYTES])
    with pytest.raises(NoPicture):
        run(home, folder, prompt=prompt)
    home.rollout(1, folder, encoded(), prompt=prompt)
    assert run(home, folder, prompt=prompt).picture.data == encoded()


HOUR = 3600.0


@pytest.mark.parametrize("later", [-6.0, -HOUR, -26 * HOUR, 26 * HOUR, -40 * 24 * HOUR, 40 * 24 * HOUR])
def test_session_is_found_after_a_clock_change(home: Home, folder: str, later: float) -> None:
    """The journal's time and the rollout's are apart: the folder's name is what proves the session."""
    home.rollout(1, workspace.choose_path(), encoded(seed=1))
    home.rollout(2, folder, encoded(seed=2), later=later)
    assert run(home, folder).picture.data == encoded(seed=2)


def test_session_is_found_without_a_time_in_the_journal(home: Home, folder: str) -> None:
    home.rollout(1, folder, encoded(seed=1), later=-40 * 24 * HOUR)
    home.started = None  # type: ignore[assignment]
    assert run(home, folder).picture.data == encoded(seed=1)


@pytest.mark.parametrize(("then", "now"), [("XXX-14", "XXX+12"), ("XXX+12", "XXX-14"), ("XXX-1", "XXX+1")])
def test_session_is_found_in_another_time_zone(
    home: Home, folder: str, monkeypatch: pytest.MonkeyPatch, then: str, now: str
) -> None:
    """It is found among the days nearby, so that a Codex that is still at work is found as well."""
    try:
        monkeypatch.setenv("TZ", then)
        time.tzset()
        home.rollout(1, folder, encoded(seed=1))
        monkeypatch.setenv("TZ", now)
        time.tzset()
        os.mkdir(folder)
        with workspace.lock_folder(folder):
            assert run(home, folder).picture.data == encoded(seed=1)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_fork_of_the_session_is_not_used(home: Home, folder: str) -> None:
    home.rollout(1, folder, encoded(), forked_from_id=THREAD.format(2))
    with pytest.raises(NoPicture):
        run(home, folder)


def test_run_without_a_folder_has_no_session(home: Home) -> None:
    home.rollout(1, "", encoded())
    now = time.monotonic()
    new_run = Run(now, now + 5, Interrupt(), lambda _event: None, environment={"CODEX_HOME": str(home.path)})
    for thread in (None, THREAD.format(1)):
        with pytest.raises(NoPicture):
            fetch(InterruptedRun(None, home.started, thread), "a fox", new_run)


def test_run_without_locks_is_waited_for_until_it_is_quiet(
    home: Home, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    os.mkdir(folder)
    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(RunTimeout):  # it was started just now, and has no session yet
        run(home, folder, seconds=0.5)
    path = home.rollout(1, folder)
    with pytest.raises(RunTimeout):
        run(home, folder, seconds=0.5)
    long_ago = time.time() - QUIET_SEC - 60
    os.utime(path, (long_ago, long_ago))
    with pytest.raises(NoPicture):
        run(home, folder)
    home.rollout(1, folder, encoded())
    assert run(home, folder).picture.data == encoded()
    path.unlink()
    home.started = long_ago
    with pytest.raises(NoPicture):
        run(home, folder)
