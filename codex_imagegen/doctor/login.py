"""The login: whether there is one, and whether it is offered the image tool."""

from __future__ import annotations

from codex_imagegen.codex.install import version
from codex_imagegen.codex.install.login import Login
from codex_imagegen.doctor.context import Context
from codex_imagegen.doctor.findings import Data, Finding, failed, ok, unknown, warning
from codex_imagegen.errors import CodexFailed, ImagegenError, NotLoggedIn, ToolUnavailable

_KEY_WITHOUT, _FREE_WITHOUT = "0.134.0", "0.149.1"
"""The oldest builds seen to offer no image tool to an API key, and to a Free plan; 0.118.0 and 0.144.6 still do."""

_NO_TOOL = "it takes a ChatGPT plan with pictures, such as Plus; without one there is --backend runcomfy, which is paid"
_ASK = "run: codex login status"


def check_login(context: Context) -> Finding:
    """With what Codex is logged in, and whether that login is offered the image tool."""
    kind = context.login()
    plan = context.account().plan
    data = {"login": kind, "plan": plan}
    if (error := _none(kind)) is not None:
        return failed(error, data)
    if kind == "api-key":
        return _toolless("an API key", _KEY_WITHOUT, "and each picture is billed to the key", context.version(), data)
    if plan == "free":
        return _toolless("a Free plan", _FREE_WITHOUT, "and nobody knows if OpenAI draws", context.version(), data)
    if kind == "chatgpt":
        return ok(f"with ChatGPT, plan {plan}" if plan else "with ChatGPT; which plan can't be known", data=data)
    return _strange(kind, data)


def _none(kind: Login) -> ImagegenError | None:
    """What a run would fail with at its start."""
    if kind == "none":
        return NotLoggedIn("Codex is not logged in", hint="run: codex login")
    if kind == "no-config":
        return CodexFailed("Codex can't load its configuration", hint="codex login status says why")
    return None


def _toolless(login: str, since: str, otherwise: str, known: str | None, data: Data) -> Finding:
    """A login that newer builds offer no image tool, and older ones do."""
    if known is None or version.number(known) >= version.number(since):
        told = f"Codex is logged in with {login}, which is offered no image tool"
        return failed(ToolUnavailable(told, hint=_NO_TOOL), data)
    return warning(f"with {login}: Codex {known} offers the image tool, {otherwise}", _NO_TOOL, data)


def _strange(kind: Login, data: Data) -> Finding:
    if kind == "other":
        return warning("logged in, in a way that is not known here", _ASK, data)
    return unknown("codex login status gave no answer that is known here", _ASK, data)
