"""``--show`` as it is installed, on terminals of every kind; and everywhere else, where nobody may notice it."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import subprocess

import pytest
from PIL import Image
from rich.text import Text

from tests.cli.test_startup import loaded
from tests.support import builds, history, terminal
from tests.support.checks import Small, made
from tests.support.lab import COMMAND

KITTY_CHUNK = re.compile(rb"\x1b_G([^;]*);([^\x1b]*)\x1b\\")
ITERM2_FILE = re.compile(rb"\x1b\]1337;File=([^:]*):([^\x07]*)\x07")


def picture(side: int = 120) -> bytes:
    """Red above, blue below, in a few bytes."""
    image = Image.new("RGB", (side, side), (200, 30, 30))
    image.paste((20, 40, 220), (0, side // 2, side, side))
    target = io.BytesIO()
    image.save(target, "PNG")
    return target.getvalue()


class World:
    def __init__(self, folder):
        self.work = folder / "work"
        self.work.mkdir()
        self.thread = history.thread_of(history.History(folder / "home").rollout(history.generated_image(picture())))
        self.env = {**os.environ, "CODEX_HOME": str(folder / "home"), "TERM": "xterm-256color", "PYTHONUTF8": "1"}
        self.env.pop("COLORTERM", None)

    def show(self, kind, *arguments, env=None, **more):
        argv = [COMMAND, "recover", self.thread, "--out", "fox.png", "--force", "--show", *arguments]
        return terminal.run(kind, argv, env={**self.env, **(env or {})}, cwd=self.work, **more)


@pytest.fixture
def world(tmp_path):
    """A home with one session, whose picture ``recover --show`` shows."""

    return World(tmp_path)


def assert_shown(world, session):
    """Path above, name and size below, and the terminal is as it was, with nothing left to be read."""
    assert session.code == 0, session
    lines = session.shown.splitlines()
    assert lines[0].decode() == str(world.work / "fox.png")
    size = os.path.getsize(world.work / "fox.png")
    assert lines[-1].decode() == f"fox.png  120 × 120  {size / 1e3:.1f} kB"
    assert session.settings_kept
    assert session.left == b""


def middle(session):
    """What stands between the path and the caption."""
    return b"\n".join(session.shown.splitlines()[1:-1])


@pytest.mark.parametrize("kind", [terminal.KITTY, terminal.GHOSTTY, terminal.WEZTERM])
@pytest.mark.parametrize("columns", [80, 40])
def test_kitty(world, kind, columns):
    session = world.show(kind, columns=columns)
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


def test_iterm2(world):
    session = world.show(terminal.ITERM2)
    assert_shown(world, session)
    ((keys, data),) = ITERM2_FILE.findall(middle(session))
    sent = base64.b64decode(data)
    assert f"size={len(sent)}".encode() in keys
    assert b"inline=1" in keys
    assert Image.open(io.BytesIO(sent)).format == "PNG"
    assert not any(question.startswith(b"\x1b_G") for question in session.questions)


def test_sixel(world):
    session = world.show(terminal.XTERM_SIXEL)
    assert_shown(world, session)
    assert middle(session).startswith(b"\x1bP0;1q")
    assert b"\x1b_G" not in middle(session)


@pytest.mark.parametrize("kind", [terminal.XTERM, terminal.TMUX, terminal.APPLE])
@pytest.mark.parametrize(("columns", "rows"), [(80, 40), (40, 40), (80, 12), (10, 5)])
def test_blocks_elsewhere(world, kind, columns, rows):
    session = world.show(kind, columns=columns, rows=rows)
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


def test_a_terminal_that_answers_nothing_costs_a_moment_and_no_more(world):
    session = world.show(terminal.SILENT)
    assert_shown(world, session)
    assert "▀" in middle(session).decode()


def test_a_slow_answer_is_waited_for(world):
    session = world.show(terminal.Kind(b"kitty(0.40)", kitty=True, late_sec=0.3))
    assert_shown(world, session)
    assert KITTY_CHUNK.search(middle(session))


def test_keys_that_were_hit_before_are_left_for_the_shell(world):
    session = world.show(terminal.KITTY, typed=b"ls\n")
    assert session.code == 0
    assert session.questions == []
    assert session.left == b"ls\n"


def test_without_colours_the_brightness_is_shown(world):
    session = world.show(terminal.XTERM, env={"NO_COLOR": "1"})
    assert_shown(world, session)
    assert b"\x1b" not in middle(session)
    assert set(middle(session).decode()) & set("░▒▓█")


def test_a_dumb_terminal_gets_the_name_and_the_size(world):
    session = world.show(terminal.SILENT, env={"TERM": "dumb"})
    assert_shown(world, session)
    assert b"\x1b" not in session.written
    assert middle(session) == b""


def test_letters_that_the_terminal_does_not_have(world):
    session = world.show(terminal.XTERM, env={"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii", "LC_ALL": "C"})
    assert session.code == 0
    assert b"warning: the picture can't be shown here" in session.written
    assert (world.work / "fox.png").read_bytes() == picture()


def test_where_stdout_is_no_terminal_nobody_notices(world):
    argv = [COMMAND, "recover", world.thread, "--out", "fox.png", "--force"]
    plain, shown = (
        subprocess.run([*argv, *more], capture_output=True, env=world.env, cwd=world.work, timeout=60, check=False)
        for more in ([], ["--show"])
    )
    assert (shown.returncode, shown.stdout, shown.stderr) == (plain.returncode, plain.stdout, plain.stderr)


def test_json_stays_one_object_at_a_terminal_too(world):
    session = world.show(terminal.KITTY, "--json")
    assert json.loads(session.written)["ok"]
    assert session.questions == []


def test_a_picture_that_is_gone_again_is_a_remark(world):
    (world.work / "fox.png").symlink_to("/dev/full")
    session = world.show(terminal.KITTY)
    assert b"codex-imagegen: " in session.written  # the picture could not be written, and nothing else was tried


@pytest.mark.real
def test_the_default_command_shows_each_of_several_pictures(lab):
    world = lab(script=Small())
    argv = world.argv("--prompt", "a red fox", "--count", "2", "--out", "fox.png", "--show", "--quiet")
    session = terminal.run(terminal.KITTY, argv, env={**world.environment, "TERM": "xterm-kitty"}, cwd=world.work)
    assert session.code == 0
    assert len(re.findall(rb"a=T", session.shown)) == 2
    assert b"fox-1.png  160" in session.shown
    assert b"fox-2.png  160" in session.shown
    assert (world.work / "fox-1.png").read_bytes() == made("a red fox")


@pytest.mark.real
def test_without_it_nothing_of_it_is_imported(lab):
    world = lab(script=Small())
    codex = str(builds.codex(builds.NEWEST))
    modules, done = loaded(world, "--prompt", "a red fox", "--out", "fox.png", "--codex", codex)
    assert done.code == 0
    assert not {module for module in modules if ".show" in module}
    modules, done = loaded(world, "--prompt", "a red fox", "--out", "owl.png", "--codex", codex, "--show")
    assert done.code == 0
    assert not {module for module in modules if module.startswith("codex_imagegen.show")}  # stdout is a pipe
