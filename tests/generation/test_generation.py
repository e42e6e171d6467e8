"""Several pictures of one prompt with a fake backend: reports of the failed ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from codex_imagegen import backends
from codex_imagegen.errors import Interrupted, NoPicture
from codex_imagegen.generation import generate
from codex_imagegen.images import output
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.request import Event, Request, Run
from codex_imagegen.results import BackendResult, Picture, Warning_
from tests.support.pictures import encoded

REDUCED, OWN = Warning_("reference-reduced", "smaller"), Warning_("own", "of one picture alone")


def drawing(monkeypatch: pytest.MonkeyPatch, *ends: BackendResult | NoPicture) -> None:
    """Set the results of the backend's runs, in order."""
    left = list(ends)

    def make(_request: Request, _run: Run) -> BackendResult:
        end = left.pop(0)
        if isinstance(end, NoPicture):
            raise end
        return end

    monkeypatch.setattr(backends, "load", lambda _name: SimpleNamespace(make=make))


def failing(*warnings: Warning_) -> NoPicture:
    error = NoPicture("x", spent=True)
    error.warnings = tuple((warning.code, warning.message) for warning in warnings)
    return error


@pytest.mark.parametrize("came", [True, False])
def test_warnings_of_failed_pictures_are_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, came: bool) -> None:
    first = BackendResult(Picture(encoded(), "png", 32, 32), warnings=(REDUCED,)) if came else failing(REDUCED)
    drawing(monkeypatch, first, failing(REDUCED), failing(REDUCED, OWN))
    done = generate(Request("a fox", count=3, jobs=1, out=str(tmp_path / "fox.png")))
    named = Warning_(OWN.code, f"fox-3.png: {OWN.message}")
    assert (len(done.images), len(done.failures), done.warnings) == (came, 3 - came, (REDUCED, named))


def test_interrupt_while_existing_pictures_are_read_is_obeyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt, read = Interrupt(), []
    image: Callable[[str], object] = output.read_existing_image

    def reading(path: str) -> object:
        read.append(path)
        interrupt.set(15)
        return image(path)

    monkeypatch.setattr(output, "read_existing_image", reading)
    for number in (1, 2, 3):
        (tmp_path / f"fox-{number}.png").write_bytes(encoded(32, number))
    events: list[Event] = []
    request = Request("a fox", count=3, out=str(tmp_path / "fox.png"), skip_existing=True)
    with pytest.raises(Interrupted) as caught:
        generate(request, interrupt=interrupt, on_event=events.append)
    assert (len(read), events, caught.value.exit_code, caught.value.spent) == (1, [], 143, False)
