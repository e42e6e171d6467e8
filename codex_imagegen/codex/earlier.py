"""The picture of a run that was cut off: its Codex may have gone on without us, and is waited for; none is started."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing

from codex_imagegen.codex import history, rollout, sessions, workspace
from codex_imagegen.codex.history import Past
from codex_imagegen.codex.keepsake import Keepsake
from codex_imagegen.codex.tail import HEAD, Tail
from codex_imagegen.errors import NoPicture, RunTimeout
from codex_imagegen.model import Earlier, Event, Run, Stage
from codex_imagegen.outcome import Made, Picture
from codex_imagegen.pictures.verify import Broken, verify

TICK_SEC = 0.2
CLOCK_SEC = 5.0
"""How far the time in a rollout's name may lie before that in a journal; it has no fractions of a second."""
PIPE_BYTES = 65_536
"""A prompt of this size is in Codex's stdin whole or not at all; of a longer one a part may have got there."""


def fetch(earlier: Earlier, prompt: str, run: Run, *, full_turn: bool = False) -> Made:
    """The picture that the earlier run made of ``prompt``, once it has landed.

    Raises :class:`NoPicture` when that Codex has gone and no picture is there, and :class:`RunTimeout` when it is
    still at work at the end of our time.
    """
    codex_home, foreign = sessions.home(run.environment), set[str]()
    _tell(run, "started", earlier.thread_id, "an earlier run is looked for")
    while True:
        gone = not workspace.is_held(earlier.folder)
        past = _find(codex_home, earlier, foreign)
        made = _made(codex_home, past, prompt, full_turn) if past and (gone or not full_turn) else None
        if made is not None:
            _tell(run, "landed", made.thread_id)
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


def _find(codex_home: str, earlier: Earlier, foreign: set[str]) -> Past | None:
    """The session of the run, proven by its working folder; ``foreign`` remembers whose sessions are others'."""
    for past in _candidates(codex_home, earlier):
        if past.path is None or past.path in foreign:
            continue
        owner = sessions.owner(past.path)
        if owner is None:
            continue  # not whole yet
        if os.path.basename(owner.cwd or "") == os.path.basename(earlier.folder):
            return history.of_file(past.path)
        foreign.add(past.path)
    return None


def _candidates(codex_home: str, earlier: Earlier) -> Iterator[Past]:
    if earlier.thread_id:
        found = history.find(codex_home, earlier.thread_id)
        if found is not None:
            yield found
        return
    for path in sessions.snapshot(sessions.folders(codex_home, earlier.started_at)):
        past = Past(None, path)  # its time is read from its name
        if past.time == 0 or past.time >= earlier.started_at - CLOCK_SEC:
            yield past


def _made(codex_home: str, past: Past, prompt: str, full_turn: bool) -> Made | None:
    """The first whole picture of the session (with ``full_turn`` the largest), as the run itself would have taken."""
    keepsake = Keepsake(codex_home, past)
    whole = (p for candidate in keepsake.pictures() if (p := _whole(candidate.data, candidate.revised_prompt)))
    picture = max(whole, key=lambda p: len(p.data), default=None) if full_turn else next(whole, None)
    if picture is None or not _was_asked(past, prompt):
        return None
    owner = sessions.owner(past.path or "")
    return Made(picture, past.thread_id, owner.codex_version if owner else None)


def _whole(data: bytes | None, revised_prompt: str | None) -> Picture | None:
    try:
        return verify(data, revised_prompt=revised_prompt) if data else None
    except Broken:
        return None


def _was_asked(past: Past, prompt: str) -> bool:
    """Whether the session was asked for all of the prompt: we may have been killed in the middle of handing it over."""
    if len(prompt.encode()) <= PIPE_BYTES or past.path is None:
        return True
    with closing(Tail(past.path)) as tail:
        return any(prompt in _texts(line) for line in tail.lines() if b'"role":"user"' in line[:HEAD])


def _texts(line: bytes) -> list[str]:
    payload = rollout.parse(line)[0].get("payload")
    content = payload.get("content") if isinstance(payload, dict) else None
    return [part["text"] for part in content or [] if isinstance(part, dict) and isinstance(part.get("text"), str)]
