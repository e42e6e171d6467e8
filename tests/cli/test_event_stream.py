"""The replacement of stderr: complete JSON lines of text in any pieces, from any thread; none after the final one."""

from __future__ import annotations

import io
import json
import threading
import time

from codex_imagegen.cli.event_stream import EventStream
from codex_imagegen.request import Event


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_text_in_pieces_becomes_message_events():
    stream = io.StringIO()
    stderr = EventStream(stream, time.monotonic())
    print("a warn\x1b[1ming\n\n  ", file=stderr, end="")
    print("of", 3, "parts", file=stderr)
    assert [(line["event"], line["message"]) for line in lines(stream)] == [
        ("message", "a warn?[1ming"),
        ("message", "of 3 parts"),
    ]


def test_unfinished_line_precedes_the_last_event_and_nothing_follows():
    stream = io.StringIO()
    stderr = EventStream(stream, time.monotonic())
    stderr.write("half")
    stderr.put(Event("done", index=None))
    stderr.write("late\n")
    stderr.put(Event("error", index=None))
    stderr.put_from_signal_handler(Event("error", index=None))
    assert [line["event"] for line in lines(stream)] == ["message", "done"]


def test_long_line_is_cut_to_its_end():
    stream = io.StringIO()
    stderr = EventStream(stream, time.monotonic())
    for _ in range(40):
        stderr.write("x" * 10_000)
    stderr.write("end\n")
    (line,) = lines(stream)
    assert len(line["message"]) <= 65_536
    assert line["message"].endswith("xend")


def test_closed_stream_raises_nothing():
    stream = io.StringIO()
    stderr = EventStream(stream, time.monotonic())
    stream.close()
    stderr.put(Event("started"))
    stderr.put_from_signal_handler(Event("error"))


def test_concurrent_threads_write_whole_lines_in_time_order():
    stream = io.StringIO()
    stderr = EventStream(stream, time.monotonic())

    def work(number):
        for _ in range(200):
            stderr.put(Event("drawing", index=number))
            print("message", number, file=stderr)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times = [line["elapsed_sec"] for line in lines(stream)]
    assert times == sorted(times)
    assert sum(line["event"] == "drawing" for line in lines(stream)) == 800
    assert not stderr.isatty()
