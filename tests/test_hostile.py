"""Hostile input: malicious prompts, responses, records, files and pictures."""

from __future__ import annotations

import io
import json
import os
import socket
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import pytest
from PIL import Image

from codex_imagegen.codex.sessions.layout import parse_meta
from codex_imagegen.errors import ReferenceError_, ReferenceMissing, ReferenceNotImage
from codex_imagegen.images import references, structure
from codex_imagegen.images.decode import decode_picture
from tests.support import checks, history, scripts
from tests.support.in_process import call
from tests.support.lab import COMMAND
from tests.support.passive_terminal import run_on_terminal
from tests.support.pictures import encoded

FOX, SECRET = encoded(40, "fox"), encoded(44, "secret")
EVIL = "\x1b]0;owned\x07\x1b[2J\u202egnp.exe\u2066\x00\r\x9b31m\u2028fox\ud83e"
"""Sets a title, clears the screen, reverses text; then NUL, a C1 control, a line separator, half a surrogate pair."""
RAW = ("\x1b", "\x07", "\u202e", "\u2066", "\x00", "\r", "\x9b", "\u2028")


def assert_plain(text: str) -> None:
    assert [mark for mark in RAW if mark in text] == []
    assert all(line.isprintable() for line in text.split("\n"))


# A fake Codex that writes the records and the events that a test gives it


def scripted_codex(lab, *records, says=({"type": "thread.started", "thread_id": "<THREAD>"},), thread=None, more=""):
    """A Codex that writes these records; <THREAD> and <CWD> in them stand for its thread id and working folder.

    No base64 text contains these marks.
    """
    thread = thread or history.new_thread_id()
    rollout = [history.session_meta("<THREAD>", cwd="<CWD>"), *records]
    script = f"""#!{sys.executable} -IS
import json, os, sys, time
cwd, home = sys.argv[sys.argv.index("-C") + 1], os.environ["CODEX_HOME"]
sys.stderr.write("Reading prompt from stdin...\\n"); sys.stderr.flush()
sys.stdin.buffer.read()
def to_line(record):
    return json.dumps(record).replace("<THREAD>", {thread!r}).replace("<CWD>", cwd) + "\\n"
{more}
day = os.path.join(home, "sessions", time.strftime("%Y/%m/%d"))
os.makedirs(day, exist_ok=True)
for event in json.loads({json.dumps(json.dumps(says))}):
    sys.stdout.write(to_line(event)); sys.stdout.flush()
with open(os.path.join(day, "rollout-2026-01-01T00-00-00-{thread}.jsonl"), "w") as file:
    for record in json.loads({json.dumps(json.dumps(rollout))}):
        file.write(to_line(record))
sys.stdout.write(json.dumps({{"type": "turn.completed"}}) + "\\n")
"""
    path = lab.work.parent / "scripted-codex"
    path.write_text(script)
    path.chmod(0o755)
    return str(path), thread


def run(lab, codex, *more):
    line = ["--prompt", "a fox", "--out", "fox.png", "--codex", codex, *more]
    return call(*line, environment=lab.environment, folder=lab.work)


def test_record_with_a_path_of_another_file_delivers_nothing(lab):
    world = lab(offline=True)
    (world.work / "secret.png").write_bytes(SECRET)
    codex, _thread = scripted_codex(world, history.generated_image(None, savedPath=str(world.work / "secret.png")))
    assert run(world, codex, "--json").json["error"]["code"] == "no-picture"


@pytest.mark.parametrize("link", ["file", "folder", "parent"])
def test_link_out_of_the_threads_folder_delivers_nothing(lab, link):
    world = lab(offline=True)
    outside = world.work / "outside"
    outside.mkdir()
    (outside / "secret.png").write_bytes(SECRET)
    codex, thread = scripted_codex(world, history.generated_image(None, savedPath="x"))
    pictures = world.home / "generated_images"
    if link == "file":
        (pictures / thread).mkdir(parents=True)
        (pictures / thread / "call_1.png").symlink_to(outside / "secret.png")
    elif link == "folder":
        pictures.mkdir()
        (pictures / thread).symlink_to(outside)
    else:  # a user may move the whole folder to another disk; but it has no folder of this thread
        pictures.symlink_to(outside)
    done = run(world, codex, "--json")
    assert (done.code, done.json["error"]["code"]) == (7, "no-picture")


