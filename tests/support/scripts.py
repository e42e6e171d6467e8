"""Scripts for the fake OpenAI: each class is named after what the back end does.

All draw small pictures, so that runs are quick. The bodies are modelled on Codex's public source and on issues of
openai/codex; Codex's reactions to them are measured.
"""

from __future__ import annotations

import base64
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterable
from typing import ClassVar

from codex_imagegen.demo.fake_openai import (
    Call,
    Item,
    Reply,
    Script,
    events_reply,
    function_call,
    has_tool_output,
    hosted_image_item,
    image_tool_kind,
    images_reply,
    items_since_prompt,
    message_item,
    prompt_of,
    script_call,
    tool_arguments,
    turn_reply,
)
from tests.support.checks import DrawsSmall
from tests.support.pictures import encoded, torn

SIDE = 64
HOUR_SEC = 3600

MODERATION = {
    "message": "Your request was rejected by the safety system. If you believe this is an error, contact us at "
    "help.openai.com and include the request ID req_1. safety_violations=[sexual].",
    "type": "image_generation_user_error",
    "param": None,
    "code": "moderation_blocked",
}
RATE = {
    "message": "Rate limit reached for gpt-5 in organization org-x on tokens per min (TPM): Limit 30000, Used 22999, "
    "Requested 12528. Please try again in 1.054s. Visit https://platform.openai.com/account/rate-limits to learn more.",
    "type": "tokens",
    "param": None,
    "code": "rate_limit_exceeded",
}
PICTURE_RATE = {
    "message": "Rate limit reached for gpt-image-2",
    "type": "input-images",
    "param": None,
    "code": "rate_limit_exceeded",
}
TOKEN_INVALIDATED = {
    "message": "Your authentication token has been invalidated. Please try signing in again.",
    "type": "invalid_request_error",
    "code": "token_invalidated",
}


class Draws(Script):
    """A healthy back end; its pictures differ from each other (see :meth:`nth`)."""

    def __init__(self) -> None:
        self._count = itertools.count()

    def draw(self, prompt: str) -> bytes:
        return self.nth(next(self._count))

    def nth(self, index: int) -> bytes:
        """The picture drawn as number ``index``, counted from 0."""
        return encoded(SIDE + 8 * index, ("drawn", index))


# Responses of ``POST …/responses``


class _Responds(Draws):
    """Every turn of the model is answered by :attr:`reply`."""

    reply = Reply()

    def respond(self, call: Call) -> Reply:
        return self.reply


class UsageLimit(_Responds):
    """429: the plan's quota is used up. ``resets_in``: seconds or None; ``headers``: adds Codex's x-codex headers."""

    def __init__(self, *, resets_in: int | None = 5400, plan: str | None = "plus", headers: bool = False) -> None:
        super().__init__()
        self.resets_at = None if resets_in is None else int(time.time()) + resets_in
        more = _codex_headers(self.resets_at) if headers else ()
        self.reply = error(429, _usage_limit(self.resets_at, plan), headers=more)


class UsageNotIncluded(_Responds):
    """429: the plan does not include Codex."""

    reply = Reply(429, b'{"error": {"type": "usage_not_included", "message": "Not included"}}')


class OutOfCredits(_Responds):
    """429: a member of a workspace has no credits left."""

    def __init__(self) -> None:
        super().__init__()
        kind = "workspace_member_credits_depleted"
        self.reply = error(
            429, _usage_limit(int(time.time()) + 5400, "team"), headers=(("x-codex-rate-limit-reached-type", kind),)
        )


class QuotaExceeded(_Responds):
    """The turn fails with ``insufficient_quota`` in its stream."""

    def respond(self, call: Call) -> Reply:
        message = "You exceeded your current quota, please check your plan and billing details."
        return failed_turn({"code": "insufficient_quota", "message": message})


class RateLimits(_Responds):
    """429 to the model's turn: too many tokens a minute."""

    def respond(self, call: Call) -> Reply:
        return error(429, RATE)


class RateLimitsInStream(_Responds):
    """The same, in the stream of a turn that has begun."""

    def respond(self, call: Call) -> Reply:
        return failed_turn(RATE)


class Overloaded(_Responds):
    """The turn fails because the model is at capacity."""

    def respond(self, call: Call) -> Reply:
        return failed_turn({"code": "server_is_overloaded", "message": "Our servers are currently overloaded."})


class BlocksPrompt(_Responds):
    """400 to the model's turn: moderation."""

    def respond(self, call: Call) -> Reply:
        return error(400, MODERATION)


