"""The picture of a run that was cut off: its Codex may have gone on without us, and is waited for; none is started."""

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
from codex_imagegen.images.decode import DamagedImage, decode_picture
from codex_imagegen.request import Event, InterruptedRun, Run, Stage
from codex_imagegen.results import BackendResult, Picture
from codex_imagegen.values import as_list, as_object, as_text

TICK_SEC = 0.2
QUIET_SEC = 600.0
"""Where no lock can tell, a Codex is taken to be at work until its rollout has not been written to for so long. A
picture takes 26 – 87 s, and a request that hangs ends after some 265 s."""
_DAY_SEC = 86_400.0
_DAYS = (0.0, -_DAY_SEC, _DAY_SEC)
PIPE_BYTES = 65_536
"""A prompt of this size is in Codex's stdin whole or not at all; of a longer one a part may have got there."""


def fetch(earlier: InterruptedRun, prompt: str, run: Run, *, full_turn: bool = False) -> BackendResult:
    """The picture that the earlier run made of ``prompt``, once it has landed.

    Raises :class:`NoPicture` when that Codex has gone and no picture is there, and :class:`RunTimeout` when it is
    still at work at the end of our time.
    """
    search = _Search(layout.codex_home(run.environment), earlier)
    _tell(run, "started", earlier.thread_id, "an earlier run is looked for")
    while True:
        held = workspace.held_by_somebody(earlier.folder) if earlier.folder else False
        past = search.near()
        gone = held is False or (held is None and _is_quiet(earlier, past))
        past = past or (search.anywhere() if gone else None)
        made = _made(search.codex_home, past, prompt, full_turn) if past and (gone or not full_turn) else None
        if made is not None:
            _tell(run, "received", made.thread_id)
            return made
        if gone:
            raise NoPicture("the earlier run made no picture", hint="make it anew", spent=None)
        _pause(run)


def _tell(run: Run, stage: Stage, thread_id: str | None, message: str | None = None) -> None:
    run.tell(Event(stage, time.monotonic() - run.started, thread_id=thread_id, message=message))


def _pause(run: Run) -> None:
    run.interrupt.check(spent=None)
    if time.monotonic() >= run.deadline:
        raise RunTimeout("an earlier run of this job has not ended yet", hint="try again in a minute", spent=None)
    time.sleep(TICK_SEC)


def _is_quiet(earlier: InterruptedRun, past: SessionRef | None) -> bool:
    """Whether nothing has become of the run for so long that nobody can be at work on it, by whichever clock."""
    try:
        last = os.stat(past.path).st_mtime if past and past.path else earlier.started_at or 0.0
    except OSError:
        last = 0.0
    return abs(time.time() - last) > QUIET_SEC


class _Search:
    """Looks for the session that is proven to be the run's own: its first record names the run's private folder.

    Where it lies is no proof. Codex names the day's folder and the rollout by the local time, so that a change of the
    time zone, of summer time or of the clock has it elsewhere than where the journal's time says.
    """

    def __init__(self, codex_home: str, earlier: InterruptedRun) -> None:
        self.codex_home, self._earlier = codex_home, earlier
        self._name = os.path.basename(earlier.folder or "")

    def near(self) -> SessionRef | None:
        """The session, looked for by its thread, or in the days about the run's start and about now."""
        if self._earlier.thread_id:
            found = history.find(self.codex_home, self._earlier.thread_id)
            return self._first([found.path] if found and found.path else [])
        starts = (moment + offset for moment in (self._earlier.started_at, time.time()) if moment for offset in _DAYS)
        folders = dict.fromkeys(folder for start in starts for folder in layout.folders(self.codex_home, start))
        return self._first(layout.snapshot(folders))

    def anywhere(self) -> SessionRef | None:
        """The session, looked for in the whole home: 0.16 ms for each rollout, once a batch, and not paid for twice."""
        return self._first(past.path for past in history.newest(self.codex_home) if past.path)

    def _first(self, paths: Iterable[str]) -> SessionRef | None:
        if not self._name:
            return None
        return next((SessionRef(owner.thread_id, path) for path in paths if (owner := self._owner(path))), None)

    def _owner(self, path: str) -> layout.SessionMeta | None:
        """What the first record says, where it names the folder of this run."""
        known = _folders.get(path)
        if known is None or known == self._name:
            line = layout.first_line(path)
            owner = layout.parse_meta(line) if workspace.PREFIX.encode() in line else None
            name = os.path.basename(owner.cwd or "") if owner and not owner.forked_from else ""
            if line.endswith(b"\n"):  # else it is not whole yet
                _folders[path] = name
            return owner if name == self._name else None
        return None


_folders: dict[str, str] = {}
"""The name of the folder that a rollout's first record says, which never changes; empty where it is no run of ours."""


def _made(codex_home: str, past: SessionRef, prompt: str, full_turn: bool) -> BackendResult | None:
    """The first whole picture of the session (with ``full_turn`` the largest), as the run itself would have taken."""
    keepsake = SessionReader(codex_home, past)
    whole = (p for candidate in keepsake.pictures() if (p := _whole(candidate.data, candidate.revised_prompt)))
    picture = max(whole, key=lambda p: len(p.data), default=None) if full_turn else next(whole, None)
    if picture is None or not _was_asked(past, prompt):
        return None
    owner = layout.read_meta(past.path or "")
    return BackendResult(picture, past.thread_id, owner.codex_version if owner else None)


def _whole(data: bytes | None, revised_prompt: str | None) -> Picture | None:
    try:
        return decode_picture(data, revised_prompt=revised_prompt) if data else None
    except DamagedImage:
        return None


def _was_asked(past: SessionRef, prompt: str) -> bool:
    """Whether the session was asked for all of the prompt: we may have been killed in the middle of handing it over."""
    if len(prompt.encode()) <= PIPE_BYTES or past.path is None:
        return True
    with closing(Tail(past.path)) as tail:
        return any(prompt in _texts(line) for line in tail.lines() if b'"role":"user"' in line[:HEAD])


def _texts(line: bytes) -> list[str]:
    content = as_object(rollout.parse(line)[0].get("payload")).get("content")
    return [text for part in as_list(content) if (text := as_text(as_object(part).get("text")))]
