"""The wait on a terminal: the status line, what is left when it is gone, and the summary."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import re
import struct
import termios
import threading
import time
from collections import Counter
from fcntl import ioctl
from types import SimpleNamespace
from unittest import mock

import pytest

from codex_imagegen import render
from codex_imagegen.cli import console, progress, status_line
from codex_imagegen.request import Event, Request
from codex_imagegen.results import ErrorInfo, Image, Result
from tests.support import terminal
from tests.support.checks import DrawsSmall, wait_until
from tests.support.keyboard import Keyboard
from tests.support.screen import Screen
from tests.support.scripts import FailsOnce, HoldsPictures

STATUS = re.compile(r"running|drawing|thinking|starting|most take|waits up to")


class Terminal:
    """A pseudo-terminal in the place of stderr and stdout, within the test's own process."""

    def __init__(self, columns: int) -> None:
        self._above, self._below = pty.openpty()
        self.resize(columns)
        self.stream = io.TextIOWrapper(os.fdopen(self._below, "w+b", buffering=0), write_through=True, encoding="utf-8")
        self._output = ""

    def resize(self, columns: int) -> None:
        ioctl(self._below, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def written(self) -> str:
        """All output so far."""
        os.set_blocking(self._above, False)
        with contextlib.suppress(BlockingIOError):
            while part := os.read(self._above, 65536):
                self._output += part.decode()
        return self._output

    def close(self) -> None:
        self.stream.close()
        os.close(self._above)


@pytest.fixture
def terminal_of(monkeypatch):
    """Makes a terminal of so many columns, which is stderr and stdout until the test ends."""
    opened = []

    def make(columns=80, term="xterm"):
        opened.append(Terminal(columns))
        monkeypatch.setattr("sys.stderr", opened[-1].stream)
        monkeypatch.setattr("sys.stdout", opened[-1].stream)
        monkeypatch.setenv("TERM", term)
        monkeypatch.setattr(console, "_stdout_error", None)
        return opened[-1]

    yield make
    monkeypatch.undo()
    for each in opened:
        each.close()


def at(seconds, **values):
    """A progress whose run began so many seconds ago, for requests with these values."""
    shown = progress.RequestProgress(Request(prompt="a fox", **values))
    shown._started = time.monotonic() - seconds
    return shown


def line_at(seconds, event, columns=79, **values):
    shown = at(seconds, **values)
    shown._event = event
    return shown.line(columns)


# The line for one picture


@pytest.mark.parametrize(
    ("seconds", "event", "values", "line"),
    [
        (0.2, None, {}, "starting · 0 s"),
        (1.2, Event("started"), {}, "starting Codex · 1 s"),
        (4.9, Event("thread"), {}, "thinking · 4 s"),
        (28.5, Event("drawing"), {}, "drawing · 28 s (most take 26–87 s)"),
        (95.1, Event("drawing"), {}, "drawing · 95 s (waits up to 205 s more)"),
        (95.1, Event("drawing"), {"timeout_sec": 3600.0}, "drawing · 95 s (waits up to 58 min more)"),
        (301.2, Event("drawing"), {}, "drawing · 301 s (waits up to 0 s more)"),
        (20.1, Event("drawing"), {"timeout_sec": 60.0}, "drawing · 20 s (waits up to 40 s more)"),
        (20.1, Event("drawing"), {"backend": "runcomfy"}, "drawing · 20 s"),
        (3.1, Event("started", request_id="r"), {"backend": "runcomfy"}, "sent to RunComfy · 3 s"),
        (7.1, Event("queued", message="position 2"), {}, "waiting in the queue · 7 s (position 2)"),
        (
            9.1,
            Event("started", message="Codex is indexing its sessions, which it does once"),
            {},
            "starting Codex · 9 s (Codex is indexing its sessions, which it does once)",
        ),
        (2.1, Event("started", message="a\x1b[2Jb\nc"), {}, "starting Codex · 2 s (a?[2Jb c)"),
    ],
)  # fmt: skip
def test_line_has_stage_seconds_and_what_to_expect(seconds, event, values, line):
    assert line_at(seconds, event, **values) == line


@pytest.mark.parametrize(
    ("event", "columns", "line"),
    [
        (Event("drawing"), 39, "drawing · 28 s (most take 26–87 s)"),
        (Event("drawing"), 30, "drawing · 28 s"),
        (Event("drawing"), 8, "drawing…"),
        (Event("queued", message="position 21"), 30, "waiting in the queue · 28 s…"),
    ],
)
def test_line_fits_a_narrow_terminal(event, columns, line):
    assert line_at(28.5, event, columns) == line


def test_dumb_terminal_gets_a_line_a_stage_without_control_sequences(terminal_of):
    screen = terminal_of(term="dumb")
    with progress.RequestProgress(Request(prompt="a fox")) as shown:
        for stage in ("started", "thread", "drawing", "received", "written"):
            shown.show(Event(stage, 3.2))
    lines = screen.written().splitlines()
    assert lines == ["starting Codex · 3 s", "thinking · 3 s", "drawing · 3 s (most take 26–87 s)", "received · 3 s"]


# The status line


def test_what_is_printed_goes_above_the_line_and_the_line_is_gone_at_the_end(terminal_of):
    screen = terminal_of()
    with console.status.showing(lambda _columns: "at work"):
        console.status.refresh()
        assert Screen().feed(screen.written()).lines == ["at work"]
        console.out("/a/path.png")
        console.err("a sentence")
        assert Screen().feed(screen.written()).lines == ["/a/path.png", "a sentence", "at work"]
    console.err("the end")
    end = Screen().feed(screen.written())
    assert end.lines == ["/a/path.png", "a sentence", "the end"]
    assert end.cursor_is_shown
    assert "?25" not in screen.written()


def test_line_is_erased_when_the_context_ends_with_an_error(terminal_of):
    screen = terminal_of()
    with contextlib.suppress(ZeroDivisionError), console.status.showing(lambda _columns: "at work"):
        console.status.refresh()
        raise ZeroDivisionError
    assert Screen().feed(screen.written()).lines == []


def test_line_changes_by_itself_and_is_written_only_when_it_changed(terminal_of):
    screen, texts = terminal_of(), iter(["one", "one", "two"] + ["three"] * 1000)
    with mock.patch.object(status_line, "_TICK_SEC", 0.01), console.status.showing(lambda _columns: next(texts)):
        wait_until(lambda: "three" in screen.written(), "the third text")
    assert [screen.written().count(word) for word in ("one", "two", "three")] == [1, 1, 1]


def test_terminal_made_narrower_keeps_no_part_of_the_line(terminal_of):
    """A terminal that becomes narrower wraps the line below the cursor, which stays at its beginning."""
    screen = terminal_of(80)
    with console.status.showing(lambda columns: f"{columns} ".ljust(columns, "x")):
        console.status.refresh()
        screen.resize(40)
        before = len(screen.written())
        console.status.refresh()
        after = screen.written()[before:]
    assert after == f"39 {'x' * 36}\x1b[J\r"


def test_program_in_the_background_writes_no_line(terminal_of, monkeypatch):
    screen = terminal_of()
    monkeypatch.setattr(status_line, "_is_in_foreground", lambda: False)
    with console.status.showing(lambda _columns: "at work"):
        console.status.refresh()
        console.err("a sentence")
    assert screen.written() == "a sentence\r\n"


def test_lines_of_many_threads_stay_whole(terminal_of):
    screen = terminal_of()
    with mock.patch.object(status_line, "_TICK_SEC", 0.001), console.status.showing(lambda _c: str(time.time())):
        threads = [
            threading.Thread(target=lambda n=n: [console.out(f"path-{n}-{k}") for k in range(40)]) for n in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lines = Screen().feed(screen.written()).lines
    assert sorted(lines) == sorted(f"path-{n}-{k}" for n in range(4) for k in range(40))


# Several pictures


def several(terminal_of, count=3, **more):
    screen = terminal_of(**more)
    return screen, progress.PicturesProgress(
        Request(prompt="a fox", count=count), quiet=False, verbose=False, paths_wanted=True
    )


def test_count_prints_each_path_as_it_comes_above_the_numbers(terminal_of):
    screen, shown = several(terminal_of)
    with shown:
        for index in (0, 1):
            shown.show(Event("started", index=index))
        assert Screen().feed(screen.written()).lines == ["0/3 done · 2 running · 0:00"]
        shown.show(Event("written", index=1, path="/fox-2.png"))
        lines = Screen().feed(screen.written()).lines
        assert lines[0] == "/fox-2.png"
        assert re.fullmatch(r"1/3 done · 1 running · 0:00( · about 0:00 left)?", lines[1])
        shown.show(Event("failed", index=0, error=ErrorInfo("timeout", 5, "no", spent=True)))
        shown.show(Event("failed", index=2, error=ErrorInfo("timeout", 5, "not started: no", spent=False)))
    assert Screen().feed(screen.written()).lines == ["/fox-2.png"]
    assert shown.counts == {"made": 1, "failed": 1, "not-started": 1}
    assert shown.summary(Result(ok=False, backend="codex")) == ["1 made, 1 failed, 1 not started · 0 s"]


def test_numbers_that_do_not_fit_are_left_out_from_the_end(terminal_of):
    _screen, shown = several(terminal_of, count=4)
    shown.counts.update(made=1, failed=1)
    shown._started -= 65
    shown._counted_sec = 60.0
    assert shown.line(79) == "2/4 done · 0 running · 1 failed · 1:05 · about 0:55 left"
    assert shown.line(39) == "2/4 done · 0 running · 1 failed · 1:05"
    assert shown.line(21) == "2/4 done · 0 running"


def test_dumb_terminal_gets_a_line_for_each_picture(terminal_of):
    screen, shown = several(terminal_of, term="dumb")
    with shown:
        shown.show(Event("started", index=0))
        shown.show(Event("written", index=0, path="/fox-1.png", message="made before"))
    assert screen.written().splitlines() == ["/fox-1.png", "1/3 done · 0 running · 0:00"]


# The summary


IMAGE = Image("/a/a-fox-in-the-snow-12.png", "png", 1254, 1254, 1_470_000, "")


@pytest.mark.parametrize(
    ("columns", "cost", "line"),
    [
        (80, None, "a-fox-in-the-snow-12.png  1254×1254  1.5 MB  66 s"),
        (80, 0.04, "a-fox-in-the-snow-12.png  1254×1254  1.5 MB  66 s  $0.04"),
        (80, 0.0034, "a-fox-in-the-snow-12.png  1254×1254  1.5 MB  66 s  $0.0034"),
        (40, None, "a-fox-…w-12.png  1254×1254  1.5 MB  66 s"),
        (20, None, "a-fox-in-the-snow-12.png  1254×1254  1.5 MB  66 s"),
    ],
)
def test_summary_has_name_size_time_and_cost_and_fits_the_terminal(terminal_of, columns, cost, line):
    terminal_of(columns)
    result = Result(ok=True, backend="codex", images=(IMAGE,), elapsed_sec=65.7, cost_usd=cost)
    assert at(0).summary(result) == [line]


def test_summary_of_a_picture_on_stdout_says_so(terminal_of):
    terminal_of()
    image = Image("-", "png", 10, 20, 300, "")
    assert at(0).summary(Result(ok=True, backend="codex", images=(image,))) == ["stdout  10×20  300 B  0 s"]


def test_summary_without_a_terminal_or_with_quiet_is_empty(terminal_of):
    result = Result(ok=True, backend="codex", images=(IMAGE,))
    assert at(0).summary(result) == []
    terminal_of()
    assert progress.RequestProgress(Request(prompt="a"), quiet=True).summary(result) == []


def test_sum_names_only_what_happened_with_time_and_cost():
    assert progress.sum_line(Counter(skipped=3, made=2, failed=1), 65.6, None) == "3 skipped, 2 made, 1 failed · 66 s"
    assert progress.sum_line(Counter({"made": 1000, "not-started": 2}), 4000, 40.0) == (
        "1,000 made, 2 not started · 1 h 6 min · $40.00"
    )


def test_sum_of_a_batch_counts_the_cost_of_this_batch_alone(terminal_of):
    terminal_of()
    shown = progress.BatchProgress(4, SimpleNamespace(running=0))
    for status in ("skipped", "made", "recovered"):
        shown.count_outcome(SimpleNamespace(status=status, result=Result(ok=True, backend="runcomfy", cost_usd=0.04)))
    assert shown.summary("not finished") == "1 skipped, 1 recovered, 1 made, 1 not finished · 0 s · $0.08"


# The installed command, with the real Codex


def on_terminal(world, *arguments, columns=80, **more):
    environment = {**world.environment, "TERM": "xterm", "PYTHONUTF8": "1"}
    return terminal.run(
        terminal.SILENT, world.argv(*arguments), env=environment, cwd=world.work, columns=columns, **more
    )


def shown_lines(session, columns=80):
    screen = Screen(columns).feed(session.shown.decode().replace("\n", "\r\n"))
    assert screen.cursor_is_shown
    return screen.lines


@pytest.mark.real
def test_run_on_a_terminal_leaves_the_path_and_the_summary(lab):
    world = lab(script=DrawsSmall())
    session = on_terminal(world, "--prompt", "a fox", "--out", "fox.png", columns=200)
    size = render.size(os.path.getsize(world.work / "fox.png"))
    path, summary = shown_lines(session, 200)
    assert (session.code, path) == (0, str(world.work / "fox.png"))
    assert re.fullmatch(rf"fox\.png  \d+×\d+  {re.escape(size)}  \d s", summary)
    assert "starting" in session.written.decode()


@pytest.mark.real
def test_count_with_show_leaves_paths_pictures_and_the_sum(lab):
    world = lab(script=FailsOnce())
    session = on_terminal(world, "-p", "a fox", "-n", "3", "--jobs", "2", "-o", "f.png", "--show", columns=200)
    lines = shown_lines(session, 200)
    assert session.code == 1
    names = [f"f-{n}.png" for n in (1, 2, 3) if (world.work / f"f-{n}.png").exists()]
    assert sorted(lines[:2]) == [str(world.work / name) for name in names]
    assert [line.split("  ")[0] for line in lines if " × " in line] == names
    assert not any(STATUS.search(line) for line in lines)
    (sum_at,) = [number for number, line in enumerate(lines) if re.fullmatch(r"2 made, 1 failed · \d+ s", line)]
    missing = ({1, 2, 3} - {int(name[2]) for name in names}).pop()
    (error,) = [line for line in lines[sum_at:] if "pictures failed" in line]
    assert error.startswith(f"codex-imagegen: 1 of 3 pictures failed (number {missing}); the first: ")


@pytest.mark.real
def test_interrupted_count_leaves_no_status_line(lab):
    world = lab(script=HoldsPictures())
    session = on_terminal(world, "-p", "a fox", "-n", "2", "-o", "f.png", columns=200, reply=(b"2 running", b"\x03"))
    lines = shown_lines(session, 200)
    assert session.code == 130
    assert not any(STATUS.search(line) for line in lines[1:])
    assert any("interrupted; 0 of 2 pictures made" in line for line in lines)
    assert any(re.fullmatch(r"2 not finished · \d s", line) for line in lines)


@pytest.mark.real
def test_line_is_erased_while_the_program_is_stopped_and_comes_back(lab, tmp_path):
    script = HoldsPictures()
    world = lab(script=script)
    environment = {**world.environment, "TERM": "xterm", "PYTHONUTF8": "1", "PS1": "ready> "}
    line = " ".join(world.argv("--prompt", "'a fox'", "--out", "fox.png"))
    with Keyboard(["bash", "--norc", "--noprofile", "-i"], environment, world.work) as keys:
        keys.type(f"{line}\n")
        keys.until("drawing · ")
        keys.type("\x1a")
        keys.until("Stopped")
        keys.until("ready> ")
        stopped = Screen(200).feed(keys._shown).lines
        assert not any(STATUS.search(each) for each in stopped)
        keys.type("fg\n")
        keys.until("drawing · ")
        script.free.set()
        assert re.search(r"fox\.png  \d+×\d+  [\d.]+ kB  \d+ s", keys.until(" s\r\n"))
