"""Wrong input is refused before anything is spent; unusual but right input is sent unchanged."""

from __future__ import annotations

import io
import os
import resource
import stat
import sys
from functools import cache
from pathlib import Path

import pytest
from PIL import Image

from codex_imagegen.codex.run.command import MAX_PROMPT_CHARS
from tests.support import builds, checks, recorded_runs
from tests.support.checks import ENDS, DrawsSmall, assert_failed, assert_reported, small_png, wait_until
from tests.support.in_process import call
from tests.support.lab import COMMAND
from tests.support.pictures import encoded, torn

pytestmark = pytest.mark.real
FOX = ["--prompt", "a red fox"]
THREAD = "01a1fbfb-2fd1-76d1-8710-f49d1e09e2bc"


@pytest.fixture
def world(lab):
    """A world with every kind of file that can be named by mistake."""
    world = lab(script=DrawsSmall())
    work = world.work
    (work / "text.txt").write_text("no picture")
    (work / "text.png").write_text("no picture")
    (work / "latin.txt").write_bytes("füchsin".encode("latin-1"))
    (work / "nul.txt").write_bytes(b"a red\0fox")
    (work / "blank.txt").write_bytes(b" \n\t\r\n")
    (work / "long.txt").write_text("x" * (MAX_PROMPT_CHARS + 1))
    (work / "endless.txt").symlink_to("/dev/zero")
    (work / "folder.jpg").mkdir()
    (work / "ref.jpg").write_bytes(encoded(format="JPEG"))
    (work / "torn.jpg").write_bytes(torn(encoded(format="JPEG")))
    (work / "torn.webp").write_bytes(torn(encoded(64)))
    (work / "bomb.webp").write_bytes(_bomb())
    os.mkfifo(work / "fifo.jpg")
    (work / "device.jpg").symlink_to("/dev/zero")
    (work / "loop.jpg").symlink_to("loop.jpg")
    (work / "taken.jpg").write_bytes(b"precious")
    (work / "dangling.jpg").symlink_to("nothing.jpg")
    return world


@cache
def _bomb():
    """A PNG of 12,000 × 12,000 pixels in 18 KB."""
    target = io.BytesIO()
    Image.new("1", (12_000, 12_000)).save(target, "PNG")
    return target.getvalue()


