"""How much a run may upload, and errors that large references cause."""

from __future__ import annotations

import time

import pytest

from codex_imagegen.codex import backend
from codex_imagegen.errors import Interrupted, Moderation, NetworkError, RunTimeout, UsageLimit
from codex_imagegen.images.references import Reference
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.request import Request, Run
from codex_imagegen.results import Warning_
from tests.support.pictures import encoded

LARGE = Reference("a.png", bytes(20_000_000), "png")
WARNING = Warning_("reference-reduced", "smaller")


def as_base64(size: int) -> int:
    return (size + 2) // 3 * 4


@pytest.mark.parametrize("prompt", ["a fox", "狐" * 1_000_000])
@pytest.mark.parametrize(("full_turn", "times"), [(False, 2), (True, 3)])
def test_upload_stays_under_64_megabytes(prompt, full_turn, times):
    limits = backend.size_limits(prompt, full_turn=full_turn)
    words = len(prompt.encode()) + 200_000
    assert times * (as_base64(limits.total) + words) < 64_000_000
    assert len("data:image/jpeg;base64,") + as_base64(limits.each) <= 20_971_520
    assert limits.each > 15_700_000


@pytest.mark.parametrize(("full_turn", "total"), [(False, 23_000_000), (True, 13_000_000)])
def test_upload_limit_is_the_same_for_prompts_of_a_batch(full_turn, total):
    """Smaller copies are cached with the limit that they were made for."""
    limits = {backend.size_limits("x" * length, full_turn=full_turn) for length in (0, 5, 100, 5_000, 500_000)}
    assert [limit.total for limit in limits] == [total]


@pytest.mark.parametrize("kind", [Moderation, NetworkError])
def test_error_with_large_references_names_them(kind):
    error = kind("it failed", hint="try again")
    backend.explain_large_references(error, [LARGE], [WARNING])
    assert error.hint == "try again; smaller references may help, too: these have 20.0 MB"
    assert error.warnings == (("reference-reduced", "smaller"),)


def test_error_names_references_of_8_mb_together():
    half = Reference("a.png", bytes(4_000_000), "png")
    error = Moderation("no")
    backend.explain_large_references(error, [half, half], [])
    assert error.hint == "smaller references may help, too: these have 8.0 MB"


def test_error_without_large_references_names_none():
    below = Reference("a", bytes(7_999_999), "png")
    for error, reference in ((UsageLimit("no more"), LARGE), (Moderation("no"), below)):
        backend.explain_large_references(error, [reference], [])
        assert (error.hint, error.warnings) == (None, ())
    error = NetworkError("failed", hint="give fewer or smaller references")
    backend.explain_large_references(error, [LARGE], [])
    assert error.hint == "give fewer or smaller references"


@pytest.mark.parametrize(("left", "signum", "kind"), [(-1.0, None, RunTimeout), (60.0, 15, Interrupted)])
def test_reduction_heeds_timeout_and_signal(tmp_path, monkeypatch, left, signum, kind):
    monkeypatch.setattr(backend, "MAX_BYTES", 1_200_000)
    (tmp_path / "a.png").write_bytes(encoded(600))
    interrupt = Interrupt()
    if signum:
        interrupt.set(signum)
    now = time.monotonic()
    run = Run(now, now + left, interrupt, lambda _event: None)
    with pytest.raises(kind) as caught:
        backend._load_references(Request(prompt="a fox", refs=(str(tmp_path / "a.png"),)), run)
    assert caught.value.spent is False
