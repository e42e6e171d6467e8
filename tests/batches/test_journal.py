"""The journal: its content after any kill, and its lock."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_imagegen.batches import worker
from codex_imagegen.batches.jobs import Job
from codex_imagegen.batches.journal import HEADER, NAME, Journal
from codex_imagegen.batches.outcomes import read_done, read_failed
from codex_imagegen.batches.worker import JobWorker
from codex_imagegen.codex.run.workspace import PREFIX
from codex_imagegen.errors import ImagegenError, OutUnwritable, UsageError
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.request import Request

KEYS = [bytes([number]) * 16 for number in range(3)]


def state(journal: Journal) -> list[tuple[Any, Any, Any] | None]:
    """The journal's state of each job, as (folder, thread, last event)."""
    found = []
    for key in KEYS:
        trace = journal.read_job(key)
        ended = trace.ended["event"] if trace and trace.ended else None
        found.append(trace and (trace.started.get("folder"), trace.ids.get("thread_id"), ended))
    return found


def test_each_step_of_a_job_is_on_disk_at_once(tmp_path: Path) -> None:
    with Journal(str(tmp_path / "new/folder")) as journal:
        assert journal.read_job(KEYS[0]) is None
        for step in (
            lambda: journal.add_started(KEYS[0], 7, folder="/f"),
            lambda: journal.add_thread(KEYS[0], "t"),
            lambda: journal.add_done(KEYS[0], {"images": [{"path": "é\n"}]}),
        ):
            step()
            copy = tmp_path / "copy"
            copy.mkdir(exist_ok=True)
            (copy / NAME).write_bytes(Path(journal.path).read_bytes())
            with Journal(str(copy)) as again:
                assert state(again) == state(journal)
    trace = journal_of(tmp_path / "new/folder")
    assert trace.started["line"] == 7
    assert trace.ended is not None
    assert trace.ended["images"] == [{"path": "é\n"}]


def journal_of(folder: Path) -> Any:
    with Journal(str(folder)) as journal:
        return journal.read_job(KEYS[0])


def test_new_start_forgets_how_the_job_ended_before(tmp_path: Path) -> None:
    with Journal(str(tmp_path)) as journal:
        journal.add_started(KEYS[0], 1, folder="/a")
        journal.add_thread(KEYS[0], "t")
        journal.add_failed(KEYS[0], {"error": {}})
        assert state(journal)[0] == ("/a", "t", "failed")
        journal.add_started(KEYS[0], 1, folder="/b")
        assert state(journal)[0] == ("/b", None, None)
        journal.add_dropped(KEYS[0])
        assert state(journal)[0] == ("/b", None, "dropped")


STEPS = st.lists(
    st.tuples(st.sampled_from(["started", "thread", "done", "failed", "dropped"]), st.integers(0, 2)), max_size=8
)


def write_steps(journal: Journal, steps: list[tuple[str, int]]) -> None:
    for number, (step, which) in enumerate(steps):
        match step:
            case "started":
                journal.add_started(KEYS[which], 1, folder=f"/{number}")
            case "thread":
                journal.add_thread(KEYS[which], f"t{number}")
            case "dropped":
                journal.add_dropped(KEYS[which])
            case _:
                getattr(journal, f"add_{step}")(KEYS[which], {"n": number})


@settings(max_examples=60)
@given(before=STEPS, after=STEPS, cut=st.floats(0, 1), torn=st.binary(max_size=30))
def test_torn_journal_keeps_its_whole_lines_and_goes_on(
    before: list[tuple[str, int]], after: list[tuple[str, int]], cut: float, torn: bytes
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, NAME)
        with Journal(folder) as journal:
            write_steps(journal, before)
        whole = path.read_bytes()
        kept = whole[: int(len(whole) * cut)]
        path.write_bytes(kept[: kept.rfind(b"\n") + 1])
        with Journal(folder) as journal:
            expected = state(journal)
        path.write_bytes(kept + torn.replace(b"\n", b""))
        with Journal(folder) as journal:
            assert state(journal) == expected
            write_steps(journal, after)
            expected = state(journal)
        with Journal(folder) as journal:
            # what was torn may have been whole but for its line feed: then it stands before what came after
            again = state(journal)
            touched = {which for _step, which in after}
            assert all(again[which] == expected[which] for which in touched if ("started", which) in after)
        for line in path.read_bytes().split(b"\n")[-1 - len(after) : -1]:
            assert isinstance(json.loads(line), dict)


@settings(max_examples=50)
@given(st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([
    b'{"event":"started"}', b'{"event":"started","job":3}', b'{"event":"started","job":"zz"}', b"[]", b"{" * 5000,
    b'{"event":"done","job":"00000000000000000000000000000000"}', b"\0\0\0", b'{"event":[],"job":"' + b"0" * 32 + b'"}',
    b'{"folder":7,"job":"' + b"0" * 32 + b'"}', b'{"folder":"\\u0000"}',
]))))  # fmt: skip
def test_journal_of_rubbish_lines_can_be_used(lines: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, NAME).write_bytes(b"\n".join(lines))
        with Journal(folder) as journal:
            state(journal)
            journal.add_started(KEYS[1], 1, folder="/x")
            assert state(journal)[1] == ("/x", None, None)


