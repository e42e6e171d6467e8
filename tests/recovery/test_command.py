"""The command ``recover``: pictures, their names and formats, the list, and failures."""

from __future__ import annotations

import os
import time

import pytest
from PIL import Image

from tests.support import history
from tests.support.checks import KEYS
from tests.support.pictures import encoded, torn

FOX, OWL = encoded(40, "fox"), encoded(44, "owl")


@pytest.fixture
def world(lab):
    return lab(offline=True)


def files(world):
    """The files in the command's working folder."""
    return {str(path.relative_to(world.work)): path.read_bytes() for path in world.work.rglob("*") if path.is_file()}


@pytest.fixture
def thread(world):
    return history.thread_of(world.history.rollout(history.user_message(), history.generated_image(FOX)))


def assert_failed(done, exit_code, code, *words):
    error = done.json["error"]
    assert (done.code, error["code"], error["exit_code"], error["spent"]) == (exit_code, code, exit_code, False)
    assert done.json["images"] == []
    assert list(done.json) == KEYS
    assert all(word in done.err for word in words), done.err
    assert done.err.count("\n") == 1


def test_recover_with_a_thread_writes_its_picture(world, thread):
    done = world.run("recover", thread)
    assert (done.code, done.err, done.text) == (0, "", f"{world.work / thread}.png\n")
    assert files(world) == {f"{thread}.png": FOX}


def test_recover_with_size_and_fit_crops_the_picture(world, thread):
    image = world.call("recover", thread, "--out", "wide.webp", "--size", "30x10", "--fit", "--json").json["images"][0]
    assert (image["width"], image["height"], image["format"], image["original"]) == (30, 10, "webp", False)
    with Image.open(world.work / "wide.webp") as picture:
        assert picture.size == (30, 10)


@pytest.mark.parametrize(("words", "hint"), [(["--size", "30x10"], "--fit"), (["--fit"], "--size")])
def test_recover_with_size_or_fit_alone_fails_as_usage(world, thread, words, hint):
    done = world.call("recover", thread, *words, "--json")
    assert_failed(done, 2, "usage", hint)
    assert files(world) == {}


def test_recover_with_an_upper_case_thread_finds_it(world, thread):
    assert world.call("recover", thread.upper(), "--out", "fox.png").code == 0


def test_recover_with_json_prints_the_common_object(world, thread):
    answer = world.call("recover", thread, "--json").json
    image = answer["images"][0]
    assert list(answer) == KEYS
    assert (answer["ok"], answer["thread_id"], answer["codex_version"]) == (True, thread, "0.169.0")
    assert (image["width"], image["original"], image["revised_prompt"]) == (40, True, f"{history.PROMPT}, revised")


def test_recover_with_a_rollout_file_names_the_picture_by_its_thread(world, thread, tmp_path):
    rollout = next(world.home.rglob("*.jsonl")).rename(tmp_path / "moved.jsonl")
    assert world.call("recover", str(rollout)).text == f"{world.work / thread}.png\n"


def test_recover_of_several_pictures_numbers_them_with_their_own_suffix(world):
    jpeg = encoded(48, "jpeg", "JPEG")
    thread = history.thread_of(
        world.history.rollout(history.generated_image(FOX), history.generated_image(jpeg, call_id="call_2"))
    )
    assert world.call("recover", thread, "--out-dir", "new/folder").code == 0
    assert files(world) == {f"new/folder/{thread}-1.png": FOX, f"new/folder/{thread}-2.jpg": jpeg}
    done = world.call("recover", thread, "--out", "a.png", "--json")
    assert [os.path.basename(image["path"]) for image in done.json["images"]] == ["a-1.png", "a-2.png"]
    assert [image["original"] for image in done.json["images"]] == [True, False]


@pytest.mark.parametrize("out", ["new/deep/", ".", "there"])
def test_recover_into_a_folder_names_each_picture_after_its_thread(world, thread, out):
    (world.work / "there").mkdir()
    done = world.call("recover", thread, "--out", out)
    assert done.lines == [os.path.normpath(world.work / out / f"{thread}.png")]
    assert world.call("recover", thread, "--out", out).code == 73
    again = world.call("recover", thread, "--out", out, "--force", "--json")
    assert [image["replaced"] for image in again.json["images"]] == [True]


