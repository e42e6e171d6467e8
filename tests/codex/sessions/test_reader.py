"""Pictures stored in a past session: each one once, and never a reference of the user."""

from __future__ import annotations

import json

import pytest

from codex_imagegen.codex.sessions import reader, tail
from codex_imagegen.codex.sessions.history import SessionRef, ref_of_file
from tests.support import history
from tests.support.pictures import encoded, torn

FOX, OWL, REFERENCE = encoded(40, "fox"), encoded(44, "owl"), encoded(64, "reference")


@pytest.fixture
def there(tmp_path):
    return history.History(tmp_path / "home")


def read(there, rollout):
    kept = reader.SessionReader(str(there.home), ref_of_file(str(rollout)))
    return [candidate.data for candidate in kept.pictures()], kept


def test_pictures_come_in_order_of_records_then_files_each_once(there):
    rollout = there.rollout(
        history.user_message(), history.generated_image(FOX), history.generated_image(OWL, call_id="call_2")
    )
    there.saved(history.thread_of(rollout), OWL, encoded(8))
    pictures, kept = read(there, rollout)
    assert pictures == [FOX, OWL, encoded(8)]
    assert (kept.prompt, kept.codex_version, kept.is_damaged, kept.unreadable) == (
        history.PROMPT,
        "0.169.0",
        False,
        None,
    )


def test_tool_output_copy_of_a_recorded_picture_is_no_second_picture(there):
    # measured with 3000 × 3000 pixels on 0.144.6 and 0.169.0: the function's output has 1600 × 1600 of them
    rollout = there.rollout(
        history.function_call("imagegen"), history.generated_image(FOX), history.function_output(encoded(20))
    )
    assert read(there, rollout)[0] == [FOX]


def test_tool_output_counts_where_no_other_record_has_the_picture(there):
    rollout = there.rollout(
        history.function_call("imagegen"),
        history.function_output(FOX),
        history.function_call("view_image", "v"),
        history.function_output(OWL, "v"),
    )
    assert read(there, rollout)[0] == [FOX]


def test_references_of_the_user_are_no_pictures(there):
    rollout = there.rollout(
        history.user_image(REFERENCE), history.function_call("view_image"), history.function_output(OWL)
    )
    pictures, kept = read(there, rollout)
    assert pictures == []
    assert list(kept.unrecognized_images()) == []


def test_last_line_without_line_feed_is_read(there):
    assert read(there, there.rollout(history.generated_image(FOX), end=b""))[0] == [FOX]


@pytest.mark.parametrize("cut", [10, 100, 2000])
def test_torn_last_line_is_reported(there, cut):
    rollout = there.rollout(history.generated_image(OWL), history.generated_image(FOX), end=b"")
    rollout.write_bytes(rollout.read_bytes()[:-cut])
    pictures, kept = read(there, rollout)
    assert pictures == [OWL]
    assert kept.is_damaged


def test_saved_file_replaces_a_torn_record(there):
    rollout = there.rollout(history.generated_image(FOX), end=b"")
    rollout.write_bytes(rollout.read_bytes()[:-100])
    there.saved(history.thread_of(rollout), FOX)
    pictures, kept = read(there, rollout)
    assert pictures == [FOX]
    assert not kept.is_damaged


def test_torn_reference_is_not_reported(there):
    rollout = there.rollout(history.user_image(REFERENCE), end=b"")
    rollout.write_bytes(rollout.read_bytes()[:-100])
    assert not read(there, rollout)[1].is_damaged


def test_saved_file_replaces_a_blank_record(there):
    rollout = there.rollout(history.generated_image(None, savedPath="/somewhere/else.png"))
    there.saved(history.thread_of(rollout), FOX)
    assert read(there, rollout)[0] == [FOX]