def test_special_file_in_the_threads_folder_is_ignored(lab):
    """A FIFO without a writer, an endless device, a sparse terabyte: the program neither reads nor waits for any."""
    world = lab(offline=True)
    codex, thread = scripted_codex(world, history.generated_image(None, savedPath="x"))
    folder = world.home / "generated_images" / thread
    folder.mkdir(parents=True)
    os.mkfifo(folder / "call_1.png")
    (folder / "call_2.png").symlink_to("/dev/zero")
    with (folder / "call_3.png").open("wb") as file:
        file.truncate(1 << 40)
    assert run(world, codex, "--json").json["error"]["code"] == "no-picture"


@pytest.mark.parametrize(
    "name",
    [
        "../../../work",
        "x" * 100_000,
        ["a"],
        *(pytest.param(one, marks=pytest.mark.every_build) for one in ("/etc", None)),
    ],
)
def test_malformed_thread_id_is_ignored_and_the_picture_delivered(lab, name):
    world = lab(offline=True)
    (world.work / "secret.png").write_bytes(SECRET)
    codex, thread = scripted_codex(
        world, history.generated_image(FOX), says=[{"type": "thread.started", "thread_id": name}]
    )
    done = run(world, codex, "--json")
    assert done.code == 0, done
    assert done.json["thread_id"] == thread  # the rollout is identified by its working folder
    assert (world.work / "fox.png").read_bytes() == FOX


def test_rollout_with_a_path_as_its_id_is_ignored(lab):
    world = lab(offline=True)
    evil = history.session_meta("../../../work", cwd="<CWD>")
    assert parse_meta(history.rollout_line(evil) + b"\n") is None
    (world.work / "secret.png").write_bytes(SECRET)
    codex, _thread = scripted_codex(world, history.generated_image(None, savedPath="x"), says=[])
    script = Path(codex).read_text().replace('"id": "<THREAD>"', '"id": "../../../work"').replace(
        '\\"id\\": \\"<THREAD>\\"', '\\"id\\": \\"../../../work\\"'
    )  # fmt: skip
    Path(codex).write_text(script)
    done = run(world, codex, "--json")
    assert done.json["error"]["code"] == "session-missing"
    assert not (world.work / "fox.png").exists()


def test_thread_of_another_run_delivers_nothing(lab):
    """A Codex that reports another session's existing thread gets nothing delivered."""
    world = lab(offline=True)
    rollout = history.History(world.home).rollout(history.generated_image(SECRET))
    other = history.thread_of(rollout)
    codex, _thread = scripted_codex(world, says=[{"type": "thread.started", "thread_id": other}])
    done = run(world, codex, "--json")
    assert done.code != 0
    assert not (world.work / "fox.png").exists()


# Control characters never reach the terminal


class RefusesWithControlCharacters(scripts.Refuses):
    words = EVIL.replace("\ud83e", "")


@pytest.mark.real
def test_answer_with_control_characters_is_printed_without_them(lab):
    world = lab(script=RefusesWithControlCharacters())
    done = world.run("--prompt", "a fox", "--out", "fox.png", "--json")
    assert done.json["error"]["code"] == "refused"
    assert "gnp.exe" in done.err
    assert_plain(done.err)
    assert_plain(done.text)


@pytest.mark.real
def test_prompt_with_control_characters_reaches_the_model_and_not_the_terminal(lab):
    world = lab(script=scripts.Draws())
    prompt = EVIL.replace("\x00", "").replace("\ud83e", "") + "--json -o /etc/passwd $(reboot) `reboot`"
    shown = on_terminal(world, world.argv("--prompt", prompt, "--out", "fox.png", "-v"))
    assert_plain(shown.replace("\r\n", "\n"))
    assert checks.texts_of_role(checks.requests(world)[0], "user")[-1].strip() == prompt.strip()


def test_codex_stderr_with_control_characters_is_printed_without_them(lab):
    world = lab(offline=True)
    control_characters = f"os.write(2, {EVIL.encode(errors='surrogatepass')!r} * 3 + b'\\n' + b'x' * 200_000)"
    codex, _thread = scripted_codex(world, history.generated_image(FOX), more=control_characters)
    for more in (["-v"], ["-v", "--json"]):
        done = run(world, codex, *more, "--force")
        assert "gnp.exe" in done.err
        assert_plain(done.err)