USAGE = {
    "no prompt": [],
    "both prompts": [*FOX, "--prompt-file", "text.txt"],
    "empty prompt": ["--prompt="],
    "blank prompt": ["--prompt", " \n\t"],
    "blank prompt file": ["--prompt-file", "blank.txt"],
    "long prompt": ["--prompt-file", "long.txt"],
    "endless prompt": ["--prompt-file", "endless.txt"],
    "NUL": ["--prompt-file", "nul.txt"],
    "no UTF-8 in a file": ["--prompt-file", "latin.txt"],
    "no UTF-8 on the command line": ["--prompt", os.fsdecode(b"f\xfcchsin")],
    "no prompt file": ["--prompt-file", "nowhere.txt"],
    "prompt file is a folder": ["--prompt-file", "folder.jpg"],
    "nothing on stdin": ["--prompt", "-"],
    "six references": [*FOX, *["--ref", "ref.jpg"] * 6],
    "unknown suffix": [*FOX, "--out", "fox.gif"],
    "dots only": [*FOX, "--out", ".png"],
    "empty out": [*FOX, "--out="],
    "several on a device": [*FOX, "--out", "/dev/null", "--count", "2"],
    "JSON and bytes on stdout": [*FOX, "--out", "-"],
    "JSON and bytes on stdout by another name": [*FOX, "--out", "/dev/stdout"],
    "made before in a folder": [*FOX, "--out", "new/", "--skip-existing"],
    "made before under no name": [*FOX, "--skip-existing"],
    "timeout 0": [*FOX, "--timeout-sec", "0"],
    "timeout -1": [*FOX, "--timeout-sec", "-1"],
    "timeout nan": [*FOX, "--timeout-sec", "nan"],
    "timeout inf": [*FOX, "--timeout-sec", "inf"],
    "timeout x": [*FOX, "--timeout-sec", "x"],
    "unknown option": [*FOX, "--nonsense"],
    "value missing": ["--prompt"],
    "one word too many": [*FOX, "more"],
    "unknown command": ["nonsense"],
}
REFUSED = {
    "reference missing": (4, "ref-missing", ["--ref", "nowhere.png"]),
    "reference empty": (4, "ref-missing", ["--ref="]),
    "reference in a file": (4, "ref-missing", ["--ref", "text.txt/ref.png"]),
    "reference loop": (4, "ref-missing", ["--ref", "loop.jpg"]),
    "reference folder": (4, "ref-not-image", ["--ref", "folder.jpg"]),
    "reference text": (4, "ref-not-image", ["--ref", "text.png"]),
    "reference empty file": (4, "ref-not-image", ["--ref", "/dev/null"]),
    "half a JPEG": (4, "ref-not-image", ["--ref", "torn.jpg"]),
    "half a PNG": (4, "ref-not-image", ["--ref", "torn.webp"]),
    "bomb": (4, "ref-not-image", ["--ref", "bomb.webp"]),
    "fifo": (4, "ref-not-image", ["--ref", "fifo.jpg"]),
    "device": (4, "ref-not-image", ["--ref", "device.jpg"]),
    "second reference text": (4, "ref-not-image", ["--ref", "ref.jpg", "--ref", "text.txt"]),
    "out exists": (73, "out-exists", ["--out", "taken.jpg"]),
    "out is a dangling link": (73, "out-exists", ["--out", "dangling.jpg"]),
    "out in a file": (73, "out-unwritable", ["--out", "text.txt/fox.png"]),
    "out deep in a file": (73, "out-unwritable", ["--out", "text.txt/a/b/fox.png"]),
    "out in a read-only folder": (73, "out-unwritable", ["--out", "/proc/self/fox.png"]),
    "out below a read-only folder": (73, "out-unwritable", ["--out", "/proc/self/a/fox.png"]),
    "out is a file with a slash": (73, "out-unwritable", ["--out", "taken.jpg/"]),
    "out is a file with a slash, forced": (73, "out-unwritable", ["--out", "taken.jpg/", "--force"]),
    "out without a suffix exists": (73, "out-exists", ["--out", "taken", "--format", "jpeg"]),
    "out is too long": (73, "out-unwritable", ["--out", "x" * 300 + ".png"]),
}


def assert_refused(world, done, exit_code, code):
    """The failure is reported, nothing was spent or started, nothing is left, and nothing of the user's was touched."""
    answer = assert_reported(done, exit_code, code)
    assert answer["error"]["spent"] is False
    assert answer["thread_id"] is None
    assert world.standin.calls == []
    assert not (world.home / "sessions").exists()
    assert (world.work / "taken.jpg").read_bytes() == b"precious"
    assert not list(world.work.glob("*fox*"))
    assert not list(world.work.glob("image*"))
    checks.assert_clean(world)


def test_run_with_arguments_that_make_no_sense_fails_as_usage(world):
    for name, arguments in USAGE.items():
        print(name)
        assert_refused(world, world.call("--json", *arguments), 2, "usage")


def test_run_with_files_that_cannot_be_used_is_refused_unspent(world):
    for name, (exit_code, code, arguments) in REFUSED.items():
        print(name)
        assert_refused(world, world.call("--json", *FOX, *arguments), exit_code, code)


def test_run_with_a_stdin_that_is_no_prompt_fails_as_usage(world):
    for stdin in (b"", b" \n", b"f\xfcchsin", b"a\0b", b"x" * (MAX_PROMPT_CHARS + 1)):
        print(stdin[:10])
        assert_refused(world, world.call("--prompt", "-", "--json", stdin=stdin), 2, "usage")
    assert_refused(world, world.run("--prompt", "-", "--json", stdin=b"f\xfcchsin"), 2, "usage")


def test_run_that_fails_without_json_prints_one_sentence(world):
    done = world.run(*FOX, "--ref", "nowhere.png")  # a process of its own: its exit code and streams
    assert (done.code, done.text) == (4, "")
    assert done.err.startswith("codex-imagegen: the reference 'nowhere.png' can't be read: ")


def test_usage_error_with_json_anywhere_prints_the_object(world):
    for arguments in (["--json", "--nonsense"], ["--nonsense", "--json"], ["generate", "--json", "--nonsense"]):
        assert world.call(*arguments).json["error"]["code"] == "usage"


