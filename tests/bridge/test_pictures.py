"""The whole bridge, through the installed command and the real Codex: prompts and references in, pictures out."""

from __future__ import annotations

import hashlib
import io
import re
import sys

import pytest
from PIL import Image

from codex_imagegen import __version__
from codex_imagegen.codex.command import instructions
from codex_imagegen.demo.standin import function_call, hosted, prompt_of, said, script_call, stream, tool_of
from codex_imagegen.model import Wishes
from tests.support import builds, checks
from tests.support.checks import ENDS, Small, made
from tests.support.pictures import encoded

pytestmark = pytest.mark.real
VARIANTS = pytest.mark.parametrize(("version", "model"), checks.variants())


def assert_delivered(world, done, prompt, name="fox.png"):
    """The picture is there as it was made, its path alone was printed, one turn was paid for, nothing is left."""
    path = world.work / name
    assert (done.code, done.err) == (0, "")
    assert done.text == f"{path}\n"
    assert path.read_bytes() == made(prompt)
    assert world.model_calls == 1
    checks.assert_clean(world)


def assert_asked(world, prompt, references=0):
    """The prompt reached the model word for word, as the user's last words; ours came as the developer's."""
    request = checks.requests(world)[0]
    assert checks.texts(request, "user")[-1] == prompt
    assert instructions(references, Wishes()) in checks.texts(request, "developer")
    assert checks.tool_prompts(world) in ([], [prompt])


def assert_seen(world, references):
    """The model was shown the references' very bytes in their order, and the tool (from 0.144) was given them."""
    assert checks.shown(checks.requests(world)[0]) == references
    if builds.number(world.version) >= (0, 144):
        assert checks.edited(world) == references


@VARIANTS
def test_text_to_picture(lab, version, model):
    world = lab(version, script=Small())
    done = world.run("--prompt", "a red fox", "--out", "fox.png", *checks.model_of(model))
    assert_delivered(world, done, "a red fox")
    assert_asked(world, "a red fox")
    assert checks.shown(checks.requests(world)[0]) == []


@VARIANTS
def test_a_reference_larger_than_the_picture(lab, version, model):
    world = lab(version, script=Small())
    reference = encoded(600)
    assert len(reference) > len(made("as a drawing"))
    (world.work / "large.png").write_bytes(reference)
    done = world.run("-p", "as a drawing", "-r", "large.png", "-o", "fox.png", *checks.model_of(model))
    assert_delivered(world, done, "as a drawing")
    assert_asked(world, "as a drawing", references=1)
    assert_seen(world, [reference])


@VARIANTS
def test_two_references_of_awkward_names(lab, version, model):
    world = lab(version, script=Small())
    first, second = made("one reference"), made("another reference")
    (world.work / "one, two.png").write_bytes(first)
    (world.work / "-dash.png").write_bytes(second)
    refs = ["--ref", "one, two.png", "--ref=-dash.png"]
    done = world.run("--prompt", "both together", *refs, "--out", "fox.png", *checks.model_of(model))
    assert_delivered(world, done, "both together")
    assert_asked(world, "both together", references=2)
    assert_seen(world, [first, second])


@ENDS
def test_five_references_of_every_kind(lab, version):
    world = lab(version, script=Small())
    names = ["1.png", "2.jpg", "3.webp", "4.jpeg", "5.png"]
    for name in names:
        Image.open(io.BytesIO(made(name))).convert("RGB").save(world.work / name)
    refs = [word for name in names for word in ("--ref", name)]
    done = world.run("--prompt", "all of them", *refs, "--out", "fox.png")
    assert_delivered(world, done, "all of them")
    assert_seen(world, [(world.work / name).read_bytes() for name in names])


class Twice(Small):
    """Two pictures in one turn, the larger one second; then words."""

    def respond(self, call):
        request = call.json
        outputs = sum(item.get("type", "").endswith("_call_output") for item in request["input"])
        if outputs == 2:
            return stream([said("Here they are.")])
        if tool_of(request) == "hosted":
            return stream([*self.call_tool(request), hosted(encoded(300), "large", call_id="ig_2"), said("Two.")])
        call_tool = function_call if tool_of(request) == "function" else script_call
        return stream([call_tool({"prompt": ["small", "large"][outputs]}, call_id=f"call_{outputs}")])

    def draw(self, prompt):
        return encoded(300) if prompt == "large" else super().draw(prompt)