@pytest.mark.parametrize("lost", ["savedPath", "saved_path"])
def test_path_in_a_record_is_never_opened(there, tmp_path, lost):
    secret = tmp_path / "secret.png"
    secret.write_bytes(FOX)
    rollout = there.rollout(history.generated_image(None, **{lost: str(secret)}))
    pictures, kept = read(there, rollout)
    assert pictures == []
    assert list(kept.unrecognized_images()) == []


def test_links_in_the_folder_of_pictures_are_not_followed(there, tmp_path):
    (tmp_path / "secret.png").write_bytes(FOX)
    rollout = there.rollout(history.generated_image(None, savedPath="x"))
    folder = there.saved(history.thread_of(rollout))
    (folder / "call_1.png").symlink_to(tmp_path / "secret.png")
    assert read(there, rollout)[0] == []
    (folder / "call_1.png").unlink()
    folder.rmdir()
    folder.symlink_to(tmp_path)
    assert read(there, rollout)[0] == []


def test_unknown_record_is_left_to_the_fallback(there):
    rollout = there.rollout({"type": "new", "payload": {"type": "picture", "bytes": history.data_url(FOX)}})
    pictures, kept = read(there, rollout)
    assert pictures == []
    assert [candidate.data for candidate in kept.unrecognized_images()] == [FOX]


def test_damaged_picture_is_given_to_the_decoder(there):
    pictures, kept = read(
        there, there.rollout(history.generated_image(torn(FOX)), history.generated_image("iVBORw0KGgo!"))
    )
    assert pictures == [torn(FOX)]
    assert kept.is_damaged


def test_saved_files_are_read_where_the_rollout_cannot_be(there):
    thread = history.new_thread_id()
    there.saved(thread, FOX)
    kept = reader.SessionReader(str(there.home), SessionRef(thread, str(there.home / "gone.jsonl")))
    assert [candidate.data for candidate in kept.pictures()] == [FOX]
    assert kept.unreadable == "No such file or directory"


def test_endless_line_is_not_kept_in_memory(there, monkeypatch):
    monkeypatch.setattr(tail, "MAX_LINE", 3 * 1024 * 1024)
    rollout = there.rollout(history.generated_image(OWL))
    with rollout.open("ab") as file:
        for _ in range(40):
            file.write(b"x" * 1024 * 1024)
        file.write(b"\n" + history.rollout_line(history.generated_image(FOX)) + b"\n")
    lines = tail.Tail(str(rollout))
    assert max(map(len, lines.lines())) < 3 * 1024 * 1024
    lines.close()
    assert read(there, rollout)[0] == [OWL, FOX]


def users(*texts):
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text} for text in texts]}


@pytest.mark.parametrize(
    ("payloads", "prompt"),
    [
        ([users("typed"), {"type": "user_message", "message": "typed"}], "typed"),
        ([users("<environment_context>x"), users("# AGENTS.md instructions for /x"), users("typed")], "typed"),
        ([users("<image name=[Image #1]>", "</image>", "typed")], "typed"),
        ([users("guessed"), {"type": "user_message", "message": " <svg> is typed "}], "<svg> is typed"),
        ([{"type": "user_message", "message": ["no", "text"]}, users("typed")], "typed"),
        ([{"type": "user_message", "message": "x" * 10_000}], "x" * 500),
        ([users(""), {"type": "message", "role": "user", "content": 7}], None),
        (["no object", {"type": "message", "role": "assistant", "content": [{"text": "said"}]}], None),
    ],
)
def test_prompt_is_what_the_user_typed(there, payloads, prompt):
    rollout = there.rollout(*({"type": "response_item", "payload": payload} for payload in payloads))
    assert read(there, rollout)[1].prompt == prompt


def test_rollout_of_rubbish_has_no_pictures(there):
    rollout = there.rollout()
    rollout.write_bytes(b"\xff\xfe\n[]\n" + json.dumps({"payload": [1]}).encode() + b'\n"role":"user"\n\n')
    pictures, kept = read(there, rollout)
    assert (pictures, kept.prompt, kept.is_damaged) == ([], None, False)
