"""Prompts and references in, pictures out: through the command and the real Codex."""

from __future__ import annotations

import hashlib
import io
import sys
import time

import pytest
from PIL import Image

from codex_imagegen import __version__
from codex_imagegen.codex.run.command import build_instructions
from codex_imagegen.demo.fake_openai import (
    function_call,
    hosted_image_item,
    image_tool_kind,
    message_item,
    prompt_of,
    script_call,
    turn_reply,
)
from codex_imagegen.request import ImageOptions
from tests.support import builds, checks
from tests.support.checks import ENDS, DrawsSmall, small_png
from tests.support.pictures import encoded
from tests.support.scripts import NeverCloses

pytestmark = pytest.mark.real
VARIANTS = pytest.mark.parametrize(("version", "model"), checks.variants(function_model_in_ci=True))


def assert_delivered(world, done, prompt, name="fox.png"):
    """The picture is there as it was made, its path was printed, no closing words were waited for, nothing is left."""
    path = world.work / name
    assert (done.code, done.err) == (0, "")
    assert done.text == f"{path}\n"
    assert path.read_bytes() == small_png(prompt)
    assert checks.picture_turns(world) == 1
    assert world.standin.script.closed == 0
    checks.assert_clean(world)


def assert_asked(world, prompt, references=0):
    """The prompt reached the model word for word, as the user's last words; ours came as the developer's."""
    request = checks.requests(world)[0]
    assert checks.texts_of_role(request, "user")[-1] == prompt_of(request) == prompt
    assert build_instructions(references, ImageOptions()) in checks.texts_of_role(request, "developer")
    assert checks.tool_prompts(world) in ([], [prompt])


def assert_seen(world, references):
    """The model was shown the references' very bytes in their order, and the tool (from 0.144) was given them."""
    assert checks.shown_pictures(checks.requests(world)[0]) == references
    if builds.number(world.version) >= (0, 144):
        assert checks.tool_references(world) == references


@VARIANTS
def test_run_with_prompt_writes_the_picture_and_prints_its_path(lab, version, model):
    world = lab(version, script=NeverCloses())
    done = world.run("--prompt", "a red fox", "--out", "fox.png", *checks.model_of(model))
    assert_delivered(world, done, "a red fox")
    assert_asked(world, "a red fox")
    request = checks.requests(world)[0]
    assert checks.shown_pictures(request) == []
    assert version != builds.NEWEST or checks.texts_of_role(request, "user") == ["a red fox"]


@pytest.mark.parametrize(("version", "model"), checks.variants())
def test_run_with_five_references_shows_their_bytes_to_model_and_tool(lab, version, model):
    """Of every format, one larger than the picture that is made, and two with names that Codex would misread."""
    world = lab(version, script=NeverCloses())
    names = ["one, two.png", "-dash.png", "3.webp", "4.jpeg", "5.jpg"]
    for name in names[1:]:
        Image.open(io.BytesIO(small_png(name))).convert("RGB").save(world.work / name)
    (world.work / names[0]).write_bytes(encoded(240))
    assert len(encoded(240)) > len(small_png("all of them"))
    refs = [f"--ref={name}" if name[0] == "-" else f"-r{name}" for name in names]
    done = world.call("-p", "all of them", *refs, "-o", "fox.png", *checks.model_of(model))
    assert_delivered(world, done, "all of them")
    assert_asked(world, "all of them", references=5)
    assert_seen(world, [(world.work / name).read_bytes() for name in names])


class Twice(DrawsSmall):
    """The model makes two pictures in one turn, the larger one second; then it says so.

    With ``closing_sec`` it thinks for so long when it has the first one; ``closed``: how often that was waited for.
    """

    closed = 0

    def respond(self, call):
        request = call.json
        outputs = sum(item.get("type", "").endswith("_call_output") for item in request["input"])
        if outputs:
            time.sleep(self.closing_sec)
            self.closed += 1
        if outputs == 2:
            return turn_reply([message_item("Here they are.")])
        if image_tool_kind(request) == "hosted":
            return turn_reply(
                [
                    *self.call_tool(request),
                    hosted_image_item(encoded(300), "large", call_id="ig_2"),
                    message_item("Two."),
                ]
            )
        call_tool = function_call if image_tool_kind(request) == "function" else script_call
        return turn_reply([call_tool({"prompt": ["small", "large"][outputs]}, call_id=f"call_{outputs}")])

    def draw(self, prompt):
        return encoded(300) if prompt == "large" else super().draw(prompt)


