"""Which picture is recovered if no thread is named and several calls ran at once: never another call's."""

from __future__ import annotations

import json
import threading

import pytest

from codex_imagegen.errors import (
    Interrupted,
    Moderation,
    NetworkError,
    OutExists,
    RunComfyRetry,
    RunTimeout,
    UsageError,
)
from codex_imagegen.mcp_server.undelivered import UndeliveredImages
from codex_imagegen.request import Event
from codex_imagegen.results import ErrorInfo, Failure, Result
from tests.mcp_server.raw_client import RawClient, texts
from tests.support import checks, history
from tests.support.checks import DrawsSmall, small_png

A, B, C = (history.new_thread_id(1767225600.0 + number) for number in range(3))


def start_call(images: UndeliveredImages, *threads: str | None, prompt: str = "a fox"):
    """A running call for one picture per thread; a thread of None has no session yet."""
    call = images.add(prompt, len(threads))
    for index, thread in enumerate(threads):
        call.record(Event("thread", index=index, thread_id=thread))
    return call


def deliver(call, *failures: Failure):
    call.result = Result(ok=not failures, backend="codex", failures=failures)
    call.finish()


def ambiguity(images: UndeliveredImages) -> str:
    with pytest.raises(UsageError) as caught:
        images.find_thread()
    return f"{caught.value.message}; {caught.value.hint}"


def test_recovery_without_any_call_says_no_picture_yet():
    assert "no picture yet" in ambiguity(UndeliveredImages())


def test_single_call_is_recovered_whatever_its_end():
    for end in (deliver, lambda call: call.fail(RunTimeout("x", spent=True)), lambda call: None):
        images = UndeliveredImages()
        end(start_call(images, A))
        assert images.find_thread() == A


def test_last_of_sequential_calls_is_recovered():
    images = UndeliveredImages()
    deliver(start_call(images, A))
    deliver(start_call(images, B))
    assert images.find_thread() == B


def test_failed_call_is_recovered_before_delivered_ones():
    images = UndeliveredImages()
    first, second = start_call(images, A), start_call(images, B)
    deliver(second)
    first.fail(Interrupted("x"))
    assert images.find_thread() == A
    deliver(start_call(images, C))
    assert images.find_thread() == A
    images.remove(A)  # it was fetched, or does not exist
    assert images.find_thread() == C


def test_two_failed_calls_are_listed():
    images = UndeliveredImages()
    first, second = start_call(images, A, prompt="a red fox"), start_call(images, B, prompt="an owl\n" + "x" * 99)
    first.fail(RunTimeout("x", spent=None))
    second.fail(Interrupted("x"))
    message = ambiguity(images)
    assert A in message
    assert B in message
    assert '"a red fox"' in message
    assert '"an owl xx' in message
    assert "\n" not in message
    images.remove(B)
    assert images.find_thread() == A


def test_failed_call_beside_a_running_one_is_ambiguous():
    """A host that no longer waits does not always cancel the call."""
    images = UndeliveredImages()
    first, second = start_call(images, A), start_call(images, B)
    first.fail(RunTimeout("x", spent=None))
    assert A in ambiguity(images)
    deliver(second)
    assert images.find_thread() == A


def test_call_without_a_session_gets_no_other_calls_picture():
    images = UndeliveredImages()
    deliver(start_call(images, A))
    waiting = start_call(images, None)
    assert A not in ambiguity(images)
    waiting.fail(Interrupted("x"))  # cancelled before Codex started
    assert "no session" in ambiguity(images)
    deliver(start_call(images, B))
    assert "no session" in ambiguity(images)


def test_unspent_call_without_session_has_nothing_undelivered():
    images = UndeliveredImages()
    deliver(start_call(images, A))
    start_call(images, None).fail(NetworkError("x", spent=False))
    assert images.find_thread() == A
    start_call(images, None).fail(NetworkError("x", spent=None))  # it is unknown how far that one got
    assert "no session" in ambiguity(images)


def test_unspent_pictures_without_session_among_several_are_not_undelivered():
    images = UndeliveredImages()
    free, unknown = ErrorInfo("network", 5, "x", spent=False), ErrorInfo("network", 5, "x", spent=None)
    deliver(start_call(images, A, B, None), Failure(1, unknown), Failure(2, free))
    assert images.find_thread() == B
    deliver(start_call(images, None, C), Failure(0, free), Failure(1, free))
    assert B in ambiguity(images)  # a session may have more than its run reported
    assert C in ambiguity(images)


@pytest.mark.parametrize("end", [
    lambda call: call.fail(RunComfyRetry("x", spent=None)), lambda call: call.fail(Interrupted("x", spent=True)),
    lambda call: call.fail(ValueError("cancelled")),
    lambda call: deliver(call, Failure(0, ErrorInfo("runcomfy-retry", 75, "x", spent=None))),
])  # fmt: skip
def test_call_to_runcomfy_has_no_session_to_recover(end):
    images = UndeliveredImages()
    deliver(start_call(images, A))
    call = images.add("a fox", 1, "runcomfy")
    assert "no session" in ambiguity(images)  # while it runs, no other call's picture is taken
    end(call)
    assert images.find_thread() == A


