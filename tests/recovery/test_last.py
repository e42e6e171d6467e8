"""``recover --last``: the picture that was made last, in whichever session it is."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from codex_imagegen.errors import NoPicture
from codex_imagegen.recovery import search as module
from codex_imagegen.recovery.search import find_last_picture
from tests.support import builds, history
from tests.support.checks import DrawsSmall, small_png
from tests.support.codex_sessions import fork, generate, run_codex
from tests.support.in_process import call
from tests.support.pictures import encoded, torn

FOX, OWL, BOAT = encoded(40, "fox"), encoded(44, "owl"), encoded(48, "boat")
NOW = time.time()
HOUR = 3600.0


@pytest.fixture
def codex_home(tmp_path):
    return history.History(tmp_path / "home")


@pytest.fixture
def read(monkeypatch):
    """The threads whose rollouts were read."""
    threads = []

    class Counted(module.SessionReader):
        def __init__(self, codex_home, session):
            threads.append(session.thread_id)
            super().__init__(codex_home, session)

    monkeypatch.setattr(module, "SessionReader", Counted)
    return threads


def session(codex_home, *pictures, hours, **more):
    """A session of these pictures, as it was left so many hours ago."""
    records = [history.generated_image(data, call_id=f"call_{number}") for number, data in enumerate(pictures)]
    path = codex_home.rollout(*records, at=NOW - hours * HOUR, **more)
    os.utime(path, (NOW, NOW - hours * HOUR))
    return path


def gone_on_with(path, *records, hours=0.0):
    """The same session with records that were appended so many hours ago."""
    with path.open("ab") as file:
        file.write(b"".join(history.rollout_line(record, NOW - hours * HOUR) + b"\n" for record in records))
    os.utime(path, (NOW, NOW - hours * HOUR))


def pictures(codex_home):
    return [picture.data for picture in find_last_picture(str(codex_home.home)).pictures]


# With the real Codex


def recover_last(world):
    done = call("recover", "--last", "--json", environment=world.environment, folder=world.work)
    (image,) = done.json["images"]
    return Path(image["path"]).read_bytes()


@pytest.mark.real
@pytest.mark.parametrize("version", [
    pytest.param(version, marks=[] if version == builds.NEWEST else pytest.mark.every_build)
    for version in (builds.OLDEST, "0.118.0", "0.141.0", builds.NEWEST)
])  # fmt: skip
def test_last_picture_is_that_of_a_continued_thread_and_never_that_of_a_fork(lab, version):
    world = lab(version, script=DrawsSmall())
    fox, owl = generate(world, "a red fox", "an owl")
    assert fox < owl
    if version != builds.OLDEST:
        fork(world, fox)
    assert recover_last(world) == small_png("an owl")
    assert run_codex(world, "resume", fox, "now in blue") == fox
    assert recover_last(world) == small_png("now in blue")


# With histories of every kind


def test_last_of_a_session_with_several_is_its_last_picture(codex_home):
    session(codex_home, FOX, OWL, hours=2)
    assert pictures(codex_home) == [OWL]


def test_last_goes_by_the_time_of_the_picture(codex_home):
    old = session(codex_home, FOX, hours=900)
    session(codex_home, OWL, hours=1)
    gone_on_with(old, history.generated_image(BOAT, call_id="later"), hours=0.5)
    assert pictures(codex_home) == [BOAT]


def test_last_ignores_later_records_without_a_picture(codex_home):
    old = session(codex_home, FOX, hours=900)
    session(codex_home, OWL, hours=1)
    gone_on_with(old, history.user_message("thank you"))
    assert pictures(codex_home) == [OWL]


@pytest.mark.parametrize("where", [{"archived": True}, {"days_off": 90}])
def test_last_finds_rollouts_in_the_archive_and_other_days(codex_home, where):
    session(codex_home, FOX, hours=5, **where)
    session(codex_home, OWL, hours=8)
    assert pictures(codex_home) == [FOX]


@pytest.mark.parametrize("rollout", ["compressed", "gone"])
def test_last_uses_the_time_of_a_saved_file_without_rollout(codex_home, rollout):
    path = session(codex_home, FOX, hours=50)
    folder = codex_home.saved(history.thread_of(path), FOX)
    path.rename(f"{path}.zst") if rollout == "compressed" else path.unlink()
    session(codex_home, OWL, hours=9)
    for time_of, expected in ((NOW - 50 * HOUR, OWL), (NOW - 4 * HOUR, FOX)):
        os.utime(folder / "call_1.png", (NOW, time_of))
        os.utime(folder, (NOW, time_of))
        assert pictures(codex_home) == [expected]


def test_last_warns_of_a_later_damaged_picture(codex_home):
    session(codex_home, FOX, hours=9)
    session(codex_home, torn(OWL), hours=12)
    assert find_last_picture(str(codex_home.home)).warnings == ()
    later = session(codex_home, torn(OWL), hours=5)
    found = find_last_picture(str(codex_home.home))
    assert [picture.data for picture in found.pictures] == [FOX]
    assert [warning.code for warning in found.warnings] == ["damaged-picture"]
    assert history.thread_of(later) in found.warnings[0].message


def test_last_warns_of_a_later_torn_rollout(codex_home):
    session(codex_home, FOX, hours=9)
    path = session(codex_home, OWL, hours=5)
    path.write_bytes(path.read_bytes()[:-60])
    found = find_last_picture(str(codex_home.home))
    assert [picture.data for picture in found.pictures] == [FOX]
    assert [warning.code for warning in found.warnings] == ["damaged-picture"]


def test_last_of_a_fork_counts_only_where_its_parent_is_gone(codex_home):
    parent = session(codex_home, FOX, hours=20)
    session(codex_home, OWL, hours=10)
    fork = session(codex_home, FOX, hours=5)
    lines = fork.read_bytes().split(b"\n")
    lines[0] = history.rollout_line(
        history.session_meta(history.thread_of(fork), forked_from_id=history.thread_of(parent))
    )
    fork.write_bytes(b"\n".join(lines))
    os.utime(fork, (NOW, NOW - 5 * HOUR))
    assert pictures(codex_home) == [OWL]
    parent.unlink()
    assert pictures(codex_home) == [FOX]


def test_last_reads_one_rollout_of_many(codex_home, read):
    paths = [session(codex_home, FOX, hours=hours) for hours in range(1, 40)]
    assert pictures(codex_home) == [FOX]
    assert read == [history.thread_of(paths[0])]


def test_last_reads_few_rollouts_where_all_were_touched(codex_home, read):
    paths = [session(codex_home, FOX, hours=hours) for hours in range(1, 40)]
    for number, path in enumerate(paths):
        os.utime(path, (NOW, NOW - number % 7))
    assert pictures(codex_home) == [FOX]
    assert history.thread_of(paths[0]) in read
    assert len(read) < 12  # those that come up before the latest was found


def test_last_without_sessions_raises_no_picture(codex_home):
    with pytest.raises(NoPicture):
        find_last_picture(str(codex_home.home))
