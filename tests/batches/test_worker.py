"""One job, with a stand-in for the backend: costs, journal and reports."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from codex_imagegen import generation
from codex_imagegen.batches.jobs import Job
from codex_imagegen.batches.journal import Journal
from codex_imagegen.batches.outcomes import Outcome
from codex_imagegen.batches.worker import JobWorker
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
from codex_imagegen.request import Event, Request
from codex_imagegen.results import Image, Result
from codex_imagegen.runner.attempts import Backoff, stops_all

THREAD = "019a0000-0000-7000-8000-000000000001"
KEY = b"k" * 16


class Backend:
    """Replaces ``generation.generate``: raises the given errors in order, and then draws."""

    def __init__(self) -> None:
        self.errors: list[ImagegenError] = []
        self.requests: list[Request] = []
        self.revised_prompt: str | None = None

    def __call__(
        self, request: Request, *, interrupt: Interrupt, on_event: Callable[[Event], None] = lambda _event: None
    ) -> Result:
        self.requests.append(request)
        on_event(Event("thread", thread_id=THREAD))
        if self.errors:
            raise self.errors.pop(0)
        path = Path(request.out or "")
        path.write_bytes(b"fox")
        digest = hashlib.sha256(b"fox").hexdigest()
        image = Image(str(path), "png", 1, 1, 3, digest, revised_prompt=self.revised_prompt)
        return Result(ok=True, backend="codex", images=(image,), thread_id=THREAD)


class Bench:
    """An output file, a journal and a worker."""

    def __init__(self, folder: Path, backend: Backend) -> None:
        self.out, self.backend = folder / "fox.png", backend
        self.journal = Journal(str(folder))
        self.attempts = self.fresh()

    def fresh(self, *, retry_failed: bool = False) -> JobWorker:
        """Simulate another start."""
        return JobWorker(self.journal, Interrupt(), retry_failed, backoff=Backoff(0.01, 1, 1, 3))

    def run(self, *errors: ImagegenError, force: bool = False) -> Outcome:
        self.backend.errors = list(errors)
        return self.attempts.run(Job(1, Request("a fox", out=str(self.out), force=force), KEY))

    @property
    def ended(self) -> str | None:
        trace = self.journal.read_job(KEY)
        assert trace is not None
        return trace.ended["event"] if trace.ended else None


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    backend = Backend()
    monkeypatch.setattr(generation, "generate", backend)
    made = Bench(tmp_path / "out", backend)
    with made.journal:
        yield made


def code(outcome: Outcome) -> str | None:
    return outcome.result.error and outcome.result.error.code


def test_journal_has_the_folder_before_the_run_and_the_thread_from_its_start(bench: Bench) -> None:
    seen = []

    def look(request: Request, **more: object) -> Result:
        trace = bench.journal.read_job(KEY)
        seen.append((trace and trace.started["folder"], request.folder))
        return Backend.__call__(bench.backend, request, **more)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generation, "generate", look)
        assert bench.run().status == "made"
    assert seen[0][0] == seen[0][1] is not None
    trace = bench.journal.read_job(KEY)
    assert trace is not None
    assert trace.ids["thread_id"] == THREAD
    assert bench.ended == "done"
    assert bench.run().status == "skipped"
    assert len(bench.backend.requests) == 1


@pytest.mark.parametrize("error", [RateLimited, NetworkError])
def test_temporary_error_is_tried_three_times_before_the_job_fails(bench: Bench, error: type[ImagegenError]) -> None:
    assert bench.run(error("x"), error("x")).status == "made"
    assert len(bench.backend.requests) == 3
    assert len({request.folder for request in bench.backend.requests}) == 3
    bench.out.unlink()
    outcome = bench.run(error("x"), error("x"), error("x"))
    assert (outcome.status, code(outcome), bench.ended) == ("failed", error.code, "failed")


def test_failure_is_reported_again_without_spending(bench: Bench) -> None:
    bench.run(Moderation("blocked", spent=True))
    bench.attempts = bench.fresh()
    outcome = bench.run()
    assert (outcome.status, code(outcome), len(bench.backend.requests)) == ("failed", "moderation", 1)
    bench.attempts = bench.fresh(retry_failed=True)
    assert bench.run().status == "made"


@pytest.mark.parametrize("error", [UsageLimit("x", resets_at=9), CodexMissing("x")])
def test_error_that_stops_all_starts_nothing_more_and_fails_nothing(bench: Bench, error: ImagegenError) -> None:
    assert stops_all(error)
    first, second = bench.run(error), bench.run()
    assert (first.status, second.status, code(second)) == ("not-started", "not-started", error.code)
    assert (len(bench.backend.requests), bench.ended) == (1, "dropped")
    assert second.result.error is not None
    assert second.result.error.spent is False
    bench.attempts = bench.fresh()
    assert bench.run().status == "made"


def test_job_refused_unspent_is_tried_anew_next_time(bench: Bench) -> None:
    assert code(bench.run(ReferenceMissing("gone"))) == "ref-missing"
    assert bench.ended == "dropped"
    assert bench.run().status == "made"


def test_existing_file_fails_the_job_at_no_cost(bench: Bench) -> None:
    bench.out.write_bytes(b"wolf")
    outcome = bench.run()
    assert (outcome.status, code(outcome), bench.backend.requests) == ("failed", "out-exists", [])
    assert bench.journal.read_job(KEY) is None
    assert bench.run(force=True).status == "made"


def test_picture_changed_since_fails_the_job_and_one_that_is_gone_is_made_anew(bench: Bench) -> None:
    assert bench.run().status == "made"
    bench.out.write_bytes(b"changed")
    outcome = bench.run()
    assert (outcome.status, code(outcome), len(bench.backend.requests)) == ("failed", "out-exists", 1)
    bench.out.unlink()
    assert (bench.run().status, len(bench.backend.requests)) == ("made", 2)


def test_prompt_that_fills_a_journal_line_is_known_again(bench: Bench) -> None:
    bench.backend.revised_prompt = "".join(chr(0x4E00 + number % 20_000) for number in range(720_000))
    assert bench.run().status == "made"
    assert Path(bench.journal.path).stat().st_size > 4 * 1024 * 1024
    again = bench.run()
    assert (again.status, len(bench.backend.requests)) == ("skipped", 1)
    assert again.result.images[0].revised_prompt == bench.backend.revised_prompt


@pytest.mark.parametrize("error", [OutExists("appeared", spent=True), OutUnwritable("full", spent=True)])
def test_picture_that_could_not_be_written_is_recovered_next_time(bench: Bench, error: ImagegenError) -> None:
    assert bench.run(error).status == "failed"
    assert bench.ended is None
    outcome = bench.run()
    assert outcome.status == "recovered"
    earlier = bench.backend.requests[-1].earlier
    assert earlier is not None
    assert (earlier.thread_id, earlier.folder) == (THREAD, bench.backend.requests[0].folder)
    assert bench.run().status == "skipped"


def test_interrupt_leaves_the_job_open(bench: Bench) -> None:
    with pytest.raises(Interrupted):
        bench.run(Interrupted("stop"))
    assert bench.ended is None
    assert bench.run(NoPicture("nothing was left")).status == "made"
    assert [request.earlier is not None for request in bench.backend.requests] == [False, True, False]


def test_earlier_run_that_does_not_end_leaves_the_job_open(bench: Bench) -> None:
    with pytest.raises(Interrupted):
        bench.run(Interrupted("stop"))
    outcome = bench.run(RunTimeout("still at work"))
    assert (outcome.status, code(outcome), bench.ended) == ("failed", "timeout", None)
    assert bench.run().status == "recovered"


def test_picture_written_before_a_kill_is_known_by_its_bytes(bench: Bench) -> None:
    for there, status in ((b"fox", "recovered"), (b"wolf", "failed")):
        with pytest.raises(Interrupted):
            bench.run(Interrupted("stop"))
        bench.out.write_bytes(there)
        assert bench.run().status == status
        assert sorted(path.suffix for path in bench.out.parent.iterdir()) == [".jsonl", ".png"]
        bench.out.unlink()
        bench.journal.add_dropped(KEY)


def test_journal_that_records_no_start_spends_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OutUnwritable("no room for the journal")

    monkeypatch.setattr(bench.journal, "add_started", full)
    first, second = bench.run(), bench.run()
    assert (first.status, second.status, bench.backend.requests) == ("not-started", "not-started", [])


def test_journal_that_records_no_end_is_a_warning_of_a_made_picture(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OutUnwritable("no room for the journal")

    monkeypatch.setattr(bench.journal, "add_thread", full)
    monkeypatch.setattr(bench.journal, "add_done", full)
    outcome = bench.run()
    assert outcome.status == "made"
    assert [warning.code for warning in outcome.result.warnings] == ["journal-unwritten"]


def test_failed_recovery_leaves_no_spare_copy(bench: Bench) -> None:
    with pytest.raises(Interrupted):
        bench.run(Interrupted("stop"))
    bench.out.write_bytes(b"fox")
    assert bench.run(NoPicture("none")).status == "failed"
    assert sorted(path.suffix for path in bench.out.parent.iterdir()) == [".jsonl", ".png"]


def full(spent: bool) -> OutUnwritable:
    return OutUnwritable("no room", hint="recover it", spent=spent, errno=errno.ENOSPC)


def test_full_disk_stops_all_and_the_picture_is_recovered_next_time(bench: Bench) -> None:
    first = bench.run(full(spent=True))
    second = bench.attempts.run(Job(2, Request("an owl", out=str(bench.out) + "2"), b"o" * 16))
    assert (first.status, second.status, len(bench.backend.requests)) == ("not-started", "not-started", 1)
    assert second.result.error is not None
    assert (second.result.error.hint, second.result.error.spent) == ("free disk space", False)
    bench.attempts = bench.fresh()
    assert bench.run().status == "recovered"


def test_full_disk_during_recovery_stops_all(bench: Bench) -> None:
    with pytest.raises(Interrupted):
        bench.run(Interrupted("stop"))
    assert bench.run(full(spent=True)).status == "not-started"
    assert bench.attempts.stopped is not None
    bench.attempts = bench.fresh()
    assert bench.run().status == "recovered"


def test_full_temporary_folder_drops_the_job_unspent(bench: Bench) -> None:
    assert bench.run(full(spent=False)).status == "not-started"
    assert bench.ended == "dropped"
    bench.attempts = bench.fresh()
    assert bench.run().status == "made"
