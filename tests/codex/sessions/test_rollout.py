"""Recorded rollouts of every format: which pictures were made; a reference is never one of them."""

from __future__ import annotations

import base64
import json

import pytest

from codex_imagegen.codex.sessions import rollout
from tests.support import recorded_runs
from tests.support.pictures import encoded
from tests.support.recorded_runs import Recording, RolloutReading, unrecognized_images
from tests.support.scrubbing import PICTURE_SIDE

PICTURE = encoded(PICTURE_SIDE, "made")
TEXT = base64.b64encode(PICTURE).decode()
MADE = recorded_runs.load_all(
    "ok", "ref1", "ref2", "view", "two", "torn-then-whole", "blocked-then-whole", "hosted-generating",
    "limit-after-picture", "interrupted", "not-offered-but-made",
)  # fmt: skip


def line(type_: str, **payload: object) -> bytes:
    return json.dumps({"type": type_, "payload": payload}, separators=(",", ":")).encode()


def read(*lines: bytes) -> list[rollout.Candidate]:
    records = rollout.RecordReader()
    return [candidate for one in lines for candidate in records.read(one)]


def evidence(*lines: bytes) -> rollout.Evidence:
    records = rollout.RecordReader()
    for one in lines:
        records.read(one)
    return records.evidence


@recorded_runs.for_each(MADE)
def test_first_picture_of_every_recording_is_whole(recording: Recording):
    reading = RolloutReading(recording.lines)
    assert reading.pictures
    assert {picture.width for picture in reading.pictures} == {PICTURE_SIDE}
    assert reading.records.evidence.tool_called
    assert reading.records.evidence.codex_version == recording.run["build"].partition("-")[0]


@recorded_runs.for_each(MADE)
def test_references_are_neither_candidates_nor_unrecognized_images(recording: Recording):
    shown = recording.shown()
    assert bool(shown) == (recording.scenario in {"ref1", "ref2", "view"})
    assert not shown & {candidate.data for candidate in RolloutReading(recording.lines).candidates}
    assert not shown & set(unrecognized_images(recording.lines))


@recorded_runs.for_each(MADE)
def test_unrecognized_images_are_the_pictures_of_known_records(recording: Recording):
    made = {picture.data for picture in RolloutReading(recording.lines).pictures}
    assert made <= set(unrecognized_images(recording.lines))


@pytest.mark.parametrize(("scenario", "count"), [("two", 2), ("ok", 1), ("ref2", 1)])
def test_candidates_are_as_many_as_the_pictures_made(scenario: str, count: int):
    for recording in recorded_runs.load_all(scenario):
        assert len({picture.data for picture in RolloutReading(recording.lines).pictures}) == count, recording.name


def test_torn_then_whole_gives_the_whole_and_notes_damage():
    for recording in recorded_runs.load_all("torn-then-whole"):
        reading = RolloutReading(recording.lines)
        assert len({picture.data for picture in reading.pictures}) == 1, recording.name
        assert reading.damaged, recording.name


@pytest.mark.parametrize("name", ["0.141.0-ok", "0.144.6-fn-ok", "0.169.0-fn-ok", "0.169.0-code-ok"])
def test_blank_result_is_looked_for_elsewhere(name: str):
    lines = []
    for one in recorded_runs.load(name).lines:
        record = json.loads(one)
        item = record["payload"].get("item", record["payload"])
        if "result" in item:
            item["result"] = ""
        lines.append(json.dumps(record).encode())
    candidates = RolloutReading(lines).candidates
    assert candidates
    assert candidates[0].data is None
    typed = [candidate for candidate in candidates if candidate.data is not None]
    assert bool(typed) == name.endswith("-fn-ok")  # the function's own output has the picture, too


def test_revised_prompt_is_read():
    assert {
        candidate.revised_prompt for candidate in RolloutReading(recorded_runs.load("0.134.0-ok").lines).candidates
    } == {"a red fox in the snow"}
    item = {"type": "Extension", "kind": "image_gen.generation", "result": TEXT, "revisedPrompt": "a fox"}
    assert read(line("event_msg", type="item_completed", item=item)) == [rollout.Candidate(PICTURE, "a fox")]


def test_result_counts_whatever_the_status():
    for status in ("generating", "failed", "in_progress", None, 5):
        made = line("response_item", type="image_generation_call", status=status, result=TEXT)
        assert read(made) == [rollout.Candidate(PICTURE)]


def test_saved_path_alone_points_to_the_file():
    end = {"type": "image_generation_end", "call_id": "ig_1"}
    assert read(line("event_msg", **end, saved_path="/x.png")) == [rollout.Candidate(None, name="ig_1")]
    assert read(line("event_msg", **end, status="completed", result="")) == [rollout.Candidate(None, name="ig_1")]
    assert read(line("event_msg", **end, status="failed", result="")) == []


