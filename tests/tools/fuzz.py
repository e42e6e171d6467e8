"""Feeds mutated lines to every parser of external data: Codex's rollouts, events and stderr, and RunComfy's responses.

::

    python -m tests.tools.fuzz --lines 1000000 --seed 1

Mutates the recordings in fixtures/rollouts, whose generated pictures have 8 × 8 pixels and whose references 16 × 16, so
that a reference taken for a result is recognized even when mutated. For every line there must be no exception, no
reference or non-picture as a result, and memory must not grow with the number of lines. The same seed gives the same
lines.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import json
import random
import resource
import struct
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from codex_imagegen.codex import error_patterns
from codex_imagegen.codex.run import failures
from codex_imagegen.codex.run.events import Events, StderrTail
from codex_imagegen.codex.sessions import fallback, rollout
from codex_imagegen.codex.sessions.layout import parse_meta
from codex_imagegen.codex.sessions.reader import PromptReader
from codex_imagegen.codex.sessions.tail import HEAD
from codex_imagegen.errors import ImagegenError
from codex_imagegen.images import base64_images
from codex_imagegen.images.decode import decode_picture
from codex_imagegen.images.structure import MAX_PIXELS, DamagedImage
from codex_imagegen.render import error_info, error_line
from codex_imagegen.runcomfy import login, responses
from codex_imagegen.runcomfy.urls import UrlRules
from tests.support import recorded_runs
from tests.support.pictures import encoded
from tests.support.scrubbing import REFERENCE_SIDE

MIB = 1024 * 1024
MAX_GROWTH = 48 * MIB
"""The allocator's memory after a large picture varies by some 25 MiB; a leak of 100 bytes per line would be 90 MiB."""
MAX_MEMORY = 4 * MAX_PIXELS + 200 * MIB
"""A torn picture may state so many pixels, of four bytes each, before it is found to be torn."""
PIECES = (
    b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\0", b"\n", b"\xff\xfe", b"\xf0\x9f", b"\\u0000", b"\\ud800",
    b'"\\u00000"', b'"\\u0000' + b"9" * 5000 + b'"', b"1e999", b"-0", b"NaN", b"Infinity", b"9" * 5000, b"null",
    b"iVBORw0KGgo", b'"/9j/', b'"data:image/png;base64,', b'"data:image/png;base64,iVBORw0KGgo=', b"UklGR",
    b"[" * 3000, b'{"a":' * 3000, b'"type":"image_generation_call"', b"\xe2\x80\xa8", b"=" * 40, b"A" * 6000,
    b"image generation failed: http 429 X: Some(\"{\\\"error\\\":", b"try again at 99:99 PM",
    b"try again at Zzz 99th, 9999 9:99 AM", b"unexpected status 401", b"\\u{110000}", b"x" * 70_000,
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 10**30, 1.5e308, float("inf"), "", "\0", "\x000", "\x00999999999999", "\ud800", [], {},
    [[]], [None], {"type": []}, {"text": {"text": {"text": "x"}}}, "x" * 5000, ["x"] * 200, [{"image_url": {"url": 7}}],
    {"url": "data:image/png;base64,"}, {"code": [], "type": {}}, {"resets_at": 10**40, "resetsAt": "x"},
    {"used_percent": 100, "resets_at": 10**11}, [{"type": "input_image", "image_url": "data:image/png;base64,!!!!"}],
)  # fmt: skip


@dataclass
class Counts:
    """Counts of lines by kind, and of their results."""

    lines: dict[str, int] = field(default_factory=dict)
    intact: int = 0
    damaged_pictures: int = 0
    errors: int = 0
    growth: int = 0
    peak: int = 0
    seconds: float = 0.0

    def count(self, kind: str) -> None:
        self.lines[kind] = self.lines.get(kind, 0) + 1

    @property
    def total(self) -> int:
        return sum(self.lines.values())

    def __str__(self) -> str:
        kinds = ", ".join(f"{number:,} {kind}" for kind, number in self.lines.items())
        return (
            f"{self.total:,} mutated lines ({kinds}) in {self.seconds:.0f} s: {self.intact:,} intact pictures, "
            f"{self.damaged_pictures:,} damaged ones and {self.errors:,} failures reported, no exception, "
            f"no reference, no non-picture; memory grew by {self.growth / MIB:.1f} MiB, "
            f"and was {self.peak / MIB:.0f} MiB at most"
        )


