"""Codex itself: where it is, which it is, whether it is whole, and whether it knows and offers the image tool."""

from __future__ import annotations

import shlex

from codex_imagegen.codex import error_patterns
from codex_imagegen.codex.error_messages import HOST_HINT, PROVIDER_HINT, words
from codex_imagegen.codex.install import config, discover, version
from codex_imagegen.codex.install.query import Answer, ask
from codex_imagegen.codex.run.evidence import PROVIDER_SINCE
from codex_imagegen.doctor.context import ASK_SEC, Context
from codex_imagegen.doctor.findings import Data, Finding, failed, ok, unknown, warning
from codex_imagegen.errors import CodexFailed, CodexIncomplete, CodexMissing, CodexTooOld

_UPDATE = "update it: npm install -g @openai/codex"
_LIVE = "codex-imagegen doctor --live proves it, and spends nothing"
_MAX_STAGE = 40
_HOST_FROM, _HOST_NEEDED = (0, 144), (0, 147)
"""The first builds that bring a code-mode host, and that draw nothing without: with their usual models, 0.145.0 and
0.146.0 drew without it, and 0.147.0, 0.148.0, 0.149.1, 0.152.1, 0.157.1, 0.160.1 and 0.169.0 did not."""


def check_codex(context: Context) -> Finding:
    """Whether there is a Codex, from where, and how old it is."""
    path = None
    try:
        path = context.codex()
        known = context.version()
    except CodexMissing as error:
        return failed(error, {"path": path}) if path else _missing(error)
    others = discover.others(path, context.environment)
    data = {"path": path, "version": known, "others": others}
    if known is None:
        return failed(_nameless(path, context.version_told()), data)
    origin = discover.origin(path)
    told = f"{known} ({origin}) at {path}" if origin else f"{known} at {path}"
    told += f"; another one on PATH is {others[0]}" if others else ""
    return _incomplete(path, told, known, data) or _of_age(told, known, data)


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
    return _offered("on" if state == "true" else "off by itself, switched on for each run", stage, context)


def _offered(told: str, stage: str, context: Context) -> Finding:
    """Whether the tool is offered with the provider that stands in config.toml."""
    provider, known = config.provider(context.codex_home), context.version()
    data = {"feature": stage, "provider": provider.name if provider else "openai"}
    if provider is None or provider.takes_login or (known and version.number(known) < PROVIDER_SINCE):
        return ok(told, data=data)
    message = f"{told}, but Codex offers no image tool with the provider {provider.name[:40]!r} of config.toml"
    return warning(message, f'{PROVIDER_HINT}; or name "openai" in config.toml', data=data)


def _nameless(path: str, answer: Answer) -> CodexFailed:
    """What to say of a Codex that can't even tell its version: what it says itself."""
    if answer.exit_code is None:
        return CodexFailed(f"{path} names no version within {ASK_SEC:.0f} s", hint="see what codex --version does")
    said = words(error_patterns.of_start(answer.err or answer.out).words)
    told = f"{path} --version ended with exit code {answer.exit_code} and said: {said}"
    return CodexFailed(told, hint="install it anew: npm install -g @openai/codex")


def _incomplete(path: str, told: str, known: str, data: Data) -> Finding | None:
    """A Codex without its code-mode host, if it is one that has such a program."""
    missing = discover.missing_host(path)
    if missing is None or version.number(known) < _HOST_FROM:
        return None
    if version.number(known) < _HOST_NEEDED or version.is_newer_than_tested(known):
        return warning(f"{told}, without the program {missing}", _LIVE, data)
    error = CodexIncomplete(f"Codex {told} makes no picture without the program {missing}", hint=HOST_HINT)
    return failed(error, data)


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
    found = discover.elsewhere()
    if found is not None:
        error = CodexMissing(
            error.message, hint=f"there is one that is not on PATH; name it with --codex {shlex.quote(found)}"
        )
    return failed(error, {"path": found})