def test_usage_error_with_json_as_a_value_prints_no_object(world):
    for option in ("--out", "--ref", "--codex", "--timeout-sec", "--prompt-file", "--model", "-o"):
        done = world.call("--nonsense", option, "--json")
        assert (done.code, done.text) == (2, ""), option


def test_failure_that_quotes_control_characters_prints_none(world):
    done = world.call(*FOX, "--ref", "\x1b[2J\u202egnp.\r\nx", "--json")
    assert_refused(world, done, 4, "ref-missing")
    assert "\x1b" not in done.err
    assert "\u202e" not in done.err


def test_run_with_a_missing_temporary_folder_fails_as_out_unwritable(world):
    done = world.call(*FOX, "--json", env={"TMPDIR": str(world.tmp / "nowhere")})
    assert_refused(world, done, 73, "out-unwritable")


# Codex


def script(world, *lines, name="codex", interpreter="/bin/sh", mode=0o755):
    """A broken Codex: a script of the test's own."""
    path = world.tmp / name
    path.write_text("\n".join([f"#!{interpreter}", *lines, ""]))
    path.chmod(mode)
    return str(path)


def run_with(world, codex, *arguments):
    line = [*FOX, "--out", "fox.png", "--json", "--codex", codex, *arguments]
    return call(*line, environment=world.environment, folder=world.work)


def test_run_without_codex_on_path_fails_as_codex_missing(world):
    done = call(*FOX, "--json", environment={**world.environment, "PATH": str(world.tmp)}, folder=world.work)
    assert_refused(world, done, 3, "codex-missing")
    assert "npm install" in done.json["error"]["hint"]


def test_run_with_a_codex_that_is_no_executable_file_fails_as_codex_missing(world):
    for codex in ("/nowhere/codex", "no-such-codex", "folder.jpg", "./folder.jpg", "./text.txt", "/"):
        print(codex)
        assert_refused(world, run_with(world, codex), 3, "codex-missing")
    assert_refused(world, run_with(world, script(world, mode=0o644)), 3, "codex-missing")


def test_run_with_a_codex_that_is_no_program_fails_as_codex_missing(world):
    path = world.tmp / "codex"
    path.write_bytes(b"\x00\x01rubbish")
    path.chmod(0o755)
    assert_refused(world, run_with(world, str(path)), 3, "codex-missing")


def test_run_with_a_codex_whose_interpreter_is_missing_fails_as_codex_missing(world):
    codex = script(world, interpreter="/nowhere/node")
    assert_refused(world, run_with(world, codex), 3, "codex-missing")


@pytest.mark.parametrize("real", [False, pytest.param(True, marks=pytest.mark.every_build)], ids=["recorded", "real"])
def test_run_with_a_codex_that_is_too_old_names_the_update(world, real):
    """The recorded one is all that 0.107.0 says and does: its words, and its exit code."""
    words = (recorded_runs.ROOT / f"{builds.TOO_OLD}-too-old" / "stderr").read_text().strip()
    codex = str(builds.codex(builds.TOO_OLD)) if real else script(world, f"echo '{words}' >&2", "exit 1")
    done = run_with(world, codex)
    assert_refused(world, done, 3, "codex-too-old")
    assert "npm install" in done.json["error"]["hint"]


def test_run_with_a_codex_that_exits_at_once_quotes_its_words(world):
    done = run_with(world, script(world, "echo 'something broke' >&2", "exit 1"))
    assert_refused(world, done, 5, "codex-failed")
    assert "something broke" in done.json["error"]["message"]


def test_run_with_a_codex_that_prints_garbage_and_fails_fails_as_codex_failed(world):
    rubbish = "head -c 300000 /dev/urandom; head -c 300000 /dev/urandom >&2"
    assert_refused(world, run_with(world, script(world, rubbish, "exit 3")), 5, "codex-failed")


def test_run_with_a_codex_that_prints_garbage_and_ends_well_has_no_session(world):
    lines = ["echo hello", "echo '[1, 2]'", 'echo \'{"type": "thread.started", "thread_id": "../../etc"}\'']
    done = run_with(world, script(world, *lines))
    assert_failed(world, done, 6, "session-missing", spent=None)
    assert done.json["thread_id"] is None


