"""``--show`` on terminals of every kind, and without a terminal, where it must change nothing."""

from __future__ import annotations

import base64
import io
import json
import os
import re

import pytest
from PIL import Image
from rich.text import Text

from tests.cli.test_startup import loaded
from tests.support import history, terminal
from tests.support.checks import DrawsSmall, small_png

KITTY_CHUNK = re.compile(rb"\x1b_G([^;]*);([^\x1b]*)\x1b\\")
ITERM2_FILE = re.compile(rb"\x1b\]1337;File=([^:]*):([^\x07]*)\x07")


def picture(side: int = 120) -> bytes:
    """A small picture: red above, blue below."""
    image = Image.new("RGB", (side, side), (200, 30, 30))
    image.paste((20, 40, 220), (0, side // 2, side, side))
    target = io.BytesIO()
    image.save(target, "PNG")
    return target.getvalue()


@pytest.fixture
def world(lab):
    """A home with one session, whose picture ``recover --show`` shows."""
    world = lab(offline=True)
    world.thread = history.thread_of(world.history.rollout(history.generated_image(picture())))
    return world


def show(world, kind, *arguments, env=None, **more):
    argv = world.argv("recover", world.thread, "--out", "fox.png", "--force", "--show", *arguments)
    environment = {**world.environment, "TERM": "xterm-256color", "PYTHONUTF8": "1", **(env or {})}
    return terminal.run(kind, argv, env=environment, cwd=world.work, **more)


def assert_shown(world, session):
    """The path is above, name and size are below; the terminal's modes are restored, and nothing is left unread."""
    assert session.code == 0, session
    lines = session.shown.splitlines()
    assert lines[0].decode() == str(world.work / "fox.png")
    size = os.path.getsize(world.work / "fox.png")
    assert lines[-1].decode() == f"fox.png  120×120  {size} B"
    assert session.settings_kept
    assert session.left == b""


def middle(session):
    """The output between the path and the caption."""
    return b"\n".join(session.shown.splitlines()[1:-1])


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        (terminal.KITTY, 80),
        (terminal.GHOSTTY, 40),
        pytest.param(terminal.WEZTERM, 80, marks=pytest.mark.every_build),
        pytest.param(terminal.KITTY, 40, marks=pytest.mark.every_build),
    ],
)
def test_show_on_kitty_terminals_sends_png_chunks(world, kind, columns):
    session = show(world, kind, columns=columns)
    assert_shown(world, session)
    chunks = KITTY_CHUNK.findall(middle(session))
    keys = dict(key.split(b"=") for key in chunks[0][0].split(b","))
    assert (keys[b"a"], keys[b"f"], keys[b"q"]) == (b"T", b"100", b"2")
    assert int(keys[b"c"]) <= columns
    assert int(keys[b"r"]) <= 36
    sent = base64.b64decode(b"".join(data for _keys, data in chunks))
    with Image.open(io.BytesIO(sent)) as image:
        assert image.getpixel((0, 0))[:3] == (200, 30, 30)
        assert image.width == image.height <= 720
    assert [key.endswith(b"m=1") for key, _data in chunks] == [True] * (len(chunks) - 1) + [False]


def test_show_on_iterm2_sends_an_inline_file(world):
    session = show(world, terminal.ITERM2)
    assert_shown(world, session)
    ((keys, data),) = ITERM2_FILE.findall(middle(session))
    sent = base64.b64decode(data)
    assert f"size={len(sent)}".encode() in keys
    assert b"inline=1" in keys
    assert Image.open(io.BytesIO(sent)).format == "PNG"
    assert not any(question.startswith(b"\x1b_G") for question in session.questions)


def test_show_on_sixel_terminals_sends_sixels(world):
    session = show(world, terminal.XTERM_SIXEL)
    assert_shown(world, session)
    assert middle(session).startswith(b"\x1bP0;1q")
    assert b"\x1b_G" not in middle(session)


