"""Codex itself: where it is, which it is, how it is logged in, and whether it knows the image tool."""

from __future__ import annotations

import shlex

from codex_imagegen.codex import installed, version
from codex_imagegen.codex.ask import ask
from codex_imagegen.doctor.context import ASK_SEC, Context
from codex_imagegen.doctor.finding import Data, Finding, failed, ok, unknown, warning
from codex_imagegen.errors import CodexFailed, CodexMissing, CodexTooOld, NotLoggedIn, ToolUnavailable

_UPDATE = "update it: npm install -g @openai/codex"
_LIVE = "codex-imagegen doctor --live proves it, and spends nothing"
_KEY_WITHOUT, _FREE_WITHOUT = "0.134.0", "0.149.1"
"""The oldest builds seen to offer no image tool to an API key, and to a Free plan; 0.118.0 and 0.144.6 still do."""

_NO_TOOL = "it takes a ChatGPT plan with pictures, such as Plus; without one there is --backend runcomfy, which is paid"
_MAX_STAGE = 40


def check_codex(context: Context) -> Finding:
    """Whether there is a Codex, from where, and how old it is."""
    path = None
    try:
        path = context.codex()
        known = context.version()
    except CodexMissing as error:
        return failed(error, {"path": path}) if path else _missing(error)
    others = installed.others(path, context.environment)
    data = {"path": path, "version": known, "others": others}
    if known is None:
        silent = f"{path} names no version within {ASK_SEC:.0f} s"
        return failed(CodexFailed(silent, hint="see what codex --version does"), data)
    origin = installed.origin(path)
    told = f"{known} ({origin}) at {path}" if origin else f"{known} at {path}"
    return _of_age(told + (f"; another one on PATH is {others[0]}" if others else ""), known, data)


def check_login(context: Context) -> Finding:
    """With what Codex is logged in, and whether that login is offered the image tool."""
    kind = context.login()
    plan = context.account().plan if kind in {"chatgpt", "other"} else None
    data = {"login": kind, "plan": plan}
    if kind == "none":
        return failed(NotLoggedIn("Codex is not logged in", hint="run: codex login"), data)
    if kind == "api-key":
        return _toolless("an API key", _KEY_WITHOUT, "and each picture is billed to the key", context.version(), data)
    if plan == "free":
        return _toolless("a Free plan", _FREE_WITHOUT, "and nobody knows if OpenAI draws", context.version(), data)
    if kind == "unknown":
        return unknown("codex login status gave no answer that is known here", "run: codex login status", data)
    if kind == "other":
        return warning("logged in, in a way that is not known here", "run: codex login status", data)
    return ok(f"with ChatGPT, plan {plan}" if plan else "with ChatGPT; which plan can't be known", data=data)


def check_image_tool(context: Context) -> Finding:
    """Whether this Codex knows the feature that every run switches on."""
    answer = ask(context.codex(), "features", "list", environment=context.codex_environment, timeout_sec=ASK_SEC)
    rows = [line.split() for line in answer.out.splitlines()]
    row = next((row for row in rows if row[:1] == ["image_generation"]), None)
    if answer.exit_code != 0 or not rows:
        return unknown("codex features list gave no answer")
    if row is None:
        return failed(CodexTooOld("this Codex knows no feature image_generation", hint=_UPDATE))
    stage, state = " ".join(row[1:-1])[:_MAX_STAGE], row[-1]
    if stage == "removed":
        return warning("the feature image_generation is marked as removed", _LIVE, data={"feature": stage})
    return ok("on" if state == "true" else "off by itself, switched on for each run", data={"feature": stage})


def _of_age(told: str, known: str, data: Data) -> Finding:
    """Whether a Codex of this version can make pictures, and whether anybody has tried."""
    if version.is_too_old(known):
        old = CodexTooOld(f"Codex {told} can't make pictures: that came with {version.OLDEST}", hint=_UPDATE)
        return failed(old, data)
    if version.is_newer_than_tested(known):
        return warning(f"{told}; tested are {version.OLDEST} to {version.NEWEST}", _LIVE, data)
    return ok(told, data=data)


def _toolless(login_: str, since: str, otherwise: str, known: str | None, data: Data) -> Finding:
    """A login that newer builds offer no image tool, and older ones do."""
    if known is None or version.number(known) >= version.number(since):
        told = f"Codex is logged in with {login_}, which is offered no image tool"
        return failed(ToolUnavailable(told, hint=_NO_TOOL), data)
    return warning(f"with {login_}: Codex {known} offers the image tool, {otherwise}", _NO_TOOL, data)


def _missing(error: CodexMissing) -> Finding:
    """What was not found may lie in a place that is not on PATH, such as the IDE extension's."""
    found = installed.elsewhere()
    if found is not None:
        error = CodexMissing(
            error.message, hint=f"there is one that is not on PATH; name it with --codex {shlex.quote(found)}"
        )
    return failed(error, {"path": found})
