"""The server with MCP Inspector: another client, in another language, with strict checks of schemas."""

from __future__ import annotations

import pytest

from tests.support import checks, inspector
from tests.support.checks import DrawsSmall, small_png

pytestmark = [pytest.mark.real, pytest.mark.ci]


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_tools_pass_the_inspectors_strict_check(lab, era):
    done = inspector.run(lab(), "--method", "tools/list", "--strict", "--protocol-era", era)
    assert done.code == 0, done
    assert "schema" not in done.err.lower()  # it would name what a host may reject
    names = [tool["name"] for tool in inspector.answer(done)["tools"]]
    assert names[:3] == ["generate_image", "edit_image", "recover_image"]


def test_inspector_gets_a_picture(lab):
    world = lab(script=DrawsSmall())
    arguments = ["--tool-arg", "prompt=a red fox", "--tool-arg", "out=fox.png", "--tool-arg", "count=1"]
    done = inspector.run(world, "--method", "tools/call", "--tool-name", "generate_image", *arguments)
    assert done.code == 0, done
    answer = inspector.answer(done)
    assert [block["type"] for block in answer["content"]] == ["text", "image"]
    assert answer["structuredContent"]["images"][0]["path"] == str(world.work / "fox.png")
    assert (world.work / "fox.png").read_bytes() == small_png("a red fox")
    checks.assert_clean(world)


def test_inspector_gets_an_error_of_the_tool(lab):
    arguments = ["--tool-arg", "prompt=a red fox", "--tool-arg", "out=../fox.png"]
    done = inspector.run(lab(), "--method", "tools/call", "--tool-name", "generate_image", *arguments)
    answer = inspector.answer(done)
    assert answer["isError"]
    assert answer["structuredContent"]["error"]["code"] == "usage"