@pytest.mark.parametrize(("version", "model"), checks.variants(ends_only=True, function_model_in_ci=True))
def test_run_with_full_turn_writes_the_largest_picture(lab, version, model):
    world = lab(version, script=Twice())
    done = world.call("--prompt", "small", "--out", "fox.png", "--full-turn", *checks.model_of(model))
    assert (done.code, done.err, done.text) == (0, "", f"{world.work / 'fox.png'}\n")
    assert (world.work / "fox.png").read_bytes() == encoded(300)
    assert world.model_calls == (1 if builds.number(version) < (0, 144) else 3)
    checks.assert_clean(world)


@checks.NEWEST_FIRST
def test_run_without_full_turn_ends_with_the_first_picture(lab, version):
    world = lab(version, script=Twice())
    world.standin.script.closing_sec = 60.0
    done = world.call("--prompt", "small", "--out", "fox.png")
    assert_delivered(world, done, "small")


def test_run_with_out_dash_prints_the_bytes(lab):
    world = lab(script=NeverCloses())
    done = world.run("--prompt", "a red fox", "--out", "-")
    assert (done.code, done.err) == (0, "")
    assert done.out == small_png("a red fox")
    assert list(world.work.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("fox.JPEG", "JPEG"),
        ("fox.webp", "WEBP"),
        pytest.param("fox.jpg", "JPEG", marks=pytest.mark.every_build),
    ],
)
def test_run_with_another_suffix_converts_the_picture(lab, name, kind):
    world = lab(script=NeverCloses())
    done = world.call("--prompt", "a red fox", "--out", name, "--json")
    image = done.json["images"][0]
    data = (world.work / name).read_bytes()
    with Image.open(io.BytesIO(data)) as picture:
        assert (picture.format, picture.size) == (kind, (checks.SIDE, checks.SIDE))
    assert checks.mean_difference(data, small_png("a red fox")) < 4
    assert (image["format"], image["original"], image["bytes"]) == (kind.lower(), False, len(data))
    assert image["sha256"] == hashlib.sha256(data).hexdigest()


