"""The doctor as a tool: it runs in its own process, so that it ends nothing that other calls started."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mcp_server.raw_client import texts
from tests.mcp_server.test_pictures import Holds
from tests.support.checks import small_png

pytestmark = pytest.mark.real


@pytest.mark.every_build
def test_doctor_while_a_picture_is_drawn_passes_and_leaves_it_alone(server):
    script = Holds()
    server.play(script)
    server.client.start_call("generate_image", {"prompt": "a red fox", "out": server.path("fox.png")}, id="fox")
    server.client.wait_progress("drawing")
    drawing = server.world.model_calls
    answer = server.call("doctor")
    assert not answer["isError"]
    assert texts(answer).splitlines()[0] == "Pictures can be made here."
    assert answer["structuredContent"]["ok"] is True
    names = [check["name"] for check in answer["structuredContent"]["checks"]]
    assert all(any(f": {name}: " in line for line in texts(answer).splitlines()) for name in names)
    assert server.world.model_calls == drawing
    script.free.set()
    assert not server.client.wait_answer("fox")["result"]["isError"]
    assert (server.folder / "fox.png").read_bytes() == small_png("a red fox")
    server.assert_clean()


def test_doctor_without_login_reports_it_in_an_answer_without_error(server):
    """Nor are modules imported from the working folder."""
    home = Path(server.world.environment["HOME"])
    for name in ("click.py", "codex_imagegen.py"):
        (home / name).write_text(f"open({server.path('ran')!r}, 'w')")
    (server.world.home / "auth.json").unlink()
    try:
        answer = server.call("doctor")
    finally:
        server.world.write_home()
        for name in ("click.py", "codex_imagegen.py"):
            (home / name).unlink()
    assert not answer["isError"]
    assert texts(answer).startswith("No picture can be made here as it is.")
    assert answer["structuredContent"]["error"]["code"] == "not-logged-in"
    assert list(server.folder.iterdir()) == []
