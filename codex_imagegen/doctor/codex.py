"""Codex itself: where it is, which it is, and whether it knows the image tool."""

from __future__ import annotations

import shlex

from codex_imagegen.codex import installed, version
from codex_imagegen.codex.ask import ask
from codex_imagegen.doctor.context import ASK_SEC, Context
from codex_imagegen.doctor.finding import Data, Finding, failed, ok, unknown, warning
from codex_imagegen.errors import CodexFailed, CodexMissing, CodexTooOld

_UPDATE = "update it: npm install -g @openai/codex"
_LIVE = "codex-imagegen doctor --live proves it, and spends nothing"
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


def _missing(error: CodexMissing) -> Finding:
    """What was not found may lie in a place that is not on PATH, such as the IDE extension's."""
    found = installed.elsewhere()
    if found is not None:
        error = CodexMissing(
            error.message, hint=f"there is one that is not on PATH; name it with --codex {shlex.quote(found)}"
        )
    return failed(error, {"path": found})