def test_event_error_with_control_characters_is_printed_without_them(lab):
    world = lab(offline=True)
    says = [
        {"type": "thread.started", "thread_id": "<THREAD>"},
        {"type": "turn.failed", "error": {"message": EVIL + " sk-proj-0123456789abcdef"}},
    ]
    codex, _thread = scripted_codex(world, says=says)
    done = run(world, codex, "--json")
    assert done.code == 5
    assert_plain(done.err)
    assert_plain(done.text)
    assert "sk-proj" not in done.err + done.text


@pytest.mark.parametrize("name", ["--ref", "--out", "--codex", "--prompt-file", "--no-such"])
def test_wrong_argument_with_control_characters_is_printed_without_them(name):
    evil = EVIL.replace("\x00", "").encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape") + ".gif"
    done = call("--prompt", "x", name, evil)
    assert done.code in {2, 3, 4}
    assert done.err
    assert_plain(done.err)


def test_path_with_control_characters_is_exact_in_a_pipe_and_escaped_on_a_terminal(lab):
    world = lab(offline=True)
    name = "\x1b[2Jfox\u202e\udcff.png"
    codex, _thread = scripted_codex(world, history.generated_image(FOX))
    line = [COMMAND, "--prompt", "x", "--codex", codex, "--force", "--out", name]
    assert world.run_argv(line).out == os.fsencode(world.work / name) + b"\n"
    assert (world.work / name).read_bytes() == FOX
    line[line.index(codex)] = scripted_codex(world, history.generated_image(FOX))[0]
    assert_plain(on_terminal(world, line).replace("\r\n", "\n"))


def on_terminal(world, line):
    """Run a command on a terminal without colours; return its output."""
    shown, code = run_on_terminal(line, cwd=world.work, env={**world.environment, "TERM": "dumb"})
    assert code == 0, shown
    return shown


# References


def test_reference_that_links_to_a_picture_is_loaded(tmp_path):
    (tmp_path / "fox.png").write_bytes(FOX)
    (tmp_path / "link").symlink_to("fox.png")
    assert references.load(str(tmp_path / "link")).data == FOX


@pytest.mark.parametrize("what", ["/dev/zero", "/dev/null", "/dev/stdin", "/dev/tty", "fifo", "folder", "socket"])
def test_reference_that_is_a_special_file_is_refused(tmp_path, monkeypatch, what):
    monkeypatch.chdir(tmp_path)  # a socket's name has to be short
    path = what
    if what == "fifo":
        os.mkfifo(path)
    elif what == "folder":
        os.mkdir(path)
    elif what == "socket":
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(path)
    with pytest.raises(ReferenceError_):
        references.load(path)


@pytest.mark.parametrize("path", ["loop", "x" * 5000, "a\0b", "gone/../gone"])
def test_reference_path_without_a_file_is_missing(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ReferenceMissing):
        references.load(path)


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(*chunks, width=8, height=8):
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IEND", b"")


def pixels(width, height):
    return chunk(b"IDAT", zlib.compress(b"\0" * (width + 1) * height, 9))


def webp_of_size(width, height):
    """A lossless WebP that states its size, and little more."""
    bits = (width - 1) | (height - 1) << 14
    body = b"WEBPVP8L" + struct.pack("<I", 6) + b"\x2f" + struct.pack("<I", bits) + b"\0"
    return b"RIFF" + struct.pack("<I", len(body)) + body


