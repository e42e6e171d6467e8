"""``--ref -`` and ``--last``: a reference that is not a file."""

from __future__ import annotations

import hashlib
import shlex
import time

import pytest

from codex_imagegen.images import references
from codex_imagegen.results import Image
from codex_imagegen.runner import several
from tests.support import checks, history, terminal
from tests.support.checks import DrawsSmall, small_png
from tests.support.pictures import encoded
from tests.support.scripts import BlocksPicture, RateLimitsPictures, UsageLimit

FOX, OWL = encoded(40, "fox"), encoded(44, "owl")


def session(world, *pictures, minutes=5.0):
    """A past session of these pictures; returns its thread."""
    at = time.time() - 60 * minutes
    records = [history.generated_image(data, call_id=f"call_{number}") for number, data in enumerate(pictures)]
    records.insert(0, history.user_message())
    return history.thread_of(world.history.rollout(*records, at=at))


class MakesTwo(DrawsSmall):
    """Draws two pictures, and then the plan's limit is reached."""

    left = 2

    def picture(self, call):
        self.left -= 1
        return super().picture(call)

    def respond(self, call):
        return UsageLimit().reply if self.left <= 0 else super().respond(call)


# stdin


@pytest.mark.real
def test_picture_on_stdin_is_a_reference_in_its_place(lab):
    world = lab(script=DrawsSmall())
    (world.work / "owl.png").write_bytes(OWL)
    words = ["--ref", "owl.png", "--ref", "-", "-o", "new.png", "--json"]
    done = world.run("-p", "both", *words, stdin=encoded(50, format="GIF"))
    assert (done.code, done.json["last"], done.json["warnings"]) == (0, None, [])
    first, second = checks.tool_references(world)
    assert first == OWL
    assert second.startswith(b"\x89PNG")
    assert checks.shown_pictures(checks.requests(world)[0]) == [first, second]


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "message"),
    [
        (["-p", "x", "--ref", "-", "--ref", "-"], FOX, 2, "stdin can't be two references"),
        (["-p", "-", "--ref", "-"], FOX, 2, "stdin can't be a reference and the prompt"),
        (["-", "--ref", "-"], FOX, 2, "stdin can't be a reference and the prompt"),
        (["--prompt-file", "-", "--ref", "-"], FOX, 2, "stdin can't be a reference and the prompt"),
        (["-p", "x", "--ref", "-"], b"", 4, "the reference 'stdin' can't be used: it is empty"),
        (["-p", "x", "--ref", "-"], b"no picture", 4, "the reference 'stdin' can't be used: it is not a picture"),
    ],
)
def test_stdin_that_can_be_no_reference_is_refused(lab, arguments, stdin, code, message):
    world = lab(script=DrawsSmall())
    done = world.call(*arguments, "--json", stdin=stdin)
    assert (done.code, world.model_calls) == (code, 0)
    assert message in done.json["error"]["message"]
    assert done.json["error"]["hint"]


def test_stdin_that_is_a_terminal_is_no_reference(lab, monkeypatch):
    monkeypatch.setattr("codex_imagegen.cli.console.is_stdin_terminal", lambda: True)
    done = lab(offline=True).call("-p", "x", "--ref", "-")
    assert (done.code, "stdin is a terminal" in done.err, "recover --last --out - |" in done.err) == (2, True, True)


def test_large_stdin_is_refused_and_not_read_to_its_end(lab, monkeypatch):
    monkeypatch.setattr(references, "MAX_BYTES", 1000)
    done = lab(offline=True).call("-p", "x", "--ref", "-", stdin=bytes(5000))
    assert (done.code, "the reference 'stdin' has 1,001 bytes, more than 1,000" in done.err) == (4, True)


def test_job_of_a_batch_can_not_read_stdin(lab):
    world = lab(script=DrawsSmall())
    (world.work / "jobs.jsonl").write_text('{"prompt": "a fox", "ref": "-"}')
    done = world.call("batch", "jobs.jsonl")
    assert (done.code, "stdin can't be a reference here" in done.err) == (2, True)


# --last


@pytest.mark.real
def test_last_picture_is_the_first_reference_and_named(lab):
    world = lab(script=DrawsSmall())
    session(world, OWL, minutes=90)
    thread = session(world, FOX)
    (world.work / "owl.png").write_bytes(OWL)
    done = world.call("-p", "at night", "--ref", "owl.png", "--last", "-o", "night.png", "--json")
    digest = hashlib.sha256(FOX).hexdigest()
    assert done.code == 0
    last = {"thread_id": thread, "width": 40, "height": 40, "bytes": len(FOX), "sha256": digest}
    assert done.json["last"] == last
    assert checks.tool_references(world) == [FOX, OWL]
    (line,) = done.err.splitlines()
    assert line.startswith(f"codex-imagegen: --last is the picture of the thread {thread[:13]}, made 5 min ago: ")
    assert history.PROMPT[:20] in line
    assert (world.work / "night.png").read_bytes() == small_png("at night")