def test_large_picture_is_taken_out_of_its_line():
    large = encoded(90, "large")
    text = base64.b64encode(large).decode()
    for value in (text, f"data:image/png;base64,{text}"):
        made = line("response_item", type="image_generation_call", result=value, revised_prompt="x" * 9000)
        assert read(made) == [rollout.Candidate(large, "x" * 9000)]


@pytest.mark.parametrize("name", ["imagegen", "image_gen.imagegen", "image_gen__imagegen"])
def test_tool_output_counts_only_of_the_image_tool(name: str):
    output = [{"type": "input_image", "image_url": f"data:image/png;base64,{TEXT}"}]
    answer = line("response_item", type="function_call_output", call_id="c", output=output)
    assert read(line("response_item", type="function_call", name=name, call_id="c"), answer) == [
        rollout.Candidate(PICTURE, name="c")
    ]
    assert read(line("response_item", type="function_call", name="view_image", call_id="c"), answer) == []
    assert read(answer) == []


@pytest.mark.parametrize(
    "call",
    [
        {"type": "function_call", "name": "view_image", "call_id": "c", "arguments": "{}"},
        {"type": "custom_tool_call", "name": "exec", "call_id": "c", "input": "image(await tools.view_image({}))"},
    ],
)
@pytest.mark.parametrize("side", [PICTURE_SIDE, 90])
def test_unrecognized_images_leave_out_viewed_images(call: dict[str, object], side: int):
    url = f"data:image/png;base64,{base64.b64encode(encoded(side, 'viewed')).decode()}"
    output = {"call_id": "c", "output": [{"type": "input_image", "image_url": url}]}
    answer = line("response_item", type="function_call_output", **output)
    assert (
        unrecognized_images([line("response_item", **call), answer])
        == unrecognized_images([answer, line("response_item", **call)])
        == []
    )
    assert unrecognized_images([answer]) == []  # the call is not on record
    other = line("response_item", type="function_call", name="tomorrow", call_id="c")
    assert unrecognized_images([other, answer]) == [encoded(side, "viewed")]
    assert unrecognized_images([other, line("response_item", **call), answer]) == []


def test_unrecognized_images_leave_out_a_compacted_history():
    """A compacted history repeats the user's message, and with it the reference."""
    message = {"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": TEXT}]}
    assert unrecognized_images([line("compacted", message="", replacement_history=[message])]) == []


@pytest.mark.parametrize("side", [PICTURE_SIDE, 90])
def test_unrecognized_images_have_pictures_of_unknown_records(side: int):
    text = base64.b64encode(encoded(side, "made")).decode()
    assert unrecognized_images([line("event_msg", type="tomorrow", deep=[{"deeper": {"blob": text}}])]) == [
        encoded(side, "made")
    ]


@pytest.mark.parametrize(
    "hostile",
    [
        b"",
        b"{}",
        b"null",
        b"[" * 100_000,
        b'{"type":"x","payload":' + b"[" * 900 + b"]" * 900 + b"}",
        line("event_msg", type=["unhashable"]),
        line("event_msg", type={"un": "hashable"}, role=[], call_id={}),
        line("response_item", type="function_call", name=[], call_id="c"),
        line("response_item", type="function_call_output", call_id=[], output={"content": {"content": {}}}),
        line("response_item", type="image_generation_call", result="\0" + "9" * 5000),
        line("response_item", type="image_generation_call", result="\0" + "7"),
        line("response_item", type="image_generation_call", result=5, failure=[], status={}),
        line("event_msg", type="item_completed", item=[1]),
        line("event_msg", type="task_complete", error="x"),
        line("event_msg", type="token_count", rate_limits={"primary": {"used_percent": 1e400, "resets_at": 1e400}}),
        b'{"type":"event_msg","payload":{"type":"token_count","info":' + b"9" * 5000 + b"}}",
    ],
    ids=range(16),
)
def test_any_line_is_read_without_an_error(hostile: bytes):
    assert [candidate.data for candidate in read(hostile)] in ([], [None])
    assert unrecognized_images([hostile]) == []
    rollout.is_relevant(hostile)


@pytest.mark.parametrize("depth", [200, 500, 800, 900, 950, 980])
def test_any_depth_is_read_without_an_error(depth: int):
    for opening, closing in ((b'{"text":', b"}"), (b"[", b"]"), (b'{"content":[', b"]}")):
        deep = opening * depth + b'"x"' + closing * depth
        head = b'{"type":"response_item","payload":{"type":"function_call_output","call_id":"c","output":'
        made = head + deep + b"}}"
        read(made)
        read(made.replace(b"function_call_output", b"image_generation_call").replace(b'"output"', b'"failure"'))
        unrecognized_images([made.replace(b'"x"', b'"iVBORw0KGgo"')])


