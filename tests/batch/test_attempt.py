"""The story of one job, with a backend that does as it is told: what is spent, what is journalled, what is told."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from codex_imagegen import generation
from codex_imagegen.batches.attempt import Attempts
from codex_imagegen.batches.jobs import Job
from codex_imagegen.batches.journal import Journal
from codex_imagegen.batches.outcome import Outcome
from codex_imagegen.errors import (
    CodexMissing,
    ImagegenError,
    Interrupted,
    Moderation,
    NetworkError,
    NoPicture,
    OutExists,
    OutUnwritable,
    RateLimited,
    ReferenceMissing,
    RunTimeout,
    UsageLimit,
)
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.model import Event, Request
from codex_imagegen.outcome import Image, Result
from codex_imagegen.runner.backoff import Backoff
from codex_imagegen.runner.stops import ends_all

THREAD = "019a0000-0000-7000-8000-000000000001"
KEY = b"k" * 16


class Backend:
    """Takes the place of ``generation.generate``: raises what it is told to, in this order, and then draws."""

    def __init__(self) -> None:
        self.errors: list[ImagegenError] = []
        self.requests: list[Request] = []

    def __call__(
        self, request: Request, *, interrupt: Interrupt, tell: Callable[[Event], None] = lambda _event: None
    ) -> Result:
        self.requests.append(request)
        tell(Event("thread", thread_id=THREAD))
        if self.errors:
            raise self.errors.pop(0)
        path = Path(request.out or "")
        path.write_bytes(b"fox")
        image = Image(str(path), "png", 1, 1, 3, hashlib.sha256(b"fox").hexdigest())
        return Result(ok=True, backend="codex", images=(image,), thread_id=THREAD)


class World:
    def __init__(self, folder: Path, backend: Backend) -> None:
        self.out, self.backend = folder / "fox.png", backend
        self.journal = Journal(str(folder))
        self.attempts = self.fresh()

    def fresh(self, *, retry_failed: bool = False) -> Attempts:
        """As after another start."""
        return Attempts(self.journal, Interrupt(), retry_failed, pauses=Backoff(0.01, 1, 1, 3))

    def settle(self, *errors: ImagegenError, force: bool = False) -> Outcome:
        self.backend.errors = list(errors)
        return self.attempts.settle(Job(1, Request("a fox", out=str(self.out), force=force), KEY))

    @property
    def ended(self) -> str | None:
        trace = self.journal.trace(KEY)
        assert trace is not None
        return trace.ended["event"] if trace.ended else None


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    backend = Backend()
    monkeypatch.setattr(generation, "generate", backend)
    made = World(tmp_path / "out", backend)
    with made.journal:
        yield made


def code(outcome: Outcome) -> str | None:
    return outcome.result.error and outcome.result.error.code


def test_the_journal_knows_the_folder_before_the_start_and_the_thread_from_the_start(world: World) -> None:
    seen = []

    def look(request: Request, **more: object) -> Result:
        trace = world.journal.trace(KEY)
        seen.append((trace and trace.started["folder"], request.folder))
        return Backend.__call__(world.backend, request, **more)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generation, "generate", look)
        assert world.settle().status == "made"
    assert seen[0][0] == seen[0][1] is not None
    trace = world.journal.trace(KEY)
    assert trace is not None
    assert trace.told["thread_id"] == THREAD
    assert world.ended == "done"
    assert world.settle().status == "there"
    assert len(world.backend.requests) == 1


@pytest.mark.parametrize("error", [RateLimited, NetworkError])
def test_what_passes_is_tried_three_times_and_then_it_has_failed(world: World, error: type[ImagegenError]) -> None:
    assert world.settle(error("x"), error("x")).status == "made"
    assert len(world.backend.requests) == 3
    assert len({request.folder for request in world.backend.requests}) == 3
    world.out.unlink()
    outcome = world.settle(error("x"), error("x"), error("x"))
    assert (outcome.status, code(outcome), world.ended) == ("failed", error.code, "failed")


def test_a_failure_is_told_again_without_spending(world: World) -> None:
    world.settle(Moderation("blocked", spent=True))
    world.attempts = world.fresh()
    outcome = world.settle()
    assert (outcome.status, code(outcome), len(world.backend.requests)) == ("failed", "moderation", 1)
    world.attempts = world.fresh(retry_failed=True)
    assert world.settle().status == "made"


@pytest.mark.parametrize("error", [UsageLimit("x", resets_at=9), CodexMissing("x")])
def test_what_ends_all_leaves_the_rest_and_calls_nothing_failed(world: World, error: ImagegenError) -> None:
    assert ends_all(error)
    first, second = world.settle(error), world.settle()
    assert (first.status, second.status, code(second)) == ("left", "left", error.code)
    assert (len(world.backend.requests), world.ended) == (1, "dropped")
    assert second.result.error is not None
    assert second.result.error.spent is False
    world.attempts = world.fresh()
    assert world.settle().status == "made"


def test_what_was_refused_unspent_is_looked_at_anew(world: World) -> None:
    assert code(world.settle(ReferenceMissing("gone"))) == "ref-missing"
    assert world.ended == "dropped"
    assert world.settle().status == "made"


def test_a_file_that_is_there_costs_nothing(world: World) -> None:
    world.out.write_bytes(b"wolf")
    outcome = world.settle()
    assert (outcome.status, code(outcome), world.backend.requests) == ("failed", "out-exists", [])
    assert world.journal.trace(KEY) is None
    assert world.settle(force=True).status == "made"


@pytest.mark.parametrize("error", [OutExists("appeared", spent=True), OutUnwritable("full", spent=True)])
def test_a_picture_that_could_not_be_written_is_fetched_another_time(world: World, error: ImagegenError) -> None:
    assert world.settle(error).status == "failed"
    assert world.ended is None
    outcome = world.settle()
    assert outcome.status == "recovered"
    earlier = world.backend.requests[-1].earlier
    assert earlier is not None
    assert (earlier.thread_id, earlier.folder) == (THREAD, world.backend.requests[0].folder)
    assert world.settle().status == "there"


def test_an_interrupt_leaves_the_job_open(world: World) -> None:
    with pytest.raises(Interrupted):
        world.settle(Interrupted("stop"))
    assert world.ended is None
    assert world.settle(NoPicture("nothing was left")).status == "made"
    assert [request.earlier is not None for request in world.backend.requests] == [False, True, False]


def test_an_earlier_run_that_does_not_end_is_no_failure_of_the_job(world: World) -> None:
    with pytest.raises(Interrupted):
        world.settle(Interrupted("stop"))
    outcome = world.settle(RunTimeout("still at work"))
    assert (outcome.status, code(outcome), world.ended) == ("failed", "timeout", None)
    assert world.settle().status == "recovered"


def test_what_was_written_before_the_kill_is_known_by_its_bytes(world: World) -> None:
    for there, status in ((b"fox", "recovered"), (b"wolf", "failed")):
        with pytest.raises(Interrupted):
            world.settle(Interrupted("stop"))
        world.out.write_bytes(there)
        assert world.settle().status == status
        assert sorted(path.suffix for path in world.out.parent.iterdir()) == [".jsonl", ".png"]
        world.out.unlink()
        world.journal.dropped(KEY)


def test_without_a_journal_nothing_is_spent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OutUnwritable("no room for the journal")

    monkeypatch.setattr(world.journal, "started", full)
    first, second = world.settle(), world.settle()
    assert (first.status, second.status, world.backend.requests) == ("left", "left", [])


def test_a_picture_that_the_journal_could_not_take_is_there_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OutUnwritable("no room for the journal")

    monkeypatch.setattr(world.journal, "thread", full)
    monkeypatch.setattr(world.journal, "done", full)
    outcome = world.settle()
    assert outcome.status == "made"
    assert [warning.code for warning in outcome.result.warnings] == ["journal-unwritten"]


def test_a_spare_copy_is_never_left(world: World) -> None:
    with pytest.raises(Interrupted):
        world.settle(Interrupted("stop"))
    world.out.write_bytes(b"fox")
    assert world.settle(NoPicture("none")).status == "failed"
    assert sorted(path.suffix for path in world.out.parent.iterdir()) == [".jsonl", ".png"]


def full(spent: bool) -> OutUnwritable:
    return OutUnwritable("no room", hint="recover it", spent=spent, errno=errno.ENOSPC)


def test_a_full_disk_ends_all_and_the_picture_that_did_not_fit_is_fetched_another_time(world: World) -> None:
    first = world.settle(full(spent=True))
    second = world.attempts.settle(Job(2, Request("an owl", out=str(world.out) + "2"), b"o" * 16))
    assert (first.status, second.status, len(world.backend.requests)) == ("left", "left", 1)
    assert second.result.error is not None
    assert (second.result.error.hint, second.result.error.spent) == ("make room on the disk", False)
    world.attempts = world.fresh()
    assert world.settle().status == "recovered"


def test_a_disk_that_is_full_when_a_picture_is_fetched_ends_all_too(world: World) -> None:
    with pytest.raises(Interrupted):
        world.settle(Interrupted("stop"))
    assert world.settle(full(spent=True)).status == "left"
    assert world.attempts.stopped is not None
    world.attempts = world.fresh()
    assert world.settle().status == "recovered"


def test_a_temporary_folder_without_room_has_cost_nothing(world: World) -> None:
    assert world.settle(full(spent=False)).status == "left"
    assert world.ended == "dropped"
    world.attempts = world.fresh()
    assert world.settle().status == "made"