@pytest.mark.every_build
@pytest.mark.real
def test_all_pictures_of_a_count_have_the_same_last_picture(lab):
    world = lab(script=DrawsSmall())
    session(world, FOX)
    done = world.call("-p", "x", "--last", "--count", "2", "--jobs", "1", "-o", "x.png", "--json", "-q")
    assert (done.code, done.err, done.json["last"]["bytes"]) == (0, "", len(FOX))
    shown = [checks.shown_pictures(call) for call in checks.requests(world)]
    assert [pictures for pictures in shown if pictures] == [[FOX]] * len([each for each in shown if each])
    assert [warning["code"] for warning in done.json["warnings"]] == ["same-as-another"]
    assert done.json["warnings"][0]["message"] == "x-2.png is the same picture as x-1.png, byte for byte"


@pytest.mark.real
def test_failure_names_the_last_picture_and_never_delivers_it(lab):
    world = lab(script=BlocksPicture())
    thread = session(world, FOX)
    done = world.call("-p", "x", "--last", "-o", "x.png", "--json", "-q")
    assert (done.code, done.json["error"]["code"], done.json["last"]["thread_id"]) == (7, "moderation", thread)
    assert not (world.work / "x.png").exists()


def test_last_picture_is_told_as_an_event(lab):
    world = lab(offline=True)
    session(world, FOX)
    done = world.call("-p", "x", "--last", "-q", "--events")
    assert done.code == 3
    assert [event["event"] for event in done.events] == ["message", "error"]
    assert done.events[0]["message"].startswith("--last is the picture of the thread ")


def test_last_picture_is_named_in_whole_words_on_a_narrow_terminal(lab):
    world = lab(offline=True)
    session(world, FOX)
    environment = {**world.environment, "TERM": "xterm"}
    argv = world.argv("-p", "x", "--last", "-o", "x.png")
    shown = terminal.run(terminal.SILENT, argv, env=environment, cwd=world.work, columns=40).shown.decode()
    lines = shown.replace("\r", "").split("\n")
    assert lines[0] == "codex-imagegen: --last is the picture of"
    assert lines[1].startswith("the thread ")
    assert max(map(len, lines[:3])) <= 40


def test_last_picture_where_there_is_none_is_missing(lab):
    done = lab(offline=True).call("-p", "x", "--last", "--json")
    assert (done.code, done.json["error"]["code"], done.json["last"]) == (4, "ref-missing", None)
    assert "has a picture" in done.json["error"]["message"]


def test_damaged_later_picture_is_told(lab):
    world = lab(script=DrawsSmall())
    session(world, FOX, minutes=60)
    session(world, OWL[:-30], minutes=1)
    done = world.call("-p", "x", "--last", "-o", "x.png", "--json")
    assert (done.code, done.json["last"]["bytes"]) == (0, len(FOX))
    assert [warning["code"] for warning in done.json["warnings"]] == ["damaged-picture"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--last", "--backend", "runcomfy"], "--last and --backend runcomfy contradict each other"),
        (["--last", "--codex-arg", "resume", "--codex-arg", history.new_thread_id()], "--codex-arg resume contradict"),
        (["--last", *["--ref", "a.png"] * 5], "6 references were given"),
        (["--last", "--count", "0"], "--count can't be 0"),
    ],
)
def test_last_picture_that_contradicts_another_option_is_refused(lab, arguments, message):
    world = lab(script=DrawsSmall())
    session(world, FOX)
    done = world.call("-p", "x", *arguments, "--json")
    assert (done.code, world.model_calls) == (2, 0)
    assert message in done.json["error"]["message"]


def test_batch_and_its_jobs_take_no_last_picture(lab):
    world = lab(offline=True)
    (world.work / "jobs.jsonl").write_text('{"prompt": "a fox", "last": true}')
    assert "'last' can't be set for one job" in world.call("batch", "jobs.jsonl").err
    assert world.call("batch", "jobs.jsonl", "--last").code == 2


# The command that makes what is missing


@pytest.mark.real
def test_command_that_goes_on_has_the_same_reference_from_a_pipe(lab):
    world = lab(script=MakesTwo())
    thread = session(world, FOX)
    done = world.call("--last", "-p", "x", "--count", "4", "--jobs", "1", "-o", "x.png", "--json", "-q")
    assert (done.code, len(done.json["images"])) == (1, 2)
    command = done.json["error"]["hint"].rpartition("\n")[2]
    assert command.startswith(f"codex-imagegen recover {thread} --out - | codex-imagegen --ref - -p x ")
    assert "--last" not in command
    world.standin.script = DrawsSmall()
    before = len(checks.requests(world))
    recover, generate = (shlex.split(part)[1:] for part in command.split(" | "))
    picture = world.run_argv([world.argv()[0], *recover])
    again = world.run(*generate, stdin=picture.out)
    assert (again.code, len(again.json["images"]), again.json["last"]) == (0, 4, None)
    assert all(
        pictures == [FOX] for call in checks.requests(world)[before:] if (pictures := checks.shown_pictures(call))
    )