def test_irrelevant_records_are_not_read():
    for recording in MADE:
        wanted = [one for one in recording.lines if rollout.is_relevant(one[:512])]
        assert RolloutReading(wanted).pictures == RolloutReading(recording.lines).pictures
        kinds = [json.loads(one) for one in recording.lines if not rollout.is_relevant(one[:512])]
        assert all("result" not in record["payload"] for record in kinds)


def test_evidence_has_version_and_account():
    meta = {"id": "x", "cli_version": "0.169.0"}
    assert evidence(line("session_meta", **meta)).has_account is None
    assert evidence(line("session_meta", **meta, account_scoped=True)).has_account is False
    assert evidence(line("session_meta", **meta, account_scoped=True, creator_account_id="a")).has_account is True
    assert evidence(line("session_meta", **meta)).codex_version == "0.169.0"


def test_evidence_has_the_offer_of_the_tool():
    exec_ = {"type": "custom", "name": "exec", "description": "tools.image_gen__imagegen(...)"}
    assert evidence(line("response_item", type="additional_tools", tools=[exec_])).is_tool_offered is True
    assert evidence(line("response_item", type="additional_tools", tools=[{"name": "exec"}])).is_tool_offered is False
    assert evidence(line("response_item", type="additional_tools", tools=[{"name": "wait"}])).is_tool_offered is None


def test_evidence_of_limits_takes_the_latest_that_is_used_up():
    primary, secondary = {"used_percent": 100.0, "resets_at": 1000}, {"used_percent": 100, "resets_at": 5000}
    limits = {"primary": primary, "secondary": secondary}
    assert evidence(line("event_msg", type="token_count", rate_limits=limits)).limit_resets_at == 5000
    limits["secondary"]["used_percent"] = 99
    assert evidence(line("event_msg", type="token_count", rate_limits=limits)).limit_resets_at == 1000
    assert evidence(line("event_msg", type="token_count", rate_limits={"primary": None})).limit_resets_at is None


def test_evidence_has_the_end_of_the_turn():
    found = evidence(line("event_msg", type="task_complete", error={"codex_error_info": "usage_limit_exceeded"}))
    assert (found.completed, found.error_info) == (True, "usage_limit_exceeded")
    assert evidence(line("event_msg", type="turn_aborted", reason="interrupted")).aborted == "interrupted"
    for recording in recorded_runs.load_all("interrupted"):
        assert RolloutReading(recording.lines).records.evidence.aborted, recording.name


def test_evidence_is_bounded():
    failure = line(
        "event_msg", type="image_generation_end", failure={"type": "x" * 9000, "deep": {"y": "z" * 9000}, "n": 5}
    )
    error = line("response_item", type="function_call_output", output="image generation failed: " + "x" * 9000)
    message = line("response_item", type="message", role="assistant", content=[{"text": "w" * 9000}] * 200)
    found = evidence(*[failure] * 50, *[error] * 50, message)
    assert (len(found.failures), len(found.tool_errors)) == (20, 20)
    assert len(str(found.failures[0])) < 9000
    assert len(found.tool_errors[0]) == 4000
    assert found.message is not None
    assert len(found.message) == 4000


def test_evidence_has_provider_model_and_time():
    records = rollout.RecordReader()
    call = {"type": "function_call", "name": "imagegen", "call_id": "c", "arguments": "{}"}
    found = {"type": "function_call_output", "call_id": "c", "output": "image generation failed: network error: x"}
    for second, kind, payload in (
        (0, "session_meta", {"id": "t", "cli_version": "0.169.0", "model_provider": "proxy"}),
        (1, "turn_context", {"model": "gpt-x"}),
        (3, "response_item", call),
        (44, "response_item", found),
    ):
        record = {"timestamp": f"2026-11-21T12:00:{second:02}.500Z", "type": kind, "payload": payload}
        line = json.dumps(record, separators=(",", ":")).encode()
        assert rollout.is_relevant(line)
        records.read(line)
    found = records.evidence
    assert (found.provider, found.model, found.drawing_sec) == ("proxy", "gpt-x", 41.0)


def test_text_in_place_of_a_hosted_picture_is_not_damage():
    records = rollout.RecordReader()
    item = {"type": "image_generation_call", "id": "ig", "status": "failed"}
    for result in ("ServerError <class 'oai_errors.errors.ServerError'>", "aGVsbG8gd29ybGQ="):
        records.read(json.dumps({"type": "response_item", "payload": {**item, "result": result}}).encode())
    assert (len(records.evidence.tool_errors), records.evidence.undecodable_count) == (1, 1)
