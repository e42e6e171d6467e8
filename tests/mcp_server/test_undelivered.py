"""Which picture is recovered where no thread is named, when calls were at work at once: never another call's."""

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
from tests.support.checks import Small, made

A, B, C = (history.new_thread_id(1767225600.0 + number) for number in range(3))


def asked(owed: UndeliveredImages, *threads: str | None, prompt: str = "a fox"):
    """A call at work for one picture a thread; None has no session yet."""
    call = owed.begun(prompt, len(threads))
    for index, thread in enumerate(threads):
        call.hear(Event("thread", index=index, thread_id=thread))
    return call


def deliver(call, *failures: Failure):
    call.result = Result(ok=not failures, backend="codex", failures=failures)
    call.answered()


def unclear(owed: UndeliveredImages) -> str:
    with pytest.raises(UsageError) as caught:
        owed.thread()
    return f"{caught.value.message}; {caught.value.hint}"


def test_recovery_without_any_call_says_no_picture_yet():
    assert "no picture yet" in unclear(UndeliveredImages())


def test_single_call_is_recovered_whatever_its_end():
    for end in (deliver, lambda call: call.failed(RunTimeout("x", spent=True)), lambda call: None):
        owed = UndeliveredImages()
        end(asked(owed, A))
        assert owed.thread() == A


def test_last_of_sequential_calls_is_recovered():
    owed = UndeliveredImages()
    deliver(asked(owed, A))
    deliver(asked(owed, B))
    assert owed.thread() == B


def test_failed_call_is_recovered_before_delivered_ones():
    owed = UndeliveredImages()
    first, second = asked(owed, A), asked(owed, B)
    deliver(second)
    first.failed(Interrupted("x"))
    assert owed.thread() == A
    deliver(asked(owed, C))
    assert owed.thread() == A
    owed.settled(A)  # it was fetched, or there was none
    assert owed.thread() == C


def test_two_failed_calls_are_listed():
    owed = UndeliveredImages()
    first, second = asked(owed, A, prompt="a red fox"), asked(owed, B, prompt="an owl\n" + "x" * 99)
    first.failed(RunTimeout("x", spent=None))
    second.failed(Interrupted("x"))
    told = unclear(owed)
    assert A in told
    assert B in told
    assert '"a red fox"' in told
    assert '"an owl xx' in told
    assert "\n" not in told
    owed.settled(B)
    assert owed.thread() == A


def test_failed_call_beside_one_at_work_is_unclear():
    """A host that waits no longer does not always say so."""
    owed = UndeliveredImages()
    first, second = asked(owed, A), asked(owed, B)
    first.failed(RunTimeout("x", spent=None))
    assert A in unclear(owed)
    deliver(second)
    assert owed.thread() == A


def test_call_without_a_session_gets_no_other_calls_picture():
    owed = UndeliveredImages()
    deliver(asked(owed, A))
    waiting = asked(owed, None)
    assert A not in unclear(owed)
    waiting.failed(Interrupted("x"))  # cancelled before Codex began
    assert "no session" in unclear(owed)
    deliver(asked(owed, B))
    assert "no session" in unclear(owed)


def test_unspent_call_without_session_owes_nothing():
    owed = UndeliveredImages()
    deliver(asked(owed, A))
    asked(owed, None).failed(NetworkError("x", spent=False))
    assert owed.thread() == A
    asked(owed, None).failed(NetworkError("x", spent=None))  # nobody knows how far that one came
    assert "no session" in unclear(owed)


def test_unspent_pictures_without_session_among_several_owe_nothing():
    owed = UndeliveredImages()
    free, unknown = ErrorInfo("network", 5, "x", spent=False), ErrorInfo("network", 5, "x", spent=None)
    deliver(asked(owed, A, B, None), Failure(1, unknown), Failure(2, free))
    assert owed.thread() == B
    deliver(asked(owed, None, C), Failure(0, free), Failure(1, free))
    assert B in unclear(owed)  # a session may have more than its run has told
    assert C in unclear(owed)


