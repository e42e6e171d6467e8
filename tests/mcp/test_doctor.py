"""The doctor as a tool: in a process of its own, so that it ends nothing that other calls have begun."""

from __future__ import annotations

import anyio
import pytest

from tests.mcp import hosts
from tests.mcp.hosts import call, texts
from tests.mcp.wire import Wire
from tests.support import checks
from tests.support.checks import Small, made

pytestmark = pytest.mark.real


def test_all_is_well(lab):
    world = lab(script=Small())
    answer = call(world, "doctor")
    assert not answer.is_error
    assert texts(answer).splitlines()[0] == "Pictures can be made here."
    assert answer.structured_content["ok"] is True
    names = [check["name"] for check in answer.structured_content["checks"]]
    assert all(any(f": {name}: " in line for line in texts(answer).splitlines()) for name in names)
    assert world.model_calls == 0
    assert checks.processes(world) == []


def test_what_is_wrong_is_no_failure_of_the_call(lab):
    world = lab()
    (world.home / "auth.json").unlink()
    answer = call(world, "doctor")
    assert not answer.is_error
    assert texts(answer).startswith("No picture can be made here as it is.")
    assert answer.structured_content["error"]["code"] == "not-logged-in"


def test_a_module_in_the_working_folder_is_not_run(lab):
    world = lab()
    for name in ("click.py", "codex_imagegen.py"):
        (world.work / name).write_text(f"open({str(world.tmp / 'ran')!r}, 'w')")
    assert not call(world, "doctor").is_error
    assert not (world.tmp / "ran").exists()


def test_beside_a_picture_that_is_being_drawn(lab):
    class Slow(Small):
        draw_sec = 3.0

    world = lab(script=Slow())
    answers = {}

    async def story(client):
        async def one(tool, **arguments):
            answers[tool] = await client.call_tool(tool, arguments)

        async with anyio.create_task_group() as group:
            group.start_soon(lambda: one("generate_image", prompt="a red fox", out="fox.png"))
            await anyio.sleep(1)
            group.start_soon(lambda: one("doctor"))

    hosts.use(world, story)
    assert not any(answer.is_error for answer in answers.values())
    assert (world.work / "fox.png").read_bytes() == made("a red fox")


def test_a_client_that_goes_away_meanwhile(lab):
    world = lab()
    with Wire(world) as wire:
        wire.hands_shaken()
        wire.call("doctor", {}, id=1)
        wire.heard("at work")
        wire.hang_up()
        assert wire.ended() == (0, "")
    assert checks.processes(world) == []