class BlocksPromptInStream(_Responds):
    """The turn fails with ``moderation_blocked`` in its stream (as with a hosted tool)."""

    def respond(self, call: Call) -> Reply:
        return failed_turn(MODERATION)


class Refuses(_Responds):
    """The model answers with text, and calls no tool."""

    words = "I can't help with that picture."

    def respond(self, call: Call) -> Reply:
        return turn_reply([message_item(self.words)])


class SaysNothing(_Responds):
    """The turn ends at once, without text or calls."""

    def respond(self, call: Call) -> Reply:
        return turn_reply([])


class UnknownModel(_Responds):
    """400: this model can't be used with a ChatGPT account."""

    reply = Reply(400, b'{"detail": "The \'x\' model is not supported when using Codex with a ChatGPT account."}')


class TokenRefused(_Responds):
    """401, and refreshing the token is refused as well: ``status`` and ``code`` are the token endpoint's."""

    def __init__(self, status: int = 401, code: str = "invalid_grant") -> None:
        super().__init__()
        self.reply = error(401, TOKEN_INVALIDATED)
        self._refresh = error(status, {"message": "bad", "code": code})

    def other(self, call: Call) -> Reply:
        return self._refresh if call.path.endswith("/oauth/token") else super().other(call)


class NoLogin(_Responds):
    """401: no credentials were sent."""

    reply = Reply(
        401,
        b'{"error": {"message": "Missing bearer or basic authentication in header", "type": "invalid_request_error",'
        b' "param": null, "code": null}}',
    )


class ServerErrors(_Responds):
    """500 to every turn."""

    reply = Reply(500, b"upstream down", "text/plain")


class ClosesConnections(_Responds):
    """The connection is closed without a response."""

    def respond(self, call: Call) -> Reply:
        raise ConnectionResetError


class CutsStream(_Responds):
    """The connection breaks in the middle of a turn's stream."""

    def respond(self, call: Call) -> Reply:
        begun = events_reply([{"type": "response.created", "response": {"id": "resp_1"}}])
        return Reply(body=_Cut(begun.body), content_type=begun.content_type, headers=(("connection", "close"),))


class EndsStreamEarly(_Responds):
    """The stream of a turn ends regularly, but before ``response.completed``."""

    def respond(self, call: Call) -> Reply:
        return events_reply([{"type": "response.created", "response": {"id": "resp_1"}}])


class NeverAnswers(_Responds):
    """The model takes longer than any client waits."""

    def __init__(self, seconds: float = 600.0) -> None:
        super().__init__()
        self._seconds = seconds

    def respond(self, call: Call) -> Reply:
        time.sleep(self._seconds)
        return super().respond(call)


# Responses of the image tool


class _PictureFails(Draws):
    """The pictures endpoint responds with :attr:`trouble`; with a hosted tool, the turn fails with the same error."""

    status = 400
    trouble: ClassVar[Item] = MODERATION
    headers: tuple[tuple[str, str], ...] = ()

    def picture(self, call: Call) -> Reply:
        return error(self.status, self.trouble, headers=self.headers)

    def respond(self, call: Call) -> Reply:
        request = call.json
        if has_tool_output(request):
            return turn_reply([message_item("I could not make the picture.")])
        return (
            failed_turn(self.trouble) if image_tool_kind(request) == "hosted" else turn_reply(self.call_tool(request))
        )


class BlocksPicture(_PictureFails):
    """400 ``moderation_blocked``."""


class RateLimitsPictures(_PictureFails):
    """429 ``rate_limit_exceeded``, with quota left."""

    status, trouble = 429, PICTURE_RATE


class TooManyPictures(_PictureFails):
    """429 in another wording that has been observed."""

    status = 429
    trouble: ClassVar[Item] = {
        "message": "Too many requests. Please try again later.", "type": "TooManyRequests", "code": "TooManyRequests"
    }  # fmt: skip


class PictureLimit(_PictureFails):
    """429: the limit for pictures is reached. ``headers``: those that tell Codex which limit it is."""

    status = 429

    def __init__(self, *, resets_in: int | None = 2 * HOUR_SEC, headers: bool = True) -> None:
        super().__init__()
        self.resets_at = None if resets_in is None else int(time.time()) + resets_in
        self.trouble = _usage_limit(self.resets_at, "plus")
        self.headers = _picture_headers(self.resets_at) if headers else ()

    def respond(self, call: Call) -> Reply:
        if image_tool_kind(call.json) != "hosted":
            return super().respond(call)
        message = "You have reached your image generation limit."
        return failed_turn({"code": "image_generation_usage_limit_reached", "message": message})