@pytest.mark.parametrize(("version", "model"), checks.variants(ends_only=True))
def test_a_full_turn_delivers_the_largest_picture(lab, version, model):
    world = lab(version, script=Twice())
    done = world.run("--prompt", "small", "--out", "fox.png", "--full-turn", *checks.model_of(model))
    assert (done.code, done.err, done.text) == (0, "", f"{world.work / 'fox.png'}\n")
    assert (world.work / "fox.png").read_bytes() == encoded(300)
    assert world.model_calls == (1 if version == builds.OLDEST else 3)
    checks.assert_clean(world)


@pytest.mark.parametrize(("version", "model"), checks.variants(ends_only=True))
def test_the_first_picture_is_enough_by_default(lab, version, model):
    world = lab(version, script=Twice())
    done = world.run("--prompt", "small", "--out", "fox.png", *checks.model_of(model))
    assert_delivered(world, done, "small")


def test_a_full_turn_pays_for_the_closing_words(lab):
    world = lab(script=Small())
    done = world.run("--prompt", "a red fox", "--out", "fox.png", "--full-turn")
    assert done.code == 0
    assert world.model_calls == 2


def test_stdout_takes_the_bytes(lab):
    world = lab(script=Small())
    done = world.run("--prompt", "a red fox", "--out", "-")
    assert (done.code, done.err) == (0, "")
    assert done.out == made("a red fox")
    assert list(world.work.iterdir()) == []


@pytest.mark.parametrize(("name", "kind"), [("fox.jpg", "JPEG"), ("fox.JPEG", "JPEG"), ("fox.webp", "WEBP")])
def test_another_suffix_converts(lab, name, kind):
    world = lab(script=Small())
    done = world.run("--prompt", "a red fox", "--out", name, "--json")
    image = done.json["images"][0]
    data = (world.work / name).read_bytes()
    with Image.open(io.BytesIO(data)) as picture:
        assert (picture.format, picture.size) == (kind, (checks.SIDE, checks.SIDE))
    assert checks.mean_difference(data, made("a red fox")) < 4
    assert (image["format"], image["original"], image["bytes"]) == (kind.lower(), False, len(data))
    assert image["sha256"] == hashlib.sha256(data).hexdigest()


@ENDS
def test_the_json_object(lab, version):
    world = lab(version, script=Small())
    done = world.run("--prompt", "a red fox", "--out", "fox.png", "--json")
    answer, data = done.json, made("a red fox")
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


def test_the_default_name(lab):
    world = lab(script=Small())
    done = world.run("--prompt", "a red fox")
    (picture,) = world.work.iterdir()
    assert done.text == f"{picture}\n"
    assert re.fullmatch(r"image-\d{8}-\d{6}\.png", picture.name)


def test_a_default_name_that_is_taken_is_numbered(lab):
    """Ten runs of the same second would do; one process that takes the names first is surer."""
    world = lab(script=Small())
    names = "import sys, time, pathlib\n"
    names += "now = time.time()\n"
    names += "for s in range(60):\n"
    names += "    stamp = time.strftime('image-%Y%m%d-%H%M%S', time.localtime(now + s))\n"
    names += "    pathlib.Path(stamp + '.png').write_text('taken'); pathlib.Path(stamp + '-2.png').write_text('too')\n"
    world.run_argv([sys.executable, "-c", names])
    done = world.run("--prompt", "a red fox")
    assert re.fullmatch(r"image-\d{8}-\d{6}-3\.png", done.text.strip().rpartition("/")[2])
    assert len(list(world.work.iterdir())) == 121


def test_force_replaces_what_is_there_and_keeps_its_permissions(lab):
    world = lab(script=Small())
    path = world.work / "fox.png"
    path.write_bytes(b"old")
    path.chmod(0o640)
    done = world.run("--prompt", "a red fox", "--out", "fox.png", "--force")
    assert_delivered(world, done, "a red fox")
    assert path.stat().st_mode & 0o777 == 0o640


