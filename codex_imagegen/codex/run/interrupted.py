"""Fetch the picture of an interrupted run, whose Codex may still be running; no other Codex is started."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import closing

from codex_imagegen.codex.run import workspace
from codex_imagegen.codex.sessions import history, layout, rollout
from codex_imagegen.codex.sessions.history import SessionRef
from codex_imagegen.codex.sessions.reader import SessionReader
from codex_imagegen.codex.sessions.tail import HEAD, Tail
from codex_imagegen.errors import NoPicture, RunTimeout
from codex_imagegen.images.decode import decode_picture
from codex_imagegen.images.structure import DamagedImage
from codex_imagegen.request import Event, InterruptedRun, Run, Stage
from codex_imagegen.results import BackendResult, Picture
from codex_imagegen.values import as_list, as_object, as_text

TICK_SEC = 0.2
QUIET_SEC = 600.0
"""If the lock can't be tested, Codex counts as running until its rollout has not changed for so long. A picture
takes 26 – 87 s, and a request that hangs ends after some 265 s."""

PIPE_BYTES = 65_536
"""A prompt up to this size is written to Codex's stdin completely or not at all; a longer one may arrive in part."""

_DAY_SEC = 86_400.0
_DAYS = (0.0, -_DAY_SEC, _DAY_SEC)
_folder_names: dict[str, str] = {}
"""The folder's name in the first record of each rollout, which never changes; empty for a run of another program."""


def fetch(earlier: InterruptedRun, prompt: str, run: Run, *, full_turn: bool = False) -> BackendResult:
    """Wait for the picture that the interrupted run made of ``prompt``.

    Raises :class:`NoPicture` when that Codex has ended without one, and :class:`RunTimeout` if it is still running at
    the deadline.
    """
    search = _Search(layout.codex_home(run.environment), earlier)
    _report(run, "started", earlier.thread_id, "looking for the picture of an interrupted run")
    while True:
        is_in_use = workspace.is_in_use(earlier.folder) if earlier.folder else False
        session = search.find_nearby()
        has_ended = is_in_use is False or (is_in_use is None and _is_quiet(earlier, session))
        session = session or (search.find_anywhere() if has_ended else None)
        result = None
        if session and (has_ended or not full_turn):
            result = _read_result(search.codex_home, session, prompt, full_turn)
        if result is not None:
            _report(run, "received", result.thread_id)
            return result
        if has_ended:
            raise NoPicture("the interrupted run made no picture", hint="make it again", spent=None)
        _wait(run)


def _report(run: Run, stage: Stage, thread_id: str | None, message: str | None = None) -> None:
    run.on_event(Event(stage, time.monotonic() - run.started, thread_id=thread_id, message=message))


def _wait(run: Run) -> None:
    run.interrupt.check(spent=None)
    if time.monotonic() >= run.deadline:
        raise RunTimeout("an earlier run of this job has not ended yet", hint="try again in a minute", spent=None)
    time.sleep(TICK_SEC)


def _is_quiet(earlier: InterruptedRun, session: SessionRef | None) -> bool:
    """Whether the rollout has not changed for so long that no Codex can be running, even if clocks differ."""
    try:
        changed_at = os.stat(session.path).st_mtime if session and session.path else earlier.started_at or 0.0
    except OSError:
        changed_at = 0.0
    return abs(time.time() - changed_at) > QUIET_SEC


class _Search:
    """Finds the session of the interrupted run by the run's private folder in its first record.

    The path of the rollout proves nothing: Codex names the day's folder and the rollout by the local time, so a change
    of the time zone, of summer time or of the clock puts it elsewhere than the time in the journal says.
    """

    def __init__(self, codex_home: str, earlier: InterruptedRun) -> None:
        self.codex_home, self._earlier = codex_home, earlier
        self._folder_name = os.path.basename(earlier.folder or "")

    def find_nearby(self) -> SessionRef | None:
        """Search by the thread, or else in the days around the run's start and around now."""
        if self._earlier.thread_id:
            found = history.find_session(self.codex_home, self._earlier.thread_id)
            return self._first([found.path] if found and found.path else [])
        starts = (moment + offset for moment in (self._earlier.started_at, time.time()) if moment for offset in _DAYS)
        folders = dict.fromkeys(
            folder for start in starts for folder in layout.list_day_folders(self.codex_home, start)
        )
        return self._first(layout.snapshot(folders))

    def find_anywhere(self) -> SessionRef | None:
        """Search the whole home: 0.16 ms for each rollout, once a batch; a second picture would cost more."""
        return self._first(session.path for session in history.iter_newest(self.codex_home) if session.path)

    def _first(self, paths: Iterable[str]) -> SessionRef | None:
        if not self._folder_name:
            return None
        return next((SessionRef(meta.thread_id, path) for path in paths if (meta := self._owned_meta(path))), None)

    def _owned_meta(self, path: str) -> layout.SessionMeta | None:
        """The first record of a rollout, if it names the folder of this run."""
        known = _folder_names.get(path)
        if known is not None and known != self._folder_name:
            return None
        line = layout.read_first_line(path)
        meta = layout.parse_meta(line) if workspace.PREFIX.encode() in line else None
        name = os.path.basename(meta.cwd or "") if meta and not meta.forked_from else ""
        if line.endswith(b"\n"):  # else it is still being written
            _folder_names[path] = name
        return meta if name == self._folder_name else None


def _read_result(codex_home: str, session: SessionRef, prompt: str, full_turn: bool) -> BackendResult | None:
    """The picture that the run would have delivered: the first complete one, or with ``full_turn`` the largest."""
    candidates = SessionReader(codex_home, session).pictures()
    pictures = (p for candidate in candidates if (p := _decode(candidate.data, candidate.revised_prompt)))
    picture = max(pictures, key=lambda p: len(p.data), default=None) if full_turn else next(pictures, None)
    if picture is None or not _has_full_prompt(session, prompt):
        return None
    meta = layout.read_meta(session.path or "")
    return BackendResult(picture, session.thread_id, meta.codex_version if meta else None)


def _decode(data: bytes | None, revised_prompt: str | None) -> Picture | None:
    try:
        return decode_picture(data, revised_prompt=revised_prompt) if data else None
    except DamagedImage:
        return None


def _has_full_prompt(session: SessionRef, prompt: str) -> bool:
    """Whether the session got the whole prompt: the run may have been killed while writing it."""
    if len(prompt.encode()) <= PIPE_BYTES or session.path is None:
        return True
    with closing(Tail(session.path)) as tail:
        return any(prompt in _texts(line) for line in tail.lines() if b'"role":"user"' in line[:HEAD])


def _texts(line: bytes) -> list[str]:
    content = as_object(rollout.parse_record(line)[0].get("payload")).get("content")
    return [text for part in as_list(content) if (text := as_text(as_object(part).get("text")))]