def test_journal_in_use_is_refused_and_free_afterwards(tmp_path: Path) -> None:
    with Journal(str(tmp_path)), pytest.raises(UsageError, match="another batch is running"):
        Journal(str(tmp_path))
    with Journal(str(tmp_path)):
        pass


def test_journal_of_a_newer_version_is_refused_unchanged(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_text(json.dumps({**HEADER, "schema": 2}) + "\n")
    before = path.read_bytes()
    with pytest.raises(UsageError, match="newer version"):
        Journal(str(tmp_path))
    assert path.read_bytes() == before


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), os.mkfifo])
def test_journal_that_is_no_file_is_refused(tmp_path: Path, make: Any) -> None:
    make(tmp_path / NAME)
    with pytest.raises(OutUnwritable):
        Journal(str(tmp_path))


def test_folder_that_can_not_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutUnwritable, match="journal"):
        Journal(str(tmp_path / "file/below"))


def test_full_disk_raises_and_leaves_the_next_line_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write

    def full(descriptor: int, data: Any) -> int:
        if len(data) > 10:
            return real(descriptor, data[:10])
        raise OSError(28, "No space left on device")

    with Journal(str(tmp_path)) as journal:
        journal.add_started(KEYS[0], 1, folder="/a")
        monkeypatch.setattr(os, "write", full)
        # ten bytes at a time, and then nothing more
        with pytest.raises(OutUnwritable, match="No space left"):
            journal.add_started(KEYS[1], 2, folder="/b")
        monkeypatch.setattr(os, "write", real)
        journal.add_started(KEYS[2], 3, folder="/c")
        expected = [("/a", None, None), None, ("/c", None, None)]
        assert state(journal) == expected
    with Journal(str(tmp_path)) as journal:
        assert state(journal) == expected


def test_private_folders_still_there_are_listed(tmp_path: Path) -> None:
    left, gone, other = (str(tmp_path / name) for name in (f"{PREFIX}{'a' * 16}", f"{PREFIX}{'b' * 16}", "other"))
    for folder in (left, other):
        os.mkdir(folder)
    with Journal(str(tmp_path)) as journal:
        for number, folder in enumerate((left, gone, other)):
            journal.add_started(KEYS[number], 1, folder=folder)
    with Journal(str(tmp_path)) as journal:
        assert journal.folders == [left]


JOB = "0" * 32
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
    | st.sampled_from(["x", "\ud800", "\0", 10**400, -1, float("nan"), float("inf"), 1e300, "../..", f"/{PREFIX}x",
                       f"/\ud800/{PREFIX}{'a' * 16}", f"/tmp/{PREFIX}{'a' * 16}", "zzzzzzzzzzzz7zzz"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip
FIELDS = ("at", "folder", "thread_id", "request_id", "line", "images", "error", "warnings", "codex_version", "backend")


@settings(max_examples=120)
@given(st.lists(st.tuples(
    st.sampled_from(["started", "thread", "request", "done", "failed", "dropped"]),
    st.dictionaries(st.sampled_from(FIELDS), JUNK, max_size=4),
), max_size=4), st.sampled_from(["codex", "runcomfy"]))  # fmt: skip
def test_record_with_any_values_in_its_fields_raises_no_other_error(
    records: list[tuple[str, dict[str, Any]]], backend: str
) -> None:
    """Looking for the session and building a result may raise only errors of the tree."""
    with tempfile.TemporaryDirectory() as folder:
        lines = [json.dumps({"event": event, "job": JOB, **fields}) for event, fields in records]
        Path(folder, NAME).write_text("".join(line + "\n" for line in lines))
        request = Request("a fox", out=f"{folder}/fox.png", backend=backend, timeout_sec=0.01)
        with Journal(folder) as journal, pytest.MonkeyPatch.context() as patch:
            patch.setenv("CODEX_HOME", f"{folder}/home")
            patch.setenv("RUNCOMFY_TOKEN", "x")
            patch.setenv("RUNCOMFY_MODEL_API_URL", "http://127.0.0.1:9")
            trace = journal.read_job(bytes.fromhex(JOB))
            for end in (trace.ended or {},) if trace else ():
                json.dumps([repr(read_done(end, request.out or "", backend)), repr(read_failed(end, backend))])
            if trace and not (backend == "runcomfy" and trace.request_id):
                with pytest.raises(ImagegenError):
                    worker.fetch_interrupted(Job(1, request, bytes.fromhex(JOB)), trace, Interrupt())
            JobWorker(journal, Interrupt()).remove_abandoned()