def test_force_through_a_symlink_replaces_its_target(lab):
    world = lab(script=Small())
    (world.work / "real.png").write_bytes(b"old")
    (world.work / "fox.png").symlink_to("real.png")
    done = world.run("--prompt", "a red fox", "--out", "fox.png", "--force")
    assert_delivered(world, done, "a red fox")
    assert (world.work / "fox.png").is_symlink()
    assert (world.work / "real.png").read_bytes() == made("a red fox")


def test_missing_folders_are_made(lab):
    world = lab(script=Small())
    done = world.run("--prompt", "a red fox", "--out", "a/b c/ü/fox.png")
    assert_delivered(world, done, "a red fox", "a/b c/ü/fox.png")


@ENDS
def test_the_model_and_more_arguments_reach_codex(lab, version):
    world = lab(version, script=Small())
    extra = ["--codex-arg=-c", "--codex-arg", 'model_reasoning_effort="high"']
    done = world.run("--prompt", "a red fox", "--out", "fox.png", "--model", builds.FUNCTION_MODEL, *extra)
    assert_delivered(world, done, "a red fox")
    (request,) = checks.requests(world)
    assert request["model"] == builds.FUNCTION_MODEL
    assert request["reasoning"]["effort"] == "high"


def test_a_prompt_file(lab):
    world = lab(script=Small())
    (world.work / "prompt.txt").write_text("a red fox\n")
    done = world.run("--prompt-file", "prompt.txt", "--out", "fox.png")
    assert_delivered(world, done, "a red fox\n")
    assert_asked(world, "a red fox\n")


@pytest.mark.parametrize("option", ["--prompt", "--prompt-file"])
def test_a_prompt_on_stdin(lab, option):
    world = lab(script=Small())
    done = world.run(option, "-", "--out", "fox.png", stdin=b"ein roter Fuchs")
    assert_delivered(world, done, "ein roter Fuchs")
    assert_asked(world, "ein roter Fuchs")


def test_the_command_may_be_named(lab):
    world = lab(script=Small())
    done = world.run("generate", "--prompt", "a red fox", "--out", "fox.png")
    assert_delivered(world, done, "a red fox")


def test_the_module_is_the_command(lab):
    world = lab(script=Small())
    codex = str(builds.codex(builds.NEWEST))
    argv = [sys.executable, "-m", "codex_imagegen", "--prompt", "a red fox", "--out", "fox.png", "--codex", codex]
    assert_delivered(world, world.run_argv(argv), "a red fox")
    assert world.run_argv([*argv[:3], "--version"]).text == f"codex-imagegen {__version__}\n"


def test_codex_is_found_on_path(lab):
    world = lab(script=Small())
    codex = builds.codex(builds.NEWEST)
    argv = [word for word in world.argv("--prompt", "a red fox", "--out", "fox.png") if word != "--codex"][:-1]
    done = world.run_argv(argv, env={"PATH": f"{codex.parent}:{world.environment['PATH']}"})
    assert_delivered(world, done, "a red fox")


def test_verbose_shows_codex_own_words(lab):
    world = lab(script=Small())
    done = world.run("--prompt", "a red fox", "--out", "fox.png", "--verbose")
    assert done.code == 0
    assert done.text == f"{world.work / 'fox.png'}\n"
    assert "stdin" in done.err  # "Reading prompt from stdin..."


def test_the_home_may_be_a_symlink(lab):
    world = lab(script=Small())
    link = world.home.parent / "link"
    link.symlink_to(world.home)
    done = world.run("--prompt", "a red fox", "--out", "fox.png", env={"CODEX_HOME": str(link)})
    assert_delivered(world, done, "a red fox")


def test_what_the_prompt_says_is_all_that_the_user_says(lab):
    world = lab(script=Small())
    world.run("--prompt", "a red fox", "--out", "fox.png")
    request = checks.requests(world)[0]
    assert prompt_of(request) == "a red fox"
    assert checks.texts(request, "user") == ["a red fox"]
