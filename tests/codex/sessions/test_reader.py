"""Pictures stored in a past session: each one once, and never a reference of the user."""

from __future__ import annotations

import json

import pytest

from codex_imagegen.codex.sessions import reader, tail
from codex_imagegen.codex.sessions.history import SessionRef, read_ref
from tests.support import history
from tests.support.pictures import encoded, torn

FOX, OWL, REFERENCE = encoded(40, "fox"), encoded(44, "owl"), encoded(64, "reference")


@pytest.fixture
def codex_home(tmp_path):
    return history.History(tmp_path / "home")


def read(codex_home, rollout):
    session = reader.SessionReader(str(codex_home.home), read_ref(str(rollout)))
    return [candidate.data for candidate in session.pictures()], session


def test_pictures_come_in_order_of_records_then_files_each_once(codex_home):
    rollout = codex_home.rollout(
        history.user_message(), history.generated_image(FOX), history.generated_image(OWL, call_id="call_2")
    )
    codex_home.saved(history.thread_of(rollout), OWL, encoded(8))
    pictures, session = read(codex_home, rollout)
    assert pictures == [FOX, OWL, encoded(8)]
    assert (session.prompt, session.codex_version, session.is_damaged, session.unreadable) == (
        history.PROMPT, "0.169.0", False, None,
    )  # fmt: skip


def test_tool_output_copy_of_a_recorded_picture_is_not_a_second_picture(codex_home):
    # measured with 3000 × 3000 pixels on 0.144.6 and 0.169.0: the function's output has 1600 × 1600 of them
    rollout = codex_home.rollout(
        history.function_call("imagegen"), history.generated_image(FOX), history.function_output(encoded(20))
    )
    assert read(codex_home, rollout)[0] == [FOX]


def test_tool_output_counts_where_no_other_record_has_the_picture(codex_home):
    rollout = codex_home.rollout(
        history.function_call("imagegen"),
        history.function_output(FOX),
        history.function_call("view_image", "v"),
        history.function_output(OWL, "v"),
    )
    assert read(codex_home, rollout)[0] == [FOX]


def test_references_of_the_user_are_not_pictures(codex_home):
    rollout = codex_home.rollout(
        history.user_image(REFERENCE), history.function_call("view_image"), history.function_output(OWL)
    )
    pictures, session = read(codex_home, rollout)
    assert pictures == []
    assert list(session.unrecognized_images()) == []


def test_last_line_without_line_feed_is_read(codex_home):
    assert read(codex_home, codex_home.rollout(history.generated_image(FOX), end=b""))[0] == [FOX]


@pytest.mark.parametrize("cut", [10, 100, 2000])
def test_torn_last_line_is_reported(codex_home, cut):
    rollout = codex_home.rollout(history.generated_image(OWL), history.generated_image(FOX), end=b"")
    rollout.write_bytes(rollout.read_bytes()[:-cut])
    pictures, session = read(codex_home, rollout)
    assert pictures == [OWL]
    assert session.is_damaged


def test_saved_file_replaces_a_torn_record(codex_home):
    rollout = codex_home.rollout(history.generated_image(FOX), end=b"")
    rollout.write_bytes(rollout.read_bytes()[:-100])
    codex_home.saved(history.thread_of(rollout), FOX)
    pictures, session = read(codex_home, rollout)
    assert pictures == [FOX]
    assert not session.is_damaged


def test_torn_reference_is_not_reported(codex_home):
    rollout = codex_home.rollout(history.user_image(REFERENCE), end=b"")
    rollout.write_bytes(rollout.read_bytes()[:-100])
    assert not read(codex_home, rollout)[1].is_damaged


def test_saved_file_replaces_a_blank_record(codex_home):
    rollout = codex_home.rollout(history.generated_image(None, savedPath="/somewhere/else.png"))
    codex_home.saved(history.thread_of(rollout), FOX)
    assert read(codex_home, rollout)[0] == [FOX]


@pytest.mark.parametrize("lost", ["savedPath", "saved_path"])
def test_path_in_a_record_is_never_opened(codex_home, tmp_path, lost):
    secret = tmp_path / "secret.png"
    secret.write_bytes(FOX)
    rollout = codex_home.rollout(history.generated_image(None, **{lost: str(secret)}))
    pictures, session = read(codex_home, rollout)
    assert pictures == []
    assert list(session.unrecognized_images()) == []


def test_links_in_the_folder_of_pictures_are_not_followed(codex_home, tmp_path):
    (tmp_path / "secret.png").write_bytes(FOX)
    rollout = codex_home.rollout(history.generated_image(None, savedPath="x"))
    folder = codex_home.saved(history.thread_of(rollout))
    (folder / "call_1.png").symlink_to(tmp_path / "secret.png")
    assert read(codex_home, rollout)[0] == []
    (folder / "call_1.png").unlink()
    folder.rmdir()
    folder.symlink_to(tmp_path)
    assert read(codex_home, rollout)[0] == []


def test_unknown_record_is_left_to_the_fallback(codex_home):
    rollout = codex_home.rollout({"type": "new", "payload": {"type": "picture", "bytes": history.data_url(FOX)}})
    pictures, session = read(codex_home, rollout)
    assert pictures == []
    assert [candidate.data for candidate in session.unrecognized_images()] == [FOX]


def test_damaged_picture_is_given_to_the_decoder(codex_home):
    pictures, session = read(
        codex_home, codex_home.rollout(history.generated_image(torn(FOX)), history.generated_image("iVBORw0KGgo!"))
    )
    assert pictures == [torn(FOX)]
    assert session.is_damaged


def test_saved_files_are_read_where_the_rollout_cannot_be(codex_home):
    thread = history.new_thread_id()
    codex_home.saved(thread, FOX)
    session = reader.SessionReader(str(codex_home.home), SessionRef(thread, str(codex_home.home / "gone.jsonl")))
    assert [candidate.data for candidate in session.pictures()] == [FOX]
    assert session.unreadable == "No such file or directory"


def test_endless_line_is_not_kept_in_memory(codex_home, monkeypatch):
    monkeypatch.setattr(tail, "MAX_LINE", 3 * 1024 * 1024)
    rollout = codex_home.rollout(history.generated_image(OWL))
    with rollout.open("ab") as file:
        for _ in range(40):
            file.write(b"x" * 1024 * 1024)
        file.write(b"\n" + history.rollout_line(history.generated_image(FOX)) + b"\n")
    lines = tail.Tail(str(rollout))
    assert max(map(len, lines.lines())) < 3 * 1024 * 1024
    lines.close()
    assert read(codex_home, rollout)[0] == [OWL, FOX]


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
def test_prompt_is_what_the_user_typed(codex_home, payloads, prompt):
    rollout = codex_home.rollout(*({"type": "response_item", "payload": payload} for payload in payloads))
    assert read(codex_home, rollout)[1].prompt == prompt


def test_rollout_of_rubbish_has_no_pictures(codex_home):
    rollout = codex_home.rollout()
    rollout.write_bytes(b"\xff\xfe\n[]\n" + json.dumps({"payload": [1]}).encode() + b'\n"role":"user"\n\n')
    pictures, session = read(codex_home, rollout)
    assert (pictures, session.prompt, session.is_damaged) == ([], None, False)