@ENDS
def test_run_with_json_in_a_new_home_prints_the_promised_object(lab, version):
    """The other tests' homes are copies of one in which Codex was started before."""
    world = lab(version, script=NeverCloses(), fresh=True)
    done = world.run("--prompt", "a red fox", "--out", "fox.png", "--json")
    answer, data = done.json, small_png("a red fox")
    (image,) = answer["images"]
    assert (done.code, done.err) == (0, "")
    assert list(answer)[: len(checks.KEYS)] == checks.KEYS  # the promise changes by addition
    assert list(image)[:8] == ["path", "format", "width", "height", "bytes", "sha256", "original", "revised_prompt"]
    assert (answer["schema"], answer["ok"], answer["backend"]) == (1, True, "codex")
    assert (answer["failures"], answer["error"], answer["warnings"]) == ([], None, [])
    assert answer["codex_version"] == version
    assert answer["thread_id"] in world.rollouts()[0].name
    assert 0 < answer["elapsed_sec"] < 90
    assert image["path"] == str(world.work / "fox.png")
    assert (image["format"], image["width"], image["height"]) == ("png", checks.SIDE, checks.SIDE)
    assert (image["bytes"], image["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert image["original"] is True
    if version == builds.OLDEST:  # the stand-in's endpoint for pictures revises nothing
        assert image["revised_prompt"] == "a red fox"


@pytest.mark.parametrize("option", ["--prompt", pytest.param("--prompt-file", marks=pytest.mark.every_build)])
def test_run_with_prompt_on_stdin_and_no_name_is_named_after_the_prompt(lab, option):
    world = lab(script=NeverCloses())
    done = world.run(option, "-", stdin=b"ein roter Fuchs")
    assert_delivered(world, done, "ein roter Fuchs", "ein-roter-fuchs.png")
    assert_asked(world, "ein roter Fuchs")


def test_run_with_the_file_of_stdout_prints_the_picture_alone(lab):
    world = lab(script=NeverCloses())
    done = world.run("--prompt", "a red fox", "--out", "/dev/stdout")
    assert (done.code, done.out, done.err) == (0, small_png("a red fox"), "")
    checks.assert_clean(world)


def test_runs_at_once_without_a_name_write_different_files(lab):
    """Both are planned as the same name, which is taken only when it is written."""
    world = lab(script=NeverCloses())
    (world.work / "a-red-fox.png").write_text("taken")
    runs = [world.start("--prompt", "A red fox!", "--out", folder) for folder in (".", "./")]
    printed = {run.communicate(timeout=90)[0].decode() for run in runs}
    assert [run.returncode for run in runs] == [0, 0]
    assert printed == {f"{world.work}/a-red-fox-{number}.png\n" for number in (2, 3)}
    assert (world.work / "a-red-fox.png").read_text() == "taken"
    assert all((world.work / f"a-red-fox-{number}.png").read_bytes() == small_png("A red fox!") for number in (2, 3))
    checks.assert_clean(world)


def test_run_with_force_through_a_symlink_replaces_its_target_and_keeps_permissions(lab):
    world = lab(script=NeverCloses())
    path = world.work / "real.png"
    path.write_bytes(b"old")
    path.chmod(0o640)
    (world.work / "fox.png").symlink_to("real.png")
    done = world.call("--prompt", "a red fox", "--out", "fox.png", "--force")
    assert_delivered(world, done, "a red fox")
    assert (world.work / "fox.png").is_symlink()
    assert path.read_bytes() == small_png("a red fox")
    assert path.stat().st_mode & 0o777 == 0o640


@checks.NEWEST_FIRST
def test_run_with_model_and_codex_arguments_passes_them_on(lab, version):
    world = lab(version, script=NeverCloses())
    extra = ["--codex-arg=-c", "--codex-arg", 'model_reasoning_effort="high"']
    done = world.call("--prompt", "a red fox", "--out", "fox.png", "--model", builds.FUNCTION_MODEL, *extra)
    assert_delivered(world, done, "a red fox")
    (request,) = checks.requests(world)
    assert request["model"] == builds.FUNCTION_MODEL
    assert request["reasoning"]["effort"] == "high"


def test_run_with_prompt_file_new_folders_and_a_linked_home_delivers(lab):
    """The command is named, too."""
    world = lab(script=NeverCloses())
    link = world.home.parent / "link"
    link.symlink_to(world.home)
    (world.work / "prompt.txt").write_text("a red fox\n")
    line = ["generate", "--prompt-file", "prompt.txt", "--out", "a/b c/ü/fox.png"]
    done = world.run(*line, env={"CODEX_HOME": str(link)})
    assert_delivered(world, done, "a red fox\n", "a/b c/ü/fox.png")
    assert_asked(world, "a red fox\n")


def test_run_as_a_module_with_codex_on_path_and_verbose_shows_codex_own_words(lab):
    world = lab(script=NeverCloses())
    module = [sys.executable, "-m", "codex_imagegen"]
    path = f"{builds.codex(builds.NEWEST).parent}:{world.environment['PATH']}"
    done = world.run_argv([*module, "--prompt", "a red fox", "--out", "fox.png", "--verbose"], env={"PATH": path})
    assert (done.code, done.text) == (0, f"{world.work / 'fox.png'}\n")
    assert (world.work / "fox.png").read_bytes() == small_png("a red fox")
    assert "stdin" in done.err  # "Reading prompt from stdin..."
    assert world.run_argv([*module, "--version"]).text == f"codex-imagegen {__version__}\n"
