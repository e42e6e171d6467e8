"""Pictures through the tools: with the official client, the installed command and the real Codex."""

from __future__ import annotations

import base64
import io

import anyio
import pytest
from PIL import Image

from tests.mcp import hosts
from tests.mcp.hosts import call, texts
from tests.support import checks
from tests.support.checks import KEYS, Small, made
from tests.support.pictures import encoded

pytestmark = pytest.mark.real


def pictures(answer):
    return [block for block in answer.content if block.type == "image"]


def bytes_of(answer):
    return answer.structured_content["images"][0]["bytes"]


def assert_clean(world):
    checks.assert_clean(world)
    assert hosts.errors(world) == ""


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_picture_its_path_its_preview_and_the_json_object(lab, mode):
    world = lab(script=Small())
    answer = hosts.use(
        world, lambda client: client.call_tool("generate_image", {"prompt": "a red fox", "out": "a/fox.png"}), mode=mode
    )
    path = world.work / "a" / "fox.png"
    assert not answer.is_error
    assert texts(answer).splitlines()[0] == str(path)
    assert path.read_bytes() == made("a red fox")
    assert list(answer.structured_content)[: len(KEYS)] == KEYS
    assert answer.structured_content["images"][0]["path"] == str(path)
    assert answer.structured_content["thread_id"] in texts(answer)
    (preview,) = pictures(answer)
    assert (preview.mime_type, base64.b64decode(preview.data)) == ("image/png", made("a red fox"))
    assert checks.tool_prompts(world) == ["a red fox"]
    assert_clean(world)


def test_a_reference_that_became_smaller_is_told(lab):
    world = lab(script=Small())
    (world.work / "a.png").write_bytes(encoded(2400))
    answer = call(world, "edit_image", prompt="as a drawing", refs=["a.png"], out="c.png")
    assert [warning["code"] for warning in answer.structured_content["warnings"]] == ["reference-reduced"]
    assert "'a.png' is too large to arrive" in texts(answer)


def test_an_edit_is_given_its_references_in_their_order(lab):
    world = lab(script=Small())
    names = ["b.png", str(world.work / "a.png")]
    for name in ("a.png", "b.png"):
        (world.work / name).write_bytes(made(name))
    answer = call(world, "edit_image", prompt="image 1 as image 2", refs=names, out="c.png")
    assert not answer.is_error
    assert checks.edited(world) == [made("b.png"), made("a.png")]
    assert_clean(world)


class Large(Small):
    """A picture of more bytes than a host takes."""

    def draw(self, _prompt):
        return encoded(1100)


def test_a_large_picture_has_a_small_preview(lab):
    world = lab(script=Large())
    answer = call(world, "generate_image", "--preview-kb", "90", prompt="a red fox", out="fox.png")
    (preview,) = pictures(answer)
    assert len(preview.data) <= 90_000 < len(encoded(1100))
    assert preview.mime_type == "image/jpeg"
    with Image.open(io.BytesIO(base64.b64decode(preview.data))) as image:
        assert max(image.size) <= 1024
    assert (world.work / "fox.png").read_bytes() == encoded(1100)


def test_no_preview_where_none_is_wanted(lab):
    world = lab(script=Small())
    answer = call(world, "generate_image", "--preview-kb", "0", prompt="a red fox")
    assert [block.type for block in answer.content] == ["text"]
    assert texts(answer).startswith(f"{world.work}/image-")


def test_several_pictures_with_wishes(lab):
    world = lab(script=Small())
    wishes = {"size": "64x32", "fit": True, "format": "webp", "quality": "high", "transparent": True}
    arguments = {"prompt": "a red fox", "out": "fox.webp", "count": 2, **wishes}
    heard = []

    async def note(_progress, _total, message):
        heard.append(message)

    async def story(client):
        return await client.call_tool("generate_image", arguments, progress_callback=note)

    answer = hosts.use(world, story)
    assert any("picture 2 of 2" in message for message in heard), heard
    assert texts(answer).splitlines()[:2] == [str(world.work / f"fox-{number}.webp") for number in (1, 2)]
    assert len(pictures(answer)) == 2
    assert [(image["width"], image["format"]) for image in answer.structured_content["images"]] == [(64, "webp")] * 2
    assert {warning["code"] for warning in answer.structured_content["warnings"]} >= {"alpha-missing"}
    assert "warning: " in texts(answer)
    assert_clean(world)


def test_two_calls_at_once(lab):
    world = lab(script=Small())
    answers = {}

    async def story(client):
        async def one(prompt):
            answers[prompt] = await client.call_tool("generate_image", {"prompt": prompt, "out": f"{prompt}.png"})

        async with anyio.create_task_group() as group:
            group.start_soon(one, "a fox")
            group.start_soon(one, "an owl")

    hosts.use(world, story)
    assert {prompt: texts(answer).splitlines()[0] for prompt, answer in answers.items()} == {
        prompt: str(world.work / f"{prompt}.png") for prompt in ("a fox", "an owl")
    }
    assert (world.work / "an owl.png").read_bytes() == made("an owl")
    assert_clean(world)


def test_a_third_call_waits_for_its_turn_and_says_so(lab):
    world = lab(script=Small())
    heard = []

    async def note(_progress, _total, message):
        heard.append(message)

    async def story(client):
        async with anyio.create_task_group() as group:
            for name in ("one", "two"):
                group.start_soon(client.call_tool, "generate_image", {"prompt": name, "out": f"{name}.png"}, None, note)

    hosts.use(world, story, "--jobs", "1")
    assert sorted(path.name for path in world.work.iterdir()) == ["one.png", "two.png"]
    assert sum(message.startswith("waiting for its turn") for message in heard) >= 1


def test_what_was_made_is_found_again(lab):
    world = lab(script=Small())

    async def story(client):
        nothing = await client.call_tool("recover_image", {})
        made_ = await client.call_tool("generate_image", {"prompt": "a red fox", "out": "fox.png"})
        last = await client.call_tool("recover_image", {"out": "last.webp", "size": "40x20", "fit": True})
        thread = made_.structured_content["thread_id"]
        return nothing, last, await client.call_tool("recover_image", {"thread_id": thread})

    nothing, last, named = hosts.use(world, story)
    assert nothing.is_error
    assert "no picture yet" in texts(nothing)
    assert texts(last).splitlines()[:2] == [str(world.work / "last.webp"), f"40 x 20 webp, {bytes_of(last):,} bytes"]
    (path,) = [image["path"] for image in named.structured_content["images"]]
    assert named.structured_content["thread_id"] in path
    with open(path, "rb") as file:
        assert file.read() == made("a red fox")
    assert world.model_calls == 1
    assert_clean(world)