def jpeg_of_size(width, height):
    data = bytearray(encoded(8, "bomb", "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def zeros(mebibytes):
    """A zlib stream of so many MiB of zeros, assembled from one compressed MiB."""
    one = bytes(1 << 20)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(one) + packer.flush(zlib.Z_FULL_FLUSH)
    check = 1
    for _ in range(mebibytes):
        check = zlib.adler32(one, check)
    return b"\x78\xda" + block * mebibytes + b"\x03\x00" + struct.pack(">I", check)


BOMBS = {
    "png": lambda: png(chunk(b"IDAT", zeros(96)), width=10_000, height=10_000),
    "png header": lambda: png(chunk(b"IDAT", b"x"), width=2**31 - 1, height=2**31 - 1),
    "png more pixels than it says": lambda: png(chunk(b"IDAT", zeros(115))[:-20]),
    "png text": lambda: png(chunk(b"zTXt", b"k\0\0" + zeros(115)), pixels(8, 8)),
    "png international text": lambda: png(chunk(b"iTXt", b"k\0\1\0\0\0" + zeros(115)), pixels(8, 8)),
    "webp": lambda: webp_of_size(16_384, 16_384),
    "jpeg": lambda: jpeg_of_size(65_535, 65_535),
    "a large file": lambda: b"\x89PNG\r\n\x1a\n" + bytes(references.MAX_BYTES),
}
_LOAD = """
import resource, sys
from codex_imagegen.errors import ReferenceNotImage
from codex_imagegen.images import references
from codex_imagegen.images.decode import preload
preload()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    references.load(sys.argv[1])
except ReferenceNotImage as error:
    print(error.message)
unit = 1 if sys.platform == "darwin" else 1024
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit)
"""


@pytest.mark.parametrize("bomb", BOMBS)
def test_decompression_bomb_is_refused_in_little_memory(tmp_path, bomb):
    path = tmp_path / "bomb"
    path.write_bytes(BOMBS[bomb]())
    done = subprocess.run(
        [sys.executable, "-c", _LOAD, str(path)], capture_output=True, text=True, timeout=60, check=True
    )
    message, grown = done.stdout.splitlines()
    assert message.startswith("the reference ")
    assert int(grown) < 64 * 1024 * 1024 + path.stat().st_size, done.stdout


@pytest.mark.parametrize("kind", ["ICO", "PCX", "PPM", "EPS", "TGA"])
def test_reference_of_another_format_named_png_is_refused(tmp_path, kind):
    path = tmp_path / "fox.png"
    with Image.open(io.BytesIO(FOX)) as image:
        image.save(path, kind)
    with pytest.raises(ReferenceNotImage):
        references.load(str(path))


# Pictures with trailing data


def archive():
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        file.writestr("evil.py", "import os")
    return target.getvalue()


def with_webp_frame():
    return encoded(40, "fox", "WEBP")


@pytest.mark.parametrize(("data", "suffix"), [(FOX, "png"), (with_webp_frame(), "webp")])
def test_picture_with_trailing_data_warns_and_is_delivered_unchanged(lab, data, suffix):
    world = lab(offline=True)
    polyglot = data + archive()
    codex, thread = scripted_codex(world, history.generated_image(polyglot))
    line = ["--prompt", "x", "--codex", codex, "--json"]
    recover = ["recover", thread, "--json", "--out", f"again.{suffix}"]
    for command in [[*line, "--out", f"fox.{suffix}"], *([recover] if suffix == "png" else [])]:
        answer = call(*command, environment=world.environment, folder=world.work).json
        assert [warning["code"] for warning in answer["warnings"]] == ["trailing-data"], str(answer)
        assert f"{len(archive()):,} bytes" in answer["warnings"][0]["message"]
        assert Path(answer["images"][0]["path"]).read_bytes() == polyglot


def test_picture_with_trailing_data_that_is_converted_loses_it(lab):
    world = lab(offline=True)
    codex, _thread = scripted_codex(world, history.generated_image(FOX + archive()))
    assert run(world, codex, "--out", "fox.jpg", "--json").json["warnings"] == []
    assert not zipfile.is_zipfile(world.work / "fox.jpg")


@pytest.mark.parametrize("format_", ["PNG", "WEBP", "JPEG"])
def test_picture_without_trailing_data_measures_none(format_):
    for side in (1, 33, 64):
        assert structure.trailing_bytes(decode_picture(encoded(side, "clean", format_))) == 0


def test_chunk_longer_than_its_file_measures_no_trailing_data():
    picture = decode_picture(FOX)
    odd = picture.__class__(FOX[:8] + b"\xff\xff\xff\xffIDAT", "png", 1, 1)
    assert structure.trailing_bytes(odd) == 0


def test_json_of_text_with_control_characters_is_ascii(lab):
    world = lab(offline=True)
    codex, _thread = scripted_codex(world, history.generated_image(FOX, revisedPrompt=EVIL.replace("\ud83e", "")))
    done = run(world, codex, "--json")
    assert done.out.isascii()
    assert done.json["images"][0]["revised_prompt"] == EVIL.replace("\ud83e", "")