def test_run_with_a_codex_that_writes_no_rollout_fails_as_session_missing(world):
    started = f'{{"type": "thread.started", "thread_id": "{THREAD}"}}'
    done = run_with(world, script(world, f"echo '{started}'", 'echo \'{"type": "turn.completed"}\''))
    assert_failed(world, done, 6, "session-missing", spent=True)
    assert done.json["thread_id"] == THREAD


READS = "echo Reading prompt from stdin... >&2"


def test_run_with_a_codex_that_hangs_fails_as_timeout(world):
    done = run_with(world, script(world, READS, "sleep 600"), "--timeout-sec", "1")
    assert_failed(world, done, 5, "timeout", spent=None)  # it has its prompt


def test_run_with_a_codex_that_reads_no_prompt_yet_leaves_it_to_end_by_itself(world):
    """It may be indexing its sessions: it gets no prompt and no signal."""
    note = world.tmp / "ended"
    codex = script(world, "trap 'exit 1' INT TERM", "cat", "sleep 0.5", f"echo ended > {note}")
    done = run_with(world, codex, "--timeout-sec", "1")
    assert_refused(world, done, 5, "timeout")
    wait_until(note.exists, "its own end")


def test_run_with_a_codex_that_ignores_signals_ends_it_and_its_children(world):
    codex = script(world, READS, "trap '' INT TERM", "sleep 600 & sleep 600")
    assert_failed(world, run_with(world, codex, "--timeout-sec", "1"), 5, "timeout", spent=None)


def test_run_with_a_codex_that_never_reads_a_long_prompt_fails_as_timeout(world):
    (world.work / "large.txt").write_text("x" * 1_000_000)
    codex = script(world, READS, "sleep 600")
    line = ["--prompt-file", "large.txt", "--json", "--codex", codex, "--timeout-sec", "1"]
    done = call(*line, environment=world.environment, folder=world.work)
    assert_failed(world, done, 5, "timeout", spent=None)


# A full disk


def test_run_with_a_full_disk_names_the_command_that_recovers(lab):
    """The limit on the size of a file stands in for the disk; it is ours alone, Codex lifts it for itself."""
    world = lab(script=DrawsSmall())
    codex = script(world, "ulimit -S -f unlimited", f'exec "{builds.codex(world.version)}" "$@"')
    limit = "import os, resource, sys\n"
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))\n"
    limit += "os.environ['PYTHONDONTWRITEBYTECODE'] = '1'\n"  # a compiled module that is cut off fails later imports
    limit += "os.execv(sys.argv[1], sys.argv[1:])\n"
    argv = [sys.executable, "-c", limit, COMMAND, *FOX, "--out", "new/fox.png", "--json", "--codex", codex]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    done = world.run_argv(argv)
    answer = assert_failed(world, done, 73, "out-unwritable", spent=True)
    assert answer["error"]["hint"].startswith("fetch the picture with:\ncodex-imagegen recover " + answer["thread_id"])
    assert answer["thread_id"] in world.rollouts()[0].name


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a Linux device")
def test_run_with_a_full_disk_behind_stdout_names_the_command_that_recovers(lab):
    world = lab(script=DrawsSmall())
    argv = ["/bin/sh", "-c", '"$@" > /dev/full', "sh", *world.argv(*FOX, "--out", "-")]
    done = world.run_argv(argv)
    assert done.code == 73
    assert len(done.err.splitlines()) == 1
    assert "No space left on device" in done.err
    assert "recover" in done.err
    checks.assert_clean(world)


def test_run_whose_output_appears_meanwhile_leaves_it_alone(lab):
    class Appears(DrawsSmall):
        def draw(self, prompt):
            path.write_bytes(b"precious")
            return super().draw(prompt)

    world = lab(script=Appears())
    path = world.work / "fox.png"
    done = world.call(*FOX, "--out", "fox.png", "--json")
    answer = assert_reported(done, 73, "out-exists")
    assert answer["error"]["spent"] is True
    assert answer["thread_id"] in answer["error"]["hint"]
    assert path.read_bytes() == b"precious"
    checks.assert_clean(world)