def test_recover_of_several_sessions_into_a_folder_names_them_after_their_threads(world, thread):
    other = history.thread_of(world.history.rollout(history.generated_image(OWL)))
    assert world.call("recover", thread, other, "--out", "new/").code == 0
    assert files(world) == {f"new/{thread}.png": FOX, f"new/{other}.png": OWL}
    assert world.call("recover", thread, other, "--out", "both").code == 0
    assert {name for name in files(world) if "/" not in name} == {"both-1.png", "both-2.png"}


def test_recover_with_another_suffix_converts(world, thread):
    assert world.call("recover", thread, "--out", "fox.webp").code == 0
    assert files(world)["fox.webp"][8:12] == b"WEBP"


def test_recover_with_out_dash_prints_the_bytes(world, thread):
    assert world.call("recover", thread, "--out", "-").out == FOX


def test_recover_last_takes_the_newest_session_with_a_whole_picture(world):
    now = time.time()
    world.history.rollout(history.generated_image(OWL), at=now - 7200)
    newest = history.thread_of(world.history.rollout(history.generated_image(FOX), at=now - 3600))
    world.history.rollout(history.generated_image(torn(OWL)), at=now - 1800)
    world.history.rollout(history.user_image(OWL), at=now)
    assert world.call("recover", "--last").text == f"{world.work / newest}.png\n"


def test_recover_of_an_unknown_record_uses_the_fallback_and_warns(world):
    odd = {
        "type": "new",
        "payload": {"type": "picture", "bytes": history.data_url(FOX), "thumbnail": history.data_url(encoded(8))},
    }
    thread = history.thread_of(world.history.rollout(odd))
    done = world.call("recover", thread, "--json")
    assert [warning["code"] for warning in done.json["warnings"]] == ["unknown-record"]
    assert files(world) == {f"{thread}.png": FOX}
    assert_failed(world.call("recover", "--last", "--json"), 7, "no-picture")


def test_recover_without_a_rollout_uses_the_saved_file(world):
    thread = history.new_thread_id()
    world.history.saved(thread, FOX)
    assert world.call("recover", "--last").text == f"{world.work / thread}.png\n"


def test_recover_of_a_whole_and_a_damaged_picture_warns(world):
    thread = history.thread_of(world.history.rollout(history.generated_image(torn(OWL)), history.generated_image(FOX)))
    done = world.call("recover", thread, "--json")
    assert [warning["code"] for warning in done.json["warnings"]] == ["damaged-picture"]
    assert files(world) == {f"{thread}.png": FOX}


def test_recover_replaces_a_file_only_with_force(world, thread):
    (world.work / f"{thread}.png").write_bytes(b"mine")
    assert_failed(world.call("recover", thread, "--json"), 73, "out-exists", "--force")
    assert files(world) == {f"{thread}.png": b"mine"}
    assert world.call("recover", thread, "--force").code == 0
    assert files(world) == {f"{thread}.png": FOX}


def test_recover_with_one_of_several_names_taken_writes_nothing(world):
    thread = history.thread_of(world.history.rollout(history.generated_image(FOX), history.generated_image(OWL)))
    (world.work / "a-2.png").write_bytes(b"mine")
    assert_failed(world.call("recover", thread, "--out", "a.png", "--json"), 73, "out-exists")
    assert files(world) == {"a-2.png": b"mine"}


def test_recover_of_several_sessions_writes_those_that_are_found(world, thread):
    other = history.thread_of(world.history.rollout(history.generated_image(OWL)))
    gone = history.new_thread_id()
    done = world.call("recover", thread, gone, other, "--out", "all.png", "--json")
    assert done.code == 1
    assert (done.json["ok"], done.json["error"]["exit_code"], done.json["thread_id"]) == (False, 1, None)
    assert [(f["index"], f["error"]["code"], f["error"]["exit_code"]) for f in done.json["failures"]] == [
        (1, "session-missing", 6)
    ]
    assert files(world) == {"all-1.png": FOX, "all-2.png": OWL}
    assert world.call("recover", thread, other, "--out-dir", "d").code == 0


NOWHERE = history.new_thread_id(0)