@pytest.mark.every_build
@pytest.mark.real
def test_command_that_goes_on_says_in_words_what_a_pipe_can_not_bring(lab):
    world = lab(script=MakesTwo())
    thread = session(world, OWL, FOX)
    words = ["--count", "4", "--jobs", "1", "-o", "x.png", "--json", "-q"]
    hint = world.call("--last", "-p", "x", *words).json["error"]["hint"]
    assert f"with the picture that --last was as FILE (recover {thread} writes it), with:\n" in hint
    assert hint.rpartition("\n")[2].startswith("codex-imagegen --ref FILE -p x --count 4 ")


@pytest.mark.every_build
@pytest.mark.real
@pytest.mark.parametrize("arguments", [["-"], ["-p", "x", "--ref", "-"]])
def test_command_that_goes_on_needs_the_same_standard_input(lab, arguments):
    world = lab(script=MakesTwo())
    words = ["--count", "4", "--jobs", "1", "-o", "x.png", "--json", "-q"]
    hint = world.call(*arguments, *words, stdin=FOX if "--ref" in arguments else b"a fox").json["error"]["hint"]
    assert "go on, with the same standard input, with:\n" in hint


# Warnings


class GivesBack(DrawsSmall):
    """Gives the reference back, byte for byte."""

    def draw(self, prompt):
        return FOX


@pytest.mark.real
def test_picture_that_is_its_reference_is_told(lab):
    world = lab(script=GivesBack())
    (world.work / "fox.png").write_bytes(FOX)
    done = world.call("-p", "x", "--ref", "fox.png", "-o", "x.png", "--json")
    assert (done.code, (world.work / "x.png").read_bytes()) == (0, FOX)
    assert [warning["code"] for warning in done.json["warnings"]] == ["same-as-reference"]
    assert "'fox.png', byte for byte" in done.json["warnings"][0]["message"]


@pytest.mark.real
def test_warnings_about_several_pictures_name_which(lab):
    world = lab(script=DrawsSmall())
    done = world.call("-p", "x", "--transparent", "--count", "2", "--jobs", "1", "-o", "icon.png")
    warnings = [line for line in done.err.splitlines() if "no pixel is transparent" in line]
    assert [line.removeprefix("codex-imagegen: warning: ").split(":")[0] for line in warnings] == [
        "icon-1.png", "icon-2.png",
    ]  # fmt: skip
    single = world.call("-p", "x", "--transparent", "-o", "one.png").err
    assert "warning: requested a transparent background" in single


def test_equal_pictures_are_told_only_if_this_run_made_one_of_them():
    images = {index: Image(f"/x/fox-{index + 1}.png", "png", 1, 1, 1, sha256) for index, sha256 in enumerate("aabab")}
    told = [warning.message.split()[0] for warning in several.repeated(images, made={2, 3})]
    assert told == ["fox-4.png", "fox-5.png"]
    assert several.repeated(images, made=()) == ()


@pytest.mark.every_build
@pytest.mark.real
def test_reference_that_needs_a_new_attempt_is_sent_again(lab):
    """A rate limit is tried again with --count; stdin, which is read once, is a reference of each attempt."""

    class Once(DrawsSmall, RateLimitsPictures):
        limited = 1

        def picture(self, call):
            self.limited -= 1
            return DrawsSmall.picture(self, call) if self.limited < 0 else RateLimitsPictures.picture(self, call)

    world = lab(script=Once())
    from tests.generation.test_several import pauses

    with pauses(0.01):
        done = world.call("-p", "x", "--ref", "-", "--count", "2", "--jobs", "1", "-o", "x.png", "--json", stdin=FOX)
    assert (done.code, len(done.json["images"])) == (0, 2)


@pytest.mark.every_build
@pytest.mark.real
def test_odd_metadata_of_a_reference_prints_no_warning_of_python(lab):
    world = lab(script=DrawsSmall())
    data, entry = encoded(40, format="TIFF"), b"\x1c\x01\x03\x00\x01\x00\x00\x00"
    assert entry in data
    (world.work / "scan.tif").write_bytes(data.replace(entry, entry.replace(b"\1\0\0\0", b"\2\0\0\0")))
    done = world.run("-p", "x", "--ref", "scan.tif", "-o", "x.png")
    assert (done.code, done.err) == (0, "")
