"""Recordings cut, spliced, reordered and mutated: readers raise nothing and give only pictures that were made."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from codex_imagegen.codex import error_messages, error_patterns
from codex_imagegen.codex.run import failures
from codex_imagegen.codex.run.events import Events, StderrTail
from codex_imagegen.codex.sessions import fallback, rollout
from codex_imagegen.codex.sessions import tail as tail_module
from codex_imagegen.codex.sessions.tail import HEAD, Tail
from codex_imagegen.images import base64_images
from codex_imagegen.images.decode import decode_picture
from codex_imagegen.images.structure import DamagedImage
from tests.support import recorded_runs
from tests.support.recorded_runs import Recording

FEW = settings(max_examples=40)
MORE = settings(FEW, max_examples=100)

PICTURES = recorded_runs.load_all("ok", "ref1", "ref2", "view", "two", "torn-then-whole", "interrupted")
SHOWN = recorded_runs.load_all("ref1", "ref2", "view")
FAILED = [one for one in recorded_runs.load_all() if one.lines and not recorded_runs.RolloutReading(one.lines).pictures]
MADE = {picture.data for one in PICTURES for picture in recorded_runs.RolloutReading(one.lines).pictures}
KNOWN = {data for one in PICTURES for data in one.shown()}

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(max_size=20)
    | st.sampled_from(["\0", "\0000", "iVBORw0KGgo", "view_image", "imagegen", "image generation failed: x", "user"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@contextlib.contextmanager
def file_of(data: bytes) -> Iterator[str]:
    descriptor, path = tempfile.mkstemp()
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
        yield path
    finally:
        os.unlink(path)


def decodable(candidates: list[bytes]) -> set[bytes]:
    """The candidates that decode completely."""
    good = set()
    for data in candidates:
        with contextlib.suppress(DamagedImage):
            good.add(decode_picture(data).data)
    return good


def delivered(lines: list[bytes]) -> set[bytes]:
    """Every picture that a reader would deliver from these lines."""
    reading = recorded_runs.RolloutReading(lines)
    return {picture.data for picture in reading.pictures} | decodable(recorded_runs.unrecognized_images(lines))


def spliced(begin: bytes, end: bytes) -> bytes:
    """Two pieces as one line; only the first where both together are a valid record, which would be a forged one."""
    with contextlib.suppress(ValueError):
        json.loads(begin + end)
        return begin
    return begin + end


@st.composite
def rearranged(draw: st.DrawFn, recordings: tuple[Recording, ...] = PICTURES) -> tuple[Recording, list[bytes]]:
    """The lines of a recording, with some cut, split, spliced, doubled, dropped or reordered."""
    recording = draw(st.sampled_from(recordings))
    lines = list(recording.lines)
    for _ in range(draw(st.integers(1, 4))):
        index = draw(st.integers(0, len(lines) - 1))
        line = lines[index]
        place = draw(st.integers(0, len(line)))
        match draw(st.sampled_from(["cut", "behead", "split", "splice", "double", "drop", "shuffle"])):
            case "cut":
                lines[index] = line[:place]
            case "behead":
                lines[index] = line[place:]
            case "split":
                lines[index : index + 1] = [line[:place], line[place:]]
            case "splice":
                other = draw(st.sampled_from(lines))
                lines[index] = spliced(line[:place], other[draw(st.integers(0, len(other))) :])
            case "double":
                lines.insert(draw(st.integers(0, len(lines))), line)
            case "drop" if len(lines) > 1:
                del lines[index]
            case "shuffle":
                lines = draw(st.permutations(lines))
    return recording, lines


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value inside a JSON value."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places(one, (*path, key))


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = put(value[path[0]], path[1:], new)
    return copy


@st.composite
def mutated(draw: st.DrawFn) -> list[bytes]:
    """The lines of a recording with some values or bytes replaced."""
    lines = list(draw(st.sampled_from([*PICTURES, *FAILED])).lines)
    for _ in range(draw(st.integers(1, 4))):
        index = draw(st.integers(0, len(lines) - 1))
        if draw(st.booleans()):
            place = draw(st.integers(0, len(lines[index])))
            lines[index] = lines[index][:place] + draw(st.binary(max_size=8)) + lines[index][place + 1 :]
            continue
        with contextlib.suppress(ValueError):
            record = json.loads(lines[index])
            path = draw(st.sampled_from(list(places(record))))
            lines[index] = json.dumps(put(record, path, draw(JSON))).encode()
    return lines


@MORE
@given(rearranged())
def test_rearranged_lines_give_only_pictures_that_were_made(case: tuple[Recording, list[bytes]]):
    recording, lines = case
    made = {picture.data for picture in recorded_runs.RolloutReading(recording.lines).pictures}
    assert delivered(lines) <= made


@MORE
@given(rearranged(SHOWN))
def test_rearranged_lines_never_give_a_reference(case: tuple[Recording, list[bytes]]):
    recording, lines = case
    reading = recorded_runs.RolloutReading(lines)
    candidates = {candidate.data for candidate in reading.candidates} | set(recorded_runs.unrecognized_images(lines))
    assert not candidates & recording.shown()


@MORE
@given(mutated())
def test_mutated_lines_raise_nothing_and_give_only_what_decodes(lines: list[bytes]):
    assert delivered(lines) <= MADE | KNOWN


@FEW
@given(st.lists(st.sampled_from([one.lines for one in PICTURES]), min_size=2, max_size=3), st.data())
def test_mixed_recordings_give_only_their_pictures(rollouts: list[list[bytes]], data: st.DataObject):
    lines = data.draw(st.permutations([line for lines in rollouts for line in lines]))
    assert delivered(lines) <= MADE | KNOWN


@MORE
@given(st.lists(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()), max_size=5))
@example([b"\xff", b"{", b'{"payload":{}}', b'{"type":"session_meta","payload":{"cli_version":[]}}'])
def test_any_line_raises_nothing(lines: list[bytes]):
    assert delivered(lines) == set()


@FEW
@given(st.sampled_from([None, "event_msg", "response_item", "session_meta", "compacted"]), JSON, JSON)
def test_any_payload_raises_nothing(kind: str | None, payload: Any, item: Any):
    kinds = [
        "image_generation_call", "image_generation_end", "item_completed", "function_call", "function_call_output",
        "custom_tool_call", "message", "token_count", "task_complete", "turn_aborted", "agent_message",
    ]  # fmt: skip
    keys = [
        "result", "failure", "status", "item", "call_id", "name", "input", "output", "role", "content", "info",
        "rate_limits", "error", "reason", "message", "saved_path", "revised_prompt", "cli_version", "account_scoped",
    ]  # fmt: skip
    for of in kinds:
        filled = {"type": of, **dict.fromkeys(keys, payload)}
        extension = {"type": "Extension", "kind": "image_gen.generation", **dict.fromkeys(keys, item)}
        for one in (filled, {**filled, "item": extension}, {**filled, "output": [{"image_url": item, "text": item}]}):
            delivered([json.dumps({"type": kind, "payload": one}).encode()])


@MORE
@given(mutated())
def test_no_evidence_is_without_an_explanation(lines: list[bytes]):
    evidence = recorded_runs.load("0.169.0-fn-ok").evidence()
    reading = recorded_runs.RolloutReading(lines)
    error = failures.explain(replace(evidence, records=reading.records.evidence, damaged=reading.damaged))
    assert error.message
    assert error.exit_code in {3, 5, 6, 7}


@FEW
@given(st.text(max_size=200), JSON)
def test_any_words_give_a_reason(text: str, info: Any):
    quoted = json.dumps(text)
    for words in (text, f"image generation failed: http 400 Bad Request: Some({quoted})", f'{{"error": {quoted}}}'):
        error_patterns.classify_tool_error(words)
        error_patterns.classify_hosted_error(words)
        error_messages.sanitize(words)
        assert error_patterns.classify_turn_error(words, info).code
        assert error_patterns.classify_startup_error(words).message
        error_patterns.find_tool_errors(words)
        error_patterns.parse_reset_time(f"try again at {words}")


@FEW
@given(st.sampled_from(PICTURES), st.integers(0, 10**6))
def test_cut_picture_is_never_whole(recording: Recording, at: int):
    for picture in recorded_runs.RolloutReading(recording.lines).pictures[:1]:
        with pytest.raises(DamagedImage):
            decode_picture(picture.data[: at % len(picture.data)])


@MORE
@given(
    st.binary(max_size=300) | st.sampled_from([line for one in PICTURES for line in one.lines]), st.integers(0, 9999)
)
def test_any_bytes_give_blobs_that_are_in_them(line: bytes, at: int):
    for part in (line, line[at % (len(line) + 1) :], line[: at % (len(line) + 1)]):
        with mock.patch.object(base64_images, "SMALL", 8):
            small, found = base64_images.extract(part)
            assert len(found) == len(list(base64_images.image_strings(part)))
        rest = iter(found)
        pieces = [piece if index % 2 == 0 else bytes(next(rest)) for index, piece in enumerate(_parts(small, found))]
        assert b"".join(pieces) == part
        for view in found:
            base64_images.decode(view)


def _parts(small: bytes, found: list[memoryview]) -> list[bytes]:
    """The line in parts; the odd ones are the marks."""
    parts, last = [], 0
    for index in range(len(found)):
        mark = b'"\\u0000%d"' % index
        at = small.index(mark, last)
        parts += [small[last : at + 1], mark]
        last = at + len(mark) - 1
    return [*parts, small[last:]]


@FEW
@given(
    st.lists(st.integers(0, 3 * HEAD), max_size=8),
    st.integers(1, 2 * HEAD),
    st.lists(st.integers(0, 4000), max_size=6),
)
def test_tail_in_any_chunks_gives_the_same_lines(lengths: list[int], chunk: int, cuts: list[int]):
    lines = [bytes([97 + index % 26]) * length for index, length in enumerate(lengths)]
    data = b"".join(line + b"\n" for line in lines) + b"torn"

    def wants(head: bytes) -> bool:
        return not head.startswith(b"b")

    with file_of(b"") as path, mock.patch.object(tail_module, "_CHUNK", chunk):
        tail = Tail(path, 0, wants)
        try:
            found = []
            for end in [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]:
                with open(path, "wb") as file:
                    file.write(data[:end])
                found += list(tail.lines())
            assert found == [line for line in lines if wants(line)]
            assert tail.partial_line == b"torn"
        finally:
            tail.close()


def fed(reader: Callable[[bytes], None], data: bytes, cuts: list[int]) -> None:
    places_ = sorted(cut % (len(data) + 1) for cut in cuts)
    for start, end in zip([0, *places_], [*places_, len(data)], strict=True):
        reader(data[start:end])


@MORE
@given(
    st.sampled_from([one.stdout for one in recorded_runs.load_all()]) | st.binary(max_size=300),
    st.lists(st.integers(0, 10**6), max_size=8),
    st.lists(st.tuples(st.integers(0, 10**6), st.binary(max_size=4)), max_size=4),
)
def test_events_in_any_chunks_say_the_same(data: bytes, cuts: list[int], edits: list[tuple[int, bytes]]):
    for place, new in edits:
        at = place % (len(data) + 1)
        data = data[:at] + new + data[at + 1 :]
    once, pieces, words = Events(), Events(), StderrTail()
    once.feed(data)
    fed(pieces.feed, data, cuts)
    fed(words.feed, data, cuts)
    assert vars(once) == vars(pieces)
    assert words.text == data.decode(errors="replace")


@FEW
@given(st.lists(JSON, max_size=4), st.lists(JSON, max_size=4))
def test_any_event_raises_nothing(values: list[Any], items: list[Any]):
    events = Events()
    for kind in ("thread.started", "turn.failed", "error", "item.completed", "turn.completed"):
        for value in values:
            for item in [*items, {"type": "error", "message": value}, {"type": "agent_message", "text": value}]:
                event = {"type": kind, "thread_id": value, "error": item, "message": value, "item": item}
                events.feed(json.dumps(event).encode() + b"\n")
    for value in values:
        events.feed(json.dumps(value).encode() + b"\n")


@FEW
@given(rearranged(SHOWN))
def test_fallback_reads_any_file(case: tuple[Recording, list[bytes]]):
    recording, lines = case
    with file_of(b"\n".join(lines) + b"\n") as path:
        assert not set(fallback.find_unrecognized_images(path, 0)) & recording.shown()
        assert list(fallback.find_unrecognized_images(path, len(b"\n".join(lines)))) == []


def test_wants_takes_every_line_that_matters():
    """The lines that are skipped hold no picture."""
    for recording in recorded_runs.load_all():
        for line in recording.lines:
            if not rollout.is_relevant(line[:HEAD]):
                records = rollout.RecordReader()
                assert records.read(line) == []