@pytest.mark.parametrize(
    ("arguments", "exit_code", "code", "words"),
    [
        ([], 2, "usage", "--last"),
        (["../../etc/passwd.png"], 2, "usage", "neither a thread id nor a rollout"),
        (["sessions/" + NOWHERE], 2, "usage", "neither"),
        ([f"0{NOWHERE}"], 2, "usage", "neither"),
        (["0199a213--81"], 2, "usage", "neither"),
        (["abc"], 2, "usage", "4 characters"),
        ([NOWHERE[:-1]], 6, "session-missing", "--list"),
        (["FACE"], 6, "session-missing", "'FACE'"),
        (["\x1b[31mred"], 2, "usage", "neither"),
        ([NOWHERE], 6, "session-missing", "--list"),
        (["gone.jsonl"], 6, "session-missing", "No such file"),
        (["."], 2, "usage", "neither"),
        (["--last", NOWHERE], 2, "usage", "contradict each other"),
        (["--last", "--out", "a.png", "--out-dir", "."], 2, "usage", "contradict"),
        (["--list", "--out", "a.png"], 2, "usage", "writes no"),
        (["--list", "--open"], 2, "usage", "--open"),
        (["--last", "--limit", "3"], 2, "usage", "--list"),
        (["--last", "--search", "fox"], 2, "usage", "--list"),
        ([NOWHERE, "--since", "7d"], 2, "usage", "--list"),
        (["--list", "--search", " "], 2, "usage", "--search"),
        (["--list", "--since", "soon"], 2, "usage", "7d"),
        (["--list", "--limit", "-1"], 2, "usage", "0"),
        ([NOWHERE, "--out", "-"], 2, "usage", "stdout"),
        ([NOWHERE, history.new_thread_id(1), "--out", "-"], 2, "usage", "stdout"),
        (["--last"], 7, "no-picture", "CODEX_HOME"),
    ],
)
def test_recover_with_arguments_that_name_nothing_fails(world, arguments, exit_code, code, words):
    assert_failed(world.call("recover", *arguments, "--json"), exit_code, code, words)
    assert files(world) == {}


def test_recover_with_an_unknown_suffix_fails_as_usage(world, thread):
    assert_failed(world.call("recover", thread, "--out", "fox.gif", "--json"), 2, "usage", ".png")


def test_recover_of_two_sessions_to_stdout_fails_as_usage(world, thread):
    other = history.thread_of(world.history.rollout(history.generated_image(OWL)))
    done = world.call("recover", thread, other, "--out", "-")
    assert (done.code, done.out) == (2, b"")
    assert_failed(world.call("recover", thread, other, "--out", "-", "--json"), 2, "usage", "stdout")


@pytest.mark.parametrize(
    ("records", "code", "exit_code"),
    [
        ([history.user_message()], "no-picture", 7),
        ([history.generated_image(torn(FOX))], "damaged-picture", 7),
        ([history.generated_image("!!! no base64")], "damaged-picture", 7),
    ],
)
def test_recover_of_a_session_without_a_whole_picture_fails(world, records, code, exit_code):
    thread = history.thread_of(world.history.rollout(*records))
    done = world.call("recover", thread, "--json")
    assert_failed(done, exit_code, code)
    assert done.json["thread_id"] == thread


def test_recover_of_a_torn_rollout_fails_as_damaged_picture(world):
    rollout = world.history.rollout(history.generated_image(FOX), end=b"")
    rollout.write_bytes(rollout.read_bytes()[:-50])
    assert_failed(world.call("recover", history.thread_of(rollout), "--json"), 7, "damaged-picture")


def test_recover_of_a_compressed_rollout_says_how_to_unpack_it(world):
    rollout = world.history.rollout(history.generated_image(FOX))
    compressed = rollout.rename(f"{rollout}.zst")
    for word in (history.thread_of(rollout), str(compressed)):
        assert_failed(world.call("recover", word, "--json"), 6, "session-missing", f"zstd -d {compressed}")
    world.history.saved(history.thread_of(rollout), FOX)
    assert world.call("recover", history.thread_of(rollout)).code == 0


def test_recover_of_an_unreadable_rollout_fails_as_session_missing(world):
    rollout = world.history.rollout(history.generated_image(FOX))
    rollout.unlink()
    rollout.symlink_to("/nowhere")
    assert_failed(world.call("recover", str(rollout), "--json"), 6, "session-missing", "No such file")


def test_recover_changes_nothing_in_the_codex_home(world, thread):
    before = {path: path.stat().st_mtime_ns for path in world.home.rglob("*")}
    world.call("recover", thread)
    world.call("recover", "--list")
    assert {path: path.stat().st_mtime_ns for path in world.home.rglob("*")} == before


def test_recover_help_names_what_is_read(world):
    assert "archived_sessions/" in world.call("recover", "--help").text
