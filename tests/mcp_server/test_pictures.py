"""Pictures through the tools of a real server and the real Codex."""

from __future__ import annotations

import base64
import hashlib
import io
import threading

import pytest
from PIL import Image

from codex_imagegen.mcp_server import results
from codex_imagegen.mcp_server.settings import Settings
from codex_imagegen.results import Image as ImageInfo
from codex_imagegen.results import Result
from tests.mcp_server import client
from tests.mcp_server.raw_client import images, texts
from tests.support import checks
from tests.support.checks import KEYS, DrawsSmall, small_png
from tests.support.pictures import encoded, pad_png

pytestmark = pytest.mark.real


@pytest.mark.parametrize("mode", ["auto", pytest.param("legacy", marks=pytest.mark.every_build)])
def test_official_client_gets_path_preview_and_json_object(lab, mode):
    world = lab(script=DrawsSmall())
    answer = client.use(
        world, lambda server: server.call_tool("generate_image", {"prompt": "a red fox", "out": "a/fox.png"}), mode=mode
    )
    path = world.work / "a" / "fox.png"
    text, preview = answer.content
    assert not answer.is_error
    assert text.text.splitlines()[0] == str(path)
    assert path.read_bytes() == small_png("a red fox")
    assert list(answer.structured_content)[: len(KEYS)] == KEYS
    assert answer.structured_content["images"][0]["path"] == str(path)
    assert answer.structured_content["thread_id"] in text.text
    assert (preview.mime_type, base64.b64decode(preview.data)) == ("image/png", small_png("a red fox"))
    assert checks.tool_prompts(world) == ["a red fox"]
    checks.assert_clean(world)
    assert client.errors(world) == ""


def test_edit_with_oversized_reference_warns_that_it_was_reduced(server):
    (server.folder / "a.png").write_bytes(pad_png(encoded(), 17_000_000))
    answer = server.call("edit_image", prompt="as a drawing", refs=[server.path("a.png")], out=server.path("c.png"))
    assert [warning["code"] for warning in answer["structuredContent"]["warnings"]] == ["reference-reduced"]
    assert "a.png' is too large to send" in texts(answer)


def test_edit_sends_references_in_their_order(server):
    for name in ("a.png", "b.png"):
        (server.folder / name).write_bytes(small_png(name))
    refs = [f"{server.folder.name}/b.png", server.path("a.png")]
    answer = server.call("edit_image", prompt="image 1 as image 2", refs=refs, out=server.path("c.png"))
    assert not answer["isError"]
    assert checks.tool_references(server.world) == [small_png("b.png"), small_png("a.png")]
    server.assert_clean()


class Draws(DrawsSmall):
    """Draws one picture."""

    def __init__(self, picture):
        self._picture = picture

    def draw(self, _prompt):
        return self._picture


def test_picture_above_preview_limit_gets_a_smaller_jpeg(server):
    picture = encoded(200)
    assert len(base64.b64encode(picture)) > 90_000
    server.play(Draws(picture))
    answer = server.call("generate_image", prompt="a red fox", out=server.path("fox.png"))
    (preview,) = images(answer)
    assert len(preview["data"]) <= 90_000
    assert preview["mimeType"] == "image/jpeg"
    with Image.open(io.BytesIO(base64.b64decode(preview["data"]))) as image:
        assert max(image.size) <= 1024
    assert (server.folder / "fox.png").read_bytes() == picture


@pytest.mark.parametrize(("limit", "kinds"), [(0, ["text"]), (90, ["text", "image"])])
def test_preview_limit_of_zero_gives_no_preview(tmp_path, limit, kinds):
    data = small_png("a fox")
    (tmp_path / "fox.png").write_bytes(data)
    image = ImageInfo(str(tmp_path / "fox.png"), "png", 160, 160, len(data), hashlib.sha256(data).hexdigest())
    settings = Settings((str(tmp_path),), (str(tmp_path),), preview_kb=limit)
    answer = results.format_result(Result(ok=True, backend="codex", images=(image,)), settings)
    assert [block.type for block in answer.content] == kinds


def test_several_images_with_options_are_made_and_reported_one_by_one(server):
    options = {"size": "64x32", "fit": True, "format": "webp", "quality": "high", "transparent": True}
    answer = server.call("generate_image", prompt="a red fox", out=server.path("fox.webp"), count=2, **options)
    assert any("picture 2 of 2" in message for _seconds, message in server.client.progress)
    assert texts(answer).splitlines()[:2] == [server.path(f"fox-{number}.webp") for number in (1, 2)]
    assert len(images(answer)) == 2
    envelope = answer["structuredContent"]
    assert [(image["width"], image["format"]) for image in envelope["images"]] == [(64, "webp")] * 2
    assert {warning["code"] for warning in envelope["warnings"]} >= {"alpha-missing"}
    assert "warning: " in texts(answer)
    server.assert_clean()


def test_out_omitted_gets_a_name_in_the_root(server):
    answer = server.call("generate_image", prompt="a red fox")
    (path,) = [image["path"] for image in answer["structuredContent"]["images"]]
    assert path == f"{server.root}/a-red-fox.png"
    again = server.call("generate_image", prompt="../a RED fox", out="new/")
    assert [image["path"] for image in again["structuredContent"]["images"]] == [f"{server.root}/new/a-red-fox.png"]
    assert texts(answer).splitlines()[0] == path


class Holds(DrawsSmall):
    """No picture is done before ``free`` is set."""

    def __init__(self):
        self.free = threading.Event()

    def draw(self, prompt):
        self.free.wait(60)
        return super().draw(prompt)


def test_call_above_jobs_limit_waits_for_its_turn_and_reports_it(server):
    script = Holds()
    server.play(script)
    wire = server.client
    for number in range(3):
        wire.start_call("generate_image", {"prompt": "a fox", "out": server.path(f"{number}.png")}, id=number)
        wire.wait_progress("waiting for its turn" if number == 2 else "running")
    script.free.set()
    answers = [wire.wait_answer() for _ in range(3)]
    assert {answer["id"]: answer["result"]["isError"] for answer in answers} == dict.fromkeys(range(3), False)
    assert sorted(path.name for path in server.folder.iterdir()) == ["0.png", "1.png", "2.png"]