def test_refused_call_has_nothing_undelivered_and_moderated_call_its_own_session():
    images = UndeliveredImages()
    deliver(start_call(images, A))
    start_call(images, None).fail(OutExists("x"))
    assert images.find_thread() == A
    start_call(images, B).fail(Moderation("x", spent=True))
    assert images.find_thread() == B  # recover_image reports that it has no picture
    assert images.find_thread() != A


def test_concurrent_delivered_calls_are_listed():
    images = UndeliveredImages()
    first, second = start_call(images, A), start_call(images, B)
    deliver(first)
    deliver(second)
    assert A in ambiguity(images)
    assert B in ambiguity(images)


def test_missing_picture_of_several_is_recovered():
    images = UndeliveredImages()
    call = start_call(images, A, B, C)
    deliver(call, Failure(1, ErrorInfo("timeout", 5, "x")), Failure(2, ErrorInfo("moderation", 7, "x")))
    assert images.find_thread() == B


def test_several_pictures_of_one_call_are_listed():
    images = UndeliveredImages()
    deliver(start_call(images, A, B))
    assert A in ambiguity(images)


def test_calls_from_many_threads_leave_the_last_one_recoverable():
    images = UndeliveredImages()

    def work(number: int) -> None:
        for _ in range(50):
            deliver(start_call(images, history.new_thread_id(1767225600.0 + number)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    deliver(start_call(images, A))
    assert images.find_thread() == A


# With the real Codex; each test has its own server, since a server remembers its calls


class Draws(DrawsSmall):
    """Draws two owls at once or none; foxes wait until ``free`` is set."""

    def __init__(self):
        self.free, self.both = threading.Event(), threading.Barrier(2, timeout=60)

    def draw(self, prompt):
        if "fox" in prompt:
            self.free.wait(60)
        elif "owl" in prompt:
            self.both.wait()
        return super().draw(prompt)


@pytest.mark.real
def test_recovery_without_thread_never_gets_another_calls_picture(lab):
    script = Draws()
    world = lab(script=script)
    with RawClient(world) as wire:
        wire.initialize()
        nothing = wire.call("recover_image")
        assert nothing["structuredContent"]["error"]["code"] == "usage"
        assert "no picture yet" in texts(nothing)
        assert_last_is_recovered(world, wire)
        assert_two_at_once_are_distinguished(world, wire)
        assert_cancelled_call_gets_its_own_or_none(world, wire, script)
        wire.close_stdin()
        assert wire.wait_ended() == (0, "")
    checks.assert_clean(world)


def assert_last_is_recovered(world, wire):
    thread = wire.call("generate_image", prompt="a hare", out="hare.png")["structuredContent"]["thread_id"]
    turns = world.model_calls
    last = wire.call("recover_image", out="last.webp", size="40x20", fit=True)
    size = last["structuredContent"]["images"][0]["bytes"]
    assert texts(last).splitlines()[:2] == [str(world.work / "last.webp"), f"40 x 20 webp, {size:,} bytes"]
    named = wire.call("recover_image", thread_id=thread)["structuredContent"]
    (path,) = [image["path"] for image in named["images"]]
    assert named["thread_id"] == thread
    assert thread in path
    with open(path, "rb") as file:
        assert file.read() == small_png("a hare")
    assert world.model_calls == turns


def assert_two_at_once_are_distinguished(world, wire):
    names = ["an owl", "a white owl"]
    for name in names:
        wire.start_call("generate_image", {"prompt": name, "out": f"{name}.png"}, id=name)
    ended = [wire.wait_answer() for _ in names]
    answers = {answer["id"]: answer["result"] for answer in ended}
    assert {name: texts(answer).splitlines()[0] for name, answer in answers.items()} == {
        name: str(world.work / f"{name}.png") for name in names
    }
    assert [(world.work / f"{name}.png").read_bytes() for name in names] == [small_png(name) for name in names]
    threads = [answers[name]["structuredContent"]["thread_id"] for name in names]
    ambiguous = wire.call("recover_image", out="found.png")
    assert ambiguous["structuredContent"]["error"]["code"] == "usage"
    assert all(thread in texts(ambiguous) for thread in threads)
    assert not wire.call("recover_image", thread_id=threads[0], out="found.png")["isError"]
    assert (world.work / "found.png").read_bytes() == small_png("an owl")


def assert_cancelled_call_gets_its_own_or_none(world, wire, script):
    wire.start_call("generate_image", {"prompt": "a red fox", "out": "fox.png"}, id="fox")
    wire.wait_progress("drawing")
    hare = wire.call("generate_image", prompt="a hare in snow", out="snow.png")["structuredContent"]
    # the fox's host no longer waits, but has not cancelled: the fox is undelivered
    early = wire.call("recover_image", out="early.png")
    wire.cancel("fox")
    checks.wait_until(lambda: checks.processes(world, wait=False) == [wire.server.pid], "Codex to end")
    late = wire.call("recover_image", out="late.png")
    script.free.set()
    assert (world.work / "snow.png").read_bytes() == small_png("a hare in snow")
    for name, answer in (("early", early), ("late", late)):
        assert hare["thread_id"] not in json.dumps(answer)
        assert answer["isError"] or (world.work / f"{name}.png").read_bytes() == small_png("a red fox")