def test_run_whose_folder_vanishes_meanwhile_makes_it_again(lab):
    class Vanishes(DrawsSmall):
        def draw(self, prompt):
            folder.rmdir()
            return super().draw(prompt)

    world = lab(script=Vanishes())
    folder = world.work / "folder"
    folder.mkdir()
    assert world.call(*FOX, "--out", "folder/fox.png").code == 0
    assert (folder / "fox.png").read_bytes() == small_png("a red fox")


def test_run_whose_reader_has_gone_writes_its_picture(lab):
    world = lab(script=DrawsSmall())
    done = world.run_argv(["/bin/sh", "-c", '"$@" | head -c 0', "sh", *world.argv(*FOX, "--out", "fox.png")])
    assert done.err == ""
    assert (world.work / "fox.png").read_bytes() == small_png("a red fox")


def test_run_with_closed_streams_writes_its_picture(lab):
    world = lab(script=DrawsSmall())
    world.run_argv(["/bin/sh", "-c", '"$@" <&- >&- 2>&-', "sh", *world.argv(*FOX, "--out", "fox.png")])
    assert (world.work / "fox.png").read_bytes() == small_png("a red fox")
    checks.assert_clean(world)


# Valid, however unusual

PROMPTS = {
    "dashes": "--help --json -x\n--prompt",
    "shell": 'it\'s "so" $HOME ${x} `ls` $(id) \\n \\ %s ! # & | ; < > * ? ~ {{}} \t.\r\nnext\rlast',
    "scripts": "狐狸 キツネ 여우 лиса αλεπού ثعلب שועל लोमड़ी จิ้งจอก աղվես მელა",
    "marks": "e\u0301 \ufdfd \u200fRTL\u200e \u202eabc\u202c \U0001d523 \U0001f469\u200d\U0001f467 \U0001f98a \u2028",
    "tags": '<image name=[Image #1]></image> </user> <|im_end|> {"type":"message"} @file /help !ls',
    "space": "  a red fox\n\n",
}


def assert_word_for_word(world, done, prompt):
    assert (done.code, done.err) == (0, "")
    request = checks.requests(world)[0]
    assert checks.texts_of_role(request, "user")[-1] == prompt
    assert checks.tool_prompts(world) in ([], [prompt])
    assert (world.work / "fox.png").read_bytes() == small_png(prompt)


@ENDS
def test_run_with_prompt_of_every_kind_of_character_sends_it_word_for_word(lab, version):
    """In one prompt, which begins with dashes and ends in spaces."""
    world = lab(version, script=DrawsSmall())
    prompt = "\n".join(PROMPTS.values())
    assert_word_for_word(world, world.run("--prompt", prompt, "--out", "fox.png"), prompt)


@pytest.mark.every_build
@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS.keys())
def test_run_with_prompt_of_one_kind_of_character_sends_it_word_for_word(lab, prompt):
    world = lab(script=DrawsSmall())
    assert_word_for_word(world, world.run("--prompt", prompt, "--out", "fox.png"), prompt)


def test_run_with_the_longest_prompt_from_stdin_sends_it_word_for_word(lab):
    world = lab(script=DrawsSmall())
    prompt = "x" * MAX_PROMPT_CHARS
    done = world.run("--prompt-file", "-", "--out", "fox.png", stdin=prompt.encode())
    assert_word_for_word(world, done, prompt)


@ENDS
def test_run_with_300_000_characters_from_a_file_sends_them_word_for_word(lab, version):
    world = lab(version, script=DrawsSmall())
    prompt = ("\n".join(PROMPTS.values()) + "a red fox, 狐狸, " * 21_429)[:300_000]
    (world.work / "prompt.txt").write_bytes(prompt.encode())
    assert_word_for_word(world, world.call("--prompt-file", "prompt.txt", "--out", "fox.png"), prompt)


def test_run_with_any_characters_in_its_name_writes_there(lab):
    world = lab(script=DrawsSmall())
    name = "狐 'fox' \"$x\" \n -o.png"
    done = world.call(*FOX, "--out", f"./{name}")
    assert done.code == 0
    assert (world.work / name).read_bytes() == small_png("a red fox")
    assert stat.S_IMODE((world.work / name).stat().st_mode) == 0o666 & ~_umask()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