class PictureServerErrors(_PictureFails):
    """500 from the pictures endpoint."""

    status = 500
    trouble: ClassVar[Item] = {
        "message": "The server had an error while processing your request.", "type": "server_error", "code": None
    }  # fmt: skip


class RejectsPictureRequest(_PictureFails):
    """400 for another reason than moderation."""

    trouble: ClassVar[Item] = {
        "message": "Invalid value: 'auto'.", "type": "invalid_request_error", "param": "size", "code": "invalid_value"
    }  # fmt: skip


class PictureTokenRefused(_PictureFails):
    """401 from the pictures endpoint only."""

    status = 401
    trouble: ClassVar[Item] = {
        "message": "Could not parse your authentication token.", "type": "invalid_request_error",
        "code": "token_invalidated",
    }  # fmt: skip


class Answers(Draws):
    """The pictures endpoint responds with this: as a proxy, or a broken server, does."""

    def __init__(self, status: int, body: bytes | Item = b"", kind: str = "text/html") -> None:
        super().__init__()
        is_text = isinstance(body, bytes)
        self._reply = Reply(status, body if is_text else json.dumps({"error": body}).encode(), kind)

    def picture(self, call: Call) -> Reply:
        return self._reply


class HostedToolSays(Draws):
    """A hosted tool's error in one of the places where Codex shows it: the model's text, the result, the turn."""

    def __init__(self, words: str, where: str) -> None:
        super().__init__()
        self._words, self._where = words, where

    def respond(self, call: Call) -> Reply:
        trouble: Item = {"code": "server_error", "message": self._words}
        return failed_turn(trouble) if self._where == "turn" else super().respond(call)

    def call_tool(self, request: Item) -> list[Item]:
        if self._where == "words":
            return [message_item(f"The image tool failed: {self._words}")]
        failed = {**hosted_image_item(b"", prompt_of(request), status="failed"), "result": self._words}
        return [failed, message_item("I could not make the picture.")]


class NoPictures(Draws):
    """An empty list of pictures; a hosted tool's item fails."""

    def picture(self, call: Call) -> Reply:
        return images_reply([])

    def call_tool(self, request: Item) -> list[Item]:
        if image_tool_kind(request) == "hosted":
            return [
                hosted_image_item(b"", prompt_of(request), status="failed"),
                message_item("I could not make the picture."),
            ]
        return super().call_tool(request)


class NoJson(Draws):
    """The pictures endpoint responds with a web page."""

    def picture(self, call: Call) -> Reply:
        return Reply(body=b"<html>hello</html>", content_type="text/html")


class NoBase64(Draws):
    """A picture that is not base64, with both kinds of tool."""

    rubbish = "!!!! not base64"

    def picture(self, call: Call) -> Reply:
        return Reply(body=json.dumps({"created": 1, "data": [{"b64_json": self.rubbish}]}).encode())

    def call_tool(self, request: Item) -> list[Item]:
        return _with_result(super().call_tool(request), self.rubbish)


class BlankPicture(NoBase64):
    """A picture that is an empty string: with a hosted tool, like a build that blanks ``result``."""

    rubbish = ""


class TearsPictures(Draws):
    """Half a picture."""

    def nth(self, index: int) -> bytes:
        return torn(super().nth(index))


class TearsBase64(Draws):
    """Base64 that was cut off."""

    def picture(self, call: Call) -> Reply:
        text = base64.b64encode(self.draw("")).decode()[:-301]
        return Reply(body=json.dumps({"created": 1, "data": [{"b64_json": text}]}).encode())

    def call_tool(self, request: Item) -> list[Item]:
        items = super().call_tool(request)
        return _with_result(items, base64.b64encode(self.nth(0)).decode()[:-301])


class ClosesPictureConnections(Draws):
    """The connection to the pictures endpoint is closed without a response."""

    def picture(self, call: Call) -> Reply:
        raise ConnectionResetError


class FailsHostedItem(Draws):
    """A hosted tool's item that failed, without a picture."""

    def call_tool(self, request: Item) -> list[Item]:
        if image_tool_kind(request) != "hosted":
            return super().call_tool(request)
        return [
            {**hosted_image_item(b"", prompt_of(request), status="failed"), "result": None},
            message_item("I could not make the picture: the safety system rejected it."),
        ]


class StaysGenerating(Draws):
    """A hosted tool's complete picture whose status never becomes ``completed``."""

    def call_tool(self, request: Item) -> list[Item]:
        if image_tool_kind(request) != "hosted":
            return super().call_tool(request)
        return [hosted_image_item(self.draw(""), prompt_of(request), status="generating"), message_item("Done.")]


# Actions of the model