@pytest.mark.parametrize("end", [
    lambda call: call.failed(RunComfyRetry("x", spent=None)), lambda call: call.failed(Interrupted("x", spent=True)),
    lambda call: call.failed(ValueError("cancelled")),
    lambda call: deliver(call, Failure(0, ErrorInfo("runcomfy-retry", 75, "x", spent=None))),
])  # fmt: skip
def test_call_to_runcomfy_has_no_session_to_recover(end):
    owed = UndeliveredImages()
    deliver(asked(owed, A))
    call = owed.begun("a fox", 1, "runcomfy")
    assert "no session" in unclear(owed)  # while it is at work, nobody else's
    end(call)
    assert owed.thread() == A


def test_refused_call_owes_nothing_and_moderated_call_its_own_session():
    owed = UndeliveredImages()
    deliver(asked(owed, A))
    asked(owed, None).failed(OutExists("x"))
    assert owed.thread() == A
    asked(owed, B).failed(Moderation("x", spent=True))
    assert owed.thread() == B  # where none is to be had, which is said
    assert owed.thread() != A


def test_concurrent_delivered_calls_are_listed():
    owed = UndeliveredImages()
    first, second = asked(owed, A), asked(owed, B)
    deliver(first)
    deliver(second)
    assert A in unclear(owed)
    assert B in unclear(owed)


def test_missing_picture_of_several_is_recovered():
    owed = UndeliveredImages()
    call = asked(owed, A, B, C)
    deliver(call, Failure(1, ErrorInfo("timeout", 5, "x")), Failure(2, ErrorInfo("moderation", 7, "x")))
    assert owed.thread() == B


def test_several_pictures_of_one_call_are_listed():
    owed = UndeliveredImages()
    deliver(asked(owed, A, B))
    assert A in unclear(owed)


def test_calls_from_many_threads_leave_the_last_one_recoverable():
    owed = UndeliveredImages()

    def work(number: int) -> None:
        for _ in range(50):
            deliver(asked(owed, history.new_thread_id(1767225600.0 + number)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    deliver(asked(owed, A))
    assert owed.thread() == A


# With the real Codex; the server is the test's own, since it remembers its calls


class Draws(Small):
    """Draws two owls at once or none; foxes wait until the test lets them go."""

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
        assert_two_at_once_are_told_apart(world, wire)
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
        assert file.read() == made("a hare")
    assert world.model_calls == turns


def assert_two_at_once_are_told_apart(world, wire):
    names = ["an owl", "a white owl"]
    for name in names:
        wire.start_call("generate_image", {"prompt": name, "out": f"{name}.png"}, id=name)
    ended = [wire.wait_answer() for _ in names]
    answers = {answer["id"]: answer["result"] for answer in ended}
    assert {name: texts(answer).splitlines()[0] for name, answer in answers.items()} == {
        name: str(world.work / f"{name}.png") for name in names
    }
    assert [(world.work / f"{name}.png").read_bytes() for name in names] == [made(name) for name in names]
    threads = [answers[name]["structuredContent"]["thread_id"] for name in names]
    unclear_ = wire.call("recover_image", out="found.png")
    assert unclear_["structuredContent"]["error"]["code"] == "usage"
    assert all(thread in texts(unclear_) for thread in threads)
    assert not wire.call("recover_image", thread_id=threads[0], out="found.png")["isError"]
    assert (world.work / "found.png").read_bytes() == made("an owl")


def assert_cancelled_call_gets_its_own_or_none(world, wire, script):
    wire.start_call("generate_image", {"prompt": "a red fox", "out": "fox.png"}, id="fox")
    wire.wait_progress("drawing")
    hare = wire.call("generate_image", prompt="a hare in snow", out="snow.png")["structuredContent"]
    # the fox's host waits no longer, and has not said so: the fox is what this server owes
    early = wire.call("recover_image", out="early.png")
    wire.cancel("fox")
    checks.until(lambda: checks.processes(world, wait=False) == [wire.server.pid], "Codex to end")
    late = wire.call("recover_image", out="late.png")
    script.free.set()
    assert (world.work / "snow.png").read_bytes() == made("a hare in snow")
    for name, found in (("early", early), ("late", late)):
        assert hare["thread_id"] not in json.dumps(found)
        assert found["isError"] or (world.work / f"{name}.png").read_bytes() == made("a red fox")
