"""The command that makes the missing pictures never pays for the others again."""

from __future__ import annotations

from pathlib import Path

import pytest

from codex_imagegen.cli import next_command
from codex_imagegen.cli.commands import generate
from codex_imagegen.request import Request
from codex_imagegen.results import ErrorInfo, Failure, Image, Result


def extra_arguments(
    folder: Path, images: list[str], missing: list[int], out: str | None = None
) -> tuple[str, ...] | None:
    """The arguments to add for three pictures, of which these exist."""
    error = ErrorInfo("no-picture", 7, "x")
    done = Result(
        ok=False,
        backend="codex",
        images=tuple(Image(str(folder / name), "png", 1, 1, 1, "") for name in images),
        failures=tuple(Failure(index, error) for index in missing),
        error=error,
    )
    return next_command._extra_arguments(done, Request("a fox", count=3, out=out))


@pytest.mark.parametrize(("images", "missing"), [
    (["image-T-1.png", "image-T-3.png"], [1]), (["image-T-2.png"], [0, 2]), (["image-T-3.png"], [0, 1]),
])  # fmt: skip
def test_missing_pictures_are_requested_under_the_numbered_name(
    tmp_path: Path, images: list[str], missing: list[int]
) -> None:
    assert extra_arguments(tmp_path, images, missing) == ("--out", str(tmp_path / "image-T.png"), "--skip-existing")


@pytest.mark.parametrize("out", [".", "new/", "{folder}", None])
def test_missing_pictures_in_a_folder_are_requested_under_the_name_that_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    out = out and out.format(folder=tmp_path)
    found = extra_arguments(tmp_path, ["a-fox-1.png", "a-fox-3.png"], [1], out)
    assert found == ("--out", str(tmp_path / "a-fox.png"), "--skip-existing")
    assert extra_arguments(tmp_path, ["a-fox-1.png", "a-fox-4.png", "a-fox-3.png"], [], out) is None


def test_name_without_a_suffix_is_a_name(tmp_path: Path) -> None:
    assert extra_arguments(tmp_path, ["fox-1.png", "fox-3.png"], [1], out="fox") == ("--skip-existing",)


@pytest.mark.parametrize(("images", "missing"), [
    (["image-T-1-2.png"], [1, 2]),
    (["image-T-1-2.png", "image-T-2-2.png"], [2]),
    (["image-T-1.png", "image-T-2-2.png"], [2]),
    (["image-T-1-2.png", "image-T-3-2.png"], [1]),
])  # fmt: skip
def test_taken_names_offer_no_command(tmp_path: Path, images: list[str], missing: list[int]) -> None:
    assert extra_arguments(tmp_path, images, missing) is None


def test_picture_of_another_run_offers_no_command(tmp_path: Path) -> None:
    (tmp_path / "image-T-2.png").write_bytes(b"of another run")
    assert extra_arguments(tmp_path, ["image-T-1.png", "image-T-3.png"], [1]) is None


def test_result_without_pictures_offers_the_same_command(tmp_path: Path) -> None:
    assert extra_arguments(tmp_path, [], [0, 1, 2]) == ()
    assert extra_arguments(tmp_path, ["fox-1.png"], [1, 2], out="fox.png") == ("--skip-existing",)


@pytest.mark.parametrize(("typed", "command"), [
    (["a red fox", "--count", "3"], "'a red fox' --count 3 --skip-existing"),
    (["--count", "3", "--", "-5 degrees"], "--count 3 --skip-existing -- '-5 degrees'"),
    (["--prompt", "--", "--count", "3"], "--prompt -- --count 3 --skip-existing"),
    (["a fox", "--out=~/x.png"], "'a fox' '--out=~/x.png' --skip-existing"),
    (["-", "--count", "3"], "- --count 3 --skip-existing"),
])  # fmt: skip
def test_rerun_command_has_what_was_typed(typed: list[str], command: str) -> None:
    with generate.command.make_context("codex-imagegen", list(typed)):
        assert next_command.rerun_command(extra=("--skip-existing",)) == f"codex-imagegen {command}"