class CallsToolThatIsNotOffered(Draws):
    """The model calls an image tool that is not offered: as ``function``, ``flat``, or from a script (``code``)."""

    def __init__(self, how: str = "function") -> None:
        super().__init__()
        self._how = how

    def call_tool(self, request: Item) -> list[Item]:
        arguments = {"prompt": prompt_of(request)}
        if self._how == "code":
            return [script_call(arguments)]
        call = function_call(arguments)
        if self._how == "flat":
            del call["namespace"]
            call["name"] = "image_genimagegen"
        return [call]


class TwoPictures(Draws):
    """The model makes two pictures, the second larger than the first."""

    def respond(self, call: Call) -> Reply:
        request = call.json
        if image_tool_kind(request) == "hosted" and not has_tool_output(request):
            prompt = prompt_of(request)
            return turn_reply(
                [hosted_image_item(self.draw(prompt), prompt, call_id=f"ig_{n}") for n in (1, 2)]
                + [message_item("Two.")]
            )
        done = outputs(request)
        return turn_reply(calls(request, done + 1) if done < 2 else [message_item("Two.")])


class TornThenWhole(TwoPictures):
    """The same, but the first is only half a picture."""

    def nth(self, index: int) -> bytes:
        return torn(super().nth(index)) if index == 0 else super().nth(index)


class BlockedThenWhole(TwoPictures):
    """The first picture is blocked, the second is made (function tool)."""

    def picture(self, call: Call) -> Reply:
        index = next(self._count)
        return error(400, MODERATION) if index == 0 else images_reply([self.nth(index)])


class ViewsImage(Draws):
    """The model views a picture of the user's before it draws."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def respond(self, call: Call) -> Reply:
        request = call.json
        if outputs(request) == 0:
            return turn_reply([self._view(request)])
        if outputs(request) == 1 and not _has(request, "image_generation_call"):
            return turn_reply(
                [*calls(request, 1, self.draw), message_item("Here it is.")][: None if _is_hosted(request) else 1]
            )
        return turn_reply([message_item("Here it is.")])

    def _view(self, request: Item) -> Item:
        if image_tool_kind(request) == "code":
            script = f"const r=await tools.view_image({{path:{json.dumps(self.path)}}}); image(r)"
            return {"type": "custom_tool_call", "id": "ct_0", "call_id": "call_0", "name": "exec", "input": script}
        call = function_call({"path": self.path}, call_id="call_0")
        del call["namespace"]
        return {**call, "name": "view_image"}


class PassesReferences(Draws):
    """The model gives these paths to the image tool as references (from 0.144.0)."""

    def __init__(self, *paths: str) -> None:
        super().__init__()
        self._paths = list(paths)

    def call_tool(self, request: Item) -> list[Item]:
        arguments = {"prompt": prompt_of(request), "referenced_image_paths": self._paths}
        match image_tool_kind(request):
            case "function":
                return [function_call(arguments)]
            case "code":
                return [script_call(arguments)]
            case _:
                return super().call_tool(request)


class SwallowsError(BlocksPicture):
    """A code-mode model whose script catches the exception of the blocked image tool."""

    def call_tool(self, request: Item) -> list[Item]:
        if image_tool_kind(request) != "code":
            return super().call_tool(request)
        script = "try { generatedImage(await tools.image_gen__imagegen({prompt:'x'})) } catch (e) { text('sorry') }"
        return [{**script_call({}), "input": script}]


class ClosesSlowly(Draws):
    """The picture is made, and the closing turn takes longer than any client waits."""

    closing_sec = 600.0


class LimitAfterPicture(Draws):
    """The picture is made, and the closing turn meets the usage limit."""

    def respond(self, call: Call) -> Reply:
        return UsageLimit().respond(call) if has_tool_output(call.json) else super().respond(call)


class NeverCloses(DrawsSmall):
    """The closing turn takes longer than any client waits: the picture exists long before Codex ends."""

    closing_sec = 60.0
    closed = 0
    """How many closing turns were requested."""

    def respond(self, call: Call) -> Reply:
        reply = super().respond(call)
        self.closed += has_tool_output(call.json)
        return reply


class FailsOnce(DrawsSmall, RejectsPictureRequest):
    """Fails to make the first picture, and makes the others."""

    failed = False

    def picture(self, call: Call) -> Reply:
        if self.failed:
            return DrawsSmall.picture(self, call)
        self.failed = True
        return RejectsPictureRequest.picture(self, call)


class HoldsPictures(DrawsSmall):
    """Makes ``quick`` pictures at once, and the others once ``free`` is set."""

    def __init__(self, quick: int = 0) -> None:
        super().__init__()
        self.quick, self.asked, self.free = quick, 0, threading.Event()
        self._counting = threading.Lock()

    def picture(self, call: Call) -> Reply:
        with self._counting:
            self.asked += 1
            waits = self.asked > self.quick
        if waits:
            self.free.wait(60)
        return super().picture(call)


class ActsWhileDrawing(Draws):
    """Draws one picture of ``side`` pixels. ``act`` is called after Codex has requested it and before it is sent,
    ``act_after`` when Codex reports the picture to the model.
    """

    def __init__(self, side: int = SIDE) -> None:
        super().__init__()
        self.drawn_picture = encoded(side, "drawn while something happens")
        self.act: Callable[[], None] = lambda: None
        self.act_after: Callable[[], None] = lambda: None
        self.errors: list[BaseException] = []

    def draw(self, prompt: str) -> bytes:
        return self.drawn_picture

    def picture(self, call: Call) -> Reply:
        self._call(self.act)
        return super().picture(call)

    def call_tool(self, request: Item) -> list[Item]:
        if image_tool_kind(request) == "hosted":
            self._call(self.act)
        return super().call_tool(request)

    def respond(self, call: Call) -> Reply:
        if outputs(call.json):
            self._call(self.act_after)
        return super().respond(call)

    def _call(self, act: Callable[[], None]) -> None:
        try:
            act()
        except BaseException as error:  # in a thread of the server: the test reads it
            self.errors.append(error)
            raise


# Helpers


class _Cut(bytes):
    """A body that is shorter than its stated length."""

    def __len__(self) -> int:
        return super().__len__() + 1000


def error(status: int, trouble: Item, *, headers: Iterable[tuple[str, str]] = ()) -> Reply:
    """An HTTP error of the back end."""
    return Reply(status, json.dumps({"error": trouble}).encode(), headers=tuple(headers))


def failed_turn(trouble: Item, items: Iterable[Item] = ()) -> Reply:
    """A turn that begins, possibly yields items, and fails."""
    done = [{"type": "response.output_item.done", "output_index": n, "item": item} for n, item in enumerate(items)]
    failed = {"id": "resp_1", "status": "failed", "error": trouble}
    created = {"type": "response.created", "response": {"id": "resp_1"}}
    return events_reply([created, *done, {"type": "response.failed", "response": failed}])


def outputs(request: Item) -> int:
    """How many outputs of functions and scripts the request reports since the user's last message."""
    return sum(str(item.get("type")).endswith("_call_output") for item in items_since_prompt(request))