class Mutator:
    """Mutates a line: flips bytes, inserts malicious pieces, and replaces values by ones of the wrong type."""

    def __init__(self, generator: random.Random) -> None:
        self.random = generator

    def line(self, line: bytes) -> bytes:
        ways = (
            self._flip,
            self._flip,
            self._cut,
            self._insert,
            self._insert,
            self._repeat,
            self._swap,
            self._value,
            self._value,
        )
        for _ in range(self.random.choice((1, 1, 1, 2, 4))):
            line = self.random.choice(ways)(line)
        return line.replace(b"\n", b" ")

    def _at(self, line: bytes) -> int:
        return self.random.randrange(len(line) + 1)

    def _flip(self, line: bytes) -> bytes:
        changed = bytearray(line)
        for _ in range(self.random.choice((1, 1, 3, 20))):
            if changed:
                changed[self.random.randrange(len(changed))] = self.random.randrange(256)
        return bytes(changed)

    def _cut(self, line: bytes) -> bytes:
        one, two = sorted((self._at(line), self._at(line)))
        return self.random.choice((line[:one], line[one:], line[:one] + line[two:]))

    def _insert(self, line: bytes) -> bytes:
        at = self._at(line)
        return line[:at] + self.random.choice(PIECES) + line[at:]

    def _repeat(self, line: bytes) -> bytes:
        one, two = sorted((self._at(line), self._at(line)))
        return line[:two] + line[one:two] * self.random.choice((1, 2, 3)) + line[two:]

    def _swap(self, line: bytes) -> bytes:
        one, two, three = sorted((self._at(line), self._at(line), self._at(line)))
        return line[:one] + line[two:three] + line[one:two] + line[three:]

    def _value(self, line: bytes) -> bytes:
        """Replace a value, or remove a key, somewhere in the JSON."""
        try:
            record = json.loads(line)
            places = list(_places(record))
        except (ValueError, RecursionError):
            return line
        if not places:
            return line
        parent, key = self.random.choice(places)
        if self.random.random() < 0.2:
            del parent[key]
        else:
            parent[key] = copy.deepcopy(self.random.choice(VALUES))
        return json.dumps(record, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _places(value: Any, depth: int = 0) -> Iterator[tuple[Any, Any]]:
    if depth > 20:
        return
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield value, key
        yield from _places(inner, depth + 1)


class Fuzz:
    """One series of lines. ``counts`` holds the results; any violation raises."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.mutate = Mutator(self.random)
        self.counts = Counts()
        self.recordings = [one for one in recorded_runs.load_all() if one.lines]
        self.rules = UrlRules("https://api.example.com")

    def run(self, lines: int) -> Counts:
        started, warm, tenth = time.monotonic(), 0, lines // 10
        kinds: tuple[Callable[[int], None], ...] = (self.fuzz_rollouts,) * 6 + (
            self.fuzz_events,
            self.fuzz_stderr,
            self.fuzz_responses,
            self.fuzz_pictures,
        )
        while self.counts.total < lines:
            self.random.choice(kinds)(lines)
            if not warm and self.counts.total > tenth:
                warm = _memory()
        self.counts.growth, self.counts.peak = _memory() - warm, _peak()
        self.counts.seconds = time.monotonic() - started
        return self.counts

    def fuzz_rollouts(self, _lines: int) -> None:
        """Feed one recording, with some of its lines mutated, to the parsers of a run."""
        recording = self.random.choice(self.recordings)
        records, strays, asked, events = rollout.RecordReader(), fallback.UnrecognizedImages(), PromptReader(), Events()
        viewing = recording.scenario == "view"
        for original in recording.lines:
            line = original
            # a renamed call may turn what view_image showed into a generated picture, which is correct
            if self.random.random() < 0.8 and not (viewing and b"_call" in original[:HEAD] + original[-HEAD:]):
                line = self.mutate.line(original)
                self.counts.count("rollout")
            parse_meta(line + b"\n")
            rollout.is_torn_picture(line)
            asked.read(line)
            strays.read(line)
            if rollout.is_relevant(line[:HEAD]):
                for candidate in records.read(line):
                    self.accept(candidate.data, reference_allowed=False)
            small, found = base64_images.extract(line)
            assert len(small) <= len(line) + 16 * len(found)
        for data in strays.pictures:
            # the fallback can't recognize a disguised user message: a run recognizes its references by their bytes
            self.accept(data, reference_allowed=True)
        self.explain(events, records, "")

    def accept(self, data: bytes | None, *, reference_allowed: bool) -> None:
        """Decode the result of a parser completely, as a run does before it uses it."""
        if data is None:
            return
        try:
            picture = decode_picture(data)
        except DamagedImage:
            self.counts.damaged_pictures += 1
            return
        self.counts.intact += 1
        assert reference_allowed or (picture.width, picture.height) != (REFERENCE_SIDE, REFERENCE_SIDE)
        assert picture.format != "png" or is_sound_png(data), data.hex()

    def explain(self, events: Events, records: rollout.RecordReader, stderr: str) -> None:
        evidence = failures.Evidence(
            exit_code=self.random.choice((0, 1, -9, None)), timed_out=self.random.random() < 0.2, timeout_sec=3.0,
            thread_id=self.random.choice((None, events.thread_id, "x")), session_found=self.random.random() < 0.8,
            damaged=None, events=events, stderr=stderr, records=records.evidence,
        )  # fmt: skip
        self.check_error(failures.explain(evidence))

    def check_error(self, error: ImagegenError) -> None:
        """Check an error as a person sees it: one line without control characters."""
        line = error_line(error_info(error))
        assert line.isprintable(), line
        assert len(line) < 8000, len(line)
        self.counts.errors += 1

    def fuzz_events(self, _lines: int) -> None:
        recording = self.random.choice(self.recordings)
        events = Events()
        for original in recording.stdout.splitlines():
            line = self.mutate.line(original) + b"\n"
            self.counts.count("event")
            cut = self.random.randrange(len(line))
            events.feed(line[:cut])
            events.feed(line[cut:])
        assert events.thread_id is None or "/" not in events.thread_id
        self.explain(events, rollout.RecordReader(), "")

    def fuzz_stderr(self, _lines: int) -> None:
        recording, words = self.random.choice(self.recordings), StderrTail()
        events = recording.events()
        for original in recording.stderr.encode().splitlines() + [text.encode() for text in events.errors]:
            line = self.mutate.line(original)
            self.counts.count("stderr")
            words.feed(line + b"\n")
            text = line.decode(errors="replace")
            info = self.random.choice((None, [], {"a": {"http_status_code": 401}}, {"a": []}, 7, "unauthorized"))
            error_patterns.classify_tool_error(text)
            error_patterns.classify_hosted_error(text)
            error_patterns.classify_tool_error(f"image generation failed: {text}")
            error_patterns.classify_turn_error(text, info)
            error_patterns.classify_startup_error(text)
        self.explain(events, rollout.RecordReader(), words.text)

    def fuzz_responses(self, _lines: int) -> None:
        for original in RESPONSES:
            body = self.mutate.line(original)
            self.counts.count("response")
            answer = responses.parse(
                self.random.choice((200, 400, 401, 429, 500, 299)),
                body,
                self.random.choice((None, "7", "x", "9" * 400)),
            )
            for error in (responses.find_error(answer), responses.job_error(answer)):
                if error is not None:
                    self.check_error(error)
            responses.read_cost(answer.fields)
            for url in self.rules.classify(answer.fields.get("output")).own:
                self.rules.resolve_redirect(url, self.random.choice((None, url, "//[", "ftp://x", "/" + url[-30:])))
            with contextlib.suppress(ImagegenError):
                login._read_code(answer, "https://www.example.com")

    def fuzz_pictures(self, _lines: int) -> None:
        """Mutate the bytes of pictures in three formats: only intact ones are accepted."""
        for format_ in ("PNG", "JPEG", "WEBP"):
            data = self.mutate.line(encoded(8, "fuzz", format_).replace(b"\n", b"\r"))
            self.counts.count("picture")
            self.accept(data, reference_allowed=True)


RESPONSES = tuple(
    json.dumps(answer).encode()
    for answer in (
        {"request_id": "r-1", "status": "in_queue", "queue_position": 3, "status_url": "https://api.example.com/x"},
        {"status": "completed", "output": {"images": ["https://a.example.com/a.png", {"url": "https://b"}]}, "cost": 1},
        {"status": "failed", "error": {"code": 400002, "message": "no balance"}, "detail": [{"loc": [], "msg": "b"}]},
        {"device_code": "d", "user_code": "AB-CD", "verify_url": "https://a.b", "expires_in": 600, "poll_interval": 5},
        {"code": 403001, "message": "safety", "errors": {"a": ["b", {"c": "d"}]}},
    )
)  # fmt: skip


def is_sound_png(data: bytes) -> bool:
    """An independent check by the PNG standard: every checksum, and the required number of pixel bytes."""
    at, pixels, name, head = 8, b"", b"", b""
    while name != b"IEND":
        if at + 12 > len(data):
            return False
        size, name = struct.unpack(">I4s", data[at : at + 8])
        body, checksum = data[at + 8 : at + 8 + size], data[at + 8 + size : at + 12 + size]
        sound = len(checksum) == 4 and zlib.crc32(name + body) == struct.unpack(">I", checksum)[0]
        if not sound and name != b"IEND":  # all pixels are present by then
            return False
        head = body if name == b"IHDR" else head
        pixels += body if name == b"IDAT" else b""
        at += 12 + size
    width, height, depth, colour = struct.unpack(">IIBB", head[:10])
    row = (width * depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour] + 7) // 8 + 1
    return len(zlib.decompressobj().decompress(pixels)) >= row * height or head[12] == 1


def _memory() -> int:
    """The current memory of the process, in bytes; 0 where there is no /proc."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


def _peak() -> int:
    """The peak memory of the process, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    counts = Fuzz(given.seed).run(given.lines)
    print(counts)
    # checked only here, in a process of its own
    assert counts.growth < MAX_GROWTH, counts
    assert counts.peak < MAX_MEMORY, counts


if __name__ == "__main__":
    main()