@pytest.mark.parametrize(
    ("kind", "columns", "rows"),
    [
        (terminal.XTERM, 80, 40),
        (terminal.TMUX, 40, 40),
        (terminal.APPLE, 80, 12),
        (terminal.XTERM, 10, 5),
        pytest.param(terminal.APPLE, 40, 40, marks=pytest.mark.every_build),
        pytest.param(terminal.TMUX, 10, 5, marks=pytest.mark.every_build),
        pytest.param(terminal.XTERM, 80, 12, marks=pytest.mark.every_build),
    ],
)
def test_show_elsewhere_draws_blocks(world, kind, columns, rows):
    session = show(world, kind, columns=columns, rows=rows)
    assert_shown(world, session)
    lines = Text.from_ansi(middle(session).decode()).split()
    width = len(lines[0])
    assert {len(line) for line in lines} == {width}
    assert width <= columns
    assert len(lines) <= max(1, rows - 4)
    assert {char for line in lines for char in line.plain} == {"▀"}
    if kind.name and rows > 5:  # all colours
        top, bottom = (lines[at].spans[0].style.color.triplet for at in (0, -1))
        assert tuple(top) == (200, 30, 30)
        assert tuple(lines[-1].spans[0].style.bgcolor.triplet) == (20, 40, 220), bottom
    assert (b"\x1b_G" in session.written) == bool(kind.name)


def test_show_on_a_silent_terminal_draws_blocks(world):
    session = show(world, terminal.SILENT)
    assert_shown(world, session)
    assert "▀" in middle(session).decode()


@pytest.mark.every_build
def test_show_waits_for_a_slow_answer(world):
    session = show(world, terminal.Kind(b"kitty(0.40)", kitty=True, late_sec=0.3))
    assert_shown(world, session)
    assert KITTY_CHUNK.search(middle(session))


def test_show_leaves_typed_keys_to_the_shell(world):
    session = show(world, terminal.KITTY, typed=b"ls\n")
    assert session.code == 0
    assert session.questions == []
    assert session.left == b"ls\n"


def test_show_without_colour_draws_brightness(world):
    session = show(world, terminal.XTERM, env={"NO_COLOR": "1"})
    assert_shown(world, session)
    assert b"\x1b" not in middle(session)
    assert set(middle(session).decode()) & set("░▒▓█")


def test_show_on_a_dumb_terminal_prints_name_and_size(world):
    session = show(world, terminal.SILENT, env={"TERM": "dumb"})
    assert_shown(world, session)
    assert b"\x1b" not in session.written
    assert middle(session) == b""


def test_show_on_an_ascii_terminal_warns_and_writes_the_picture(world):
    session = show(world, terminal.XTERM, env={"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii", "LC_ALL": "C"})
    assert session.code == 0
    assert b"warning: the picture can't be shown here" in session.written
    assert (world.work / "fox.png").read_bytes() == picture()


def test_show_on_a_pipe_changes_nothing(world):
    plain, shown = (
        world.run("recover", world.thread, "--out", "fox.png", "--force", *more) for more in ([], ["--show"])
    )
    assert (shown.code, shown.out, shown.err) == (plain.code, plain.out, plain.err)


def test_show_with_json_prints_one_object(world):
    session = show(world, terminal.KITTY, "--json")
    assert json.loads(session.written)["ok"]
    assert session.questions == []


def test_show_of_unwritable_picture_prints_the_failure(world):
    (world.work / "fox.png").symlink_to("/dev/full")
    session = show(world, terminal.KITTY)
    assert b"codex-imagegen:" in session.written  # the picture could not be written, and nothing else was tried


@pytest.mark.real
def test_show_with_count_shows_each_picture(lab):
    world = lab(script=DrawsSmall())
    argv = world.argv("--prompt", "a red fox", "--count", "2", "--out", "fox.png", "--show", "--quiet")
    session = terminal.run(terminal.KITTY, argv, env={**world.environment, "TERM": "xterm-kitty"}, cwd=world.work)
    assert session.code == 0
    assert len(re.findall(rb"a=T", session.shown)) == 2
    assert b"fox-1.png  160" in session.shown
    assert b"fox-2.png  160" in session.shown
    assert (world.work / "fox-1.png").read_bytes() == small_png("a red fox")


def test_show_on_a_pipe_imports_nothing_of_it(world):
    modules, done = loaded(world, "recover", world.thread, "--out", "owl.png", "--show")
    assert done.code == 0
    assert not {module for module in modules if module.startswith("codex_imagegen.terminal_image")}