def calls(request: Item, number: int, draw: Callable[[str], bytes] | None = None) -> list[Item]:
    """Call ``number`` of the image tool, however it is offered; with a hosted tool, ``draw`` makes the picture."""
    arguments, call_id, prompt = tool_arguments(request), f"call_{number}", prompt_of(request)
    match image_tool_kind(request):
        case "hosted" if draw is not None:
            return [hosted_image_item(draw(prompt), prompt, call_id=f"ig_{number}")]
        case "function":
            return [function_call(arguments, call_id=call_id)]
        case "code":
            return [script_call(arguments, call_id=call_id)]
        case _:
            return [message_item("I have no tool for pictures.")]


def _usage_limit(resets_at: int | None, plan: str | None) -> Item:
    fields = {"type": "usage_limit_reached", "message": "The usage limit has been reached", "plan_type": plan}
    if resets_at is None:
        return fields
    return {**fields, "resets_at": resets_at, "resets_in_seconds": resets_at - int(time.time())}


def _codex_headers(resets_at: int | None) -> tuple[tuple[str, str], ...]:
    return (
        ("x-codex-active-limit", "codex"),
        ("x-codex-primary-used-percent", "100"),
        ("x-codex-primary-window-minutes", "300"),
        ("x-codex-primary-reset-at", str(resets_at or 0)),
        ("x-codex-limit-name", "GPT-X-Spark"),
    )


def _picture_headers(resets_at: int | None) -> tuple[tuple[str, str], ...]:
    return (
        ("x-codex-active-limit", "image_gen"),
        ("x-image-gen-primary-used-percent", "100"),
        ("x-image-gen-primary-window-minutes", "1440"),
        ("x-image-gen-primary-reset-at", str(resets_at or 0)),
    )


def _with_result(items: list[Item], result: str) -> list[Item]:
    return [{**item, "result": result} if item.get("type") == "image_generation_call" else item for item in items]


def _has(request: Item, kind: str) -> bool:
    return any(item.get("type") == kind for item in request.get("input", []))


def _is_hosted(request: Item) -> bool:
    return image_tool_kind(request) == "hosted"
