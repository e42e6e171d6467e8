"""The private folders of a run."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from codex_imagegen.codex.workspace import PREFIX, workspace
from codex_imagegen.errors import OutUnwritable
from codex_imagegen.pictures.references import Reference
from tests.support.pictures import encoded

ODD = Reference("/my, pictures/a fox.png", encoded(), "png")


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def test_an_empty_folder_of_its_own(temporary):
    with workspace() as (folder, copies):
        assert os.path.dirname(folder) == os.path.realpath(temporary)
        assert os.path.basename(folder).startswith(PREFIX)
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
        assert os.listdir(folder) == copies == []
    assert os.listdir(temporary) == []


def test_copies_of_references_without_commas_beside_it(temporary):
    jpeg = Reference("b.jpeg", encoded(format="JPEG"), "jpeg")
    webp = Reference("c", encoded(format="WEBP"), "webp")
    with workspace([ODD, jpeg, webp]) as (folder, copies):
        assert os.listdir(folder) == []
        assert [os.path.basename(path) for path in copies] == ["1.png", "2.jpg", "3.webp"]
        assert not any("," in path or " " in os.path.basename(path) for path in copies)
        assert Path(copies[0]).read_bytes() == ODD.data
        assert stat.S_IMODE(os.stat(os.path.dirname(copies[0])).st_mode) == 0o700
    assert os.listdir(temporary) == []


def test_it_is_gone_after_a_failure_and_whatever_lies_in_it(temporary):
    def run() -> None:
        with workspace([ODD]) as (folder, _copies):
            os.makedirs(os.path.join(folder, "left", "behind"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        run()
    assert os.listdir(temporary) == []


def test_two_runs_have_two_folders():
    with workspace() as (first, _), workspace() as (second, _):
        assert first != second


def test_a_symlinked_temporary_folder_is_resolved(tmp_path, temporary, monkeypatch):
    (tmp_path / "link").symlink_to(temporary)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "link"))
    with workspace() as (folder, _):
        assert folder == os.path.realpath(folder)


def test_a_temporary_folder_that_takes_no_files(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))
    with pytest.raises(OutUnwritable, match="takes no files") as caught, workspace([ODD]):
        pass
    assert "TMPDIR" in str(caught.value.hint)
