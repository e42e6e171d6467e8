"""Check Codex itself: the program, its login, its image tool, its limits, and with ``--live`` a whole run."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict

from codex_imagegen import render
from codex_imagegen.codex import error_patterns
from codex_imagegen.codex.appserver.account import Limit
from codex_imagegen.codex.error_messages import HOST_HINT, PROVIDER_HINT, sanitize
from codex_imagegen.codex.install import config, discover, version
from codex_imagegen.codex.install.login import Login
from codex_imagegen.codex.install.version import Answer, run_query
from codex_imagegen.codex.run.failures import OPENAI_PROVIDER_SINCE
from codex_imagegen.codex.sessions import disk_usage
from codex_imagegen.demo.drawing import draw
from codex_imagegen.demo.sandbox import PROMPT, run_real_codex
from codex_imagegen.doctor.context import ASK_SEC, Context
from codex_imagegen.doctor.findings import Data, Finding, failed, ok, unknown, warning
from codex_imagegen.errors import (
    CodexFailed,
    CodexIncomplete,
    CodexMissing,
    CodexTooOld,
    CodexUnavailable,
    DamagedPicture,
    ImagegenError,
    NotLoggedIn,
    ToolUnavailable,
)
from codex_imagegen.request import Request

_UPDATE = "update it with:\nnpm install -g @openai/codex"
_TEST_LIVE = "test it, which spends nothing, with:\ncodex-imagegen doctor --live"
_HOST_SINCE, _HOST_REQUIRED_SINCE = (0, 144), (0, 147)
"""The first builds that come with a code-mode host, and that make no picture without it. With their usual models,
0.145.0 and 0.146.0 made one without it; 0.147.0, 0.148.0, 0.149.1, 0.152.1, 0.157.1, 0.160.1 and 0.169.0 did not."""

_NO_TOOL_FOR_KEY_SINCE, _NO_TOOL_FOR_FREE_SINCE = "0.134.0", "0.149.1"
"""The oldest builds known to offer no image tool to an API key, and to a Free plan; 0.118.0 and 0.144.6 still do."""

_TOOL_HINT = "use a ChatGPT plan with pictures, such as Plus, or --backend runcomfy, which is paid"
_LOGIN_HINT = "see how Codex is logged in with:\ncodex login status"

_MAX_STAGE_CHARS = 40

COUNT_SEC = 1.0
"""Seconds after which counting pictures stops."""

_WINDOWS = {300: "5 hours", 1440: "day", 10_080: "week", 43_200: "30 days"}
"""Names of the usual windows of limits, by their minutes."""
_DAY_SEC = 86_400
_PICTURE_LIMIT_SINCE = (0, 144)
"""Up to 0.143 pictures count toward the plan's own limits."""

_PICTURES = re.compile("image|picture", re.IGNORECASE)
_NO_CONNECTION = "error sending request"
_PICTURE_LIMIT = "Pictures also have a limit for each day, which Codex can't query."
_USAGE_HINT = "for what is left, type /status in Codex, or look at https://chatgpt.com/settings/usage"
_NETWORK_HINT = "check the network; inside another agent's sandbox, allow it"

LIVE_SEC = 60.0
"""Seconds for the whole run; it usually takes one or two."""


def check_codex(context: Context) -> Finding:
    """Check that there is a Codex, where it comes from, and its version."""
    path = None
    try:
        path = context.codex()
        number = context.version()
    except CodexMissing as error:
        return failed(error, {"path": path}) if path else _codex_missing(error)
    others = discover.find_others(path, context.environment)
    data = {"path": path, "version": number, "others": others}
    if number is None:
        return failed(_version_error(path, context.version_answer()), data)
    origin = discover.find_source(path)
    message = f"{number} ({origin}) at {path}" if origin else f"{number} at {path}"
    message += f"; another one on PATH is {others[0]}" if others else ""
    return _check_host(path, message, number, data) or _check_version(message, number, data)


def _codex_missing(error: CodexMissing) -> Finding:
    """The finding without a Codex on PATH; its hint names one elsewhere, such as the IDE extension's."""
    path = discover.find_off_path()
    if path is not None:
        error = CodexMissing(
            error.message, hint=f"there is one that is not on PATH; name it with:\n--codex {render.shell_join([path])}"
        )
    return failed(error, {"path": path})


def _version_error(path: str, answer: Answer) -> CodexFailed:
    """The error of a Codex that does not report its version, with its own message."""
    if answer.exit_code is None:
        return CodexFailed(
            f"{path} --version did not answer within {ASK_SEC:.0f} s",
            hint="see whether it works by itself:\ncodex --version",
        )
    output = sanitize(error_patterns.classify_startup_error(answer.stderr or answer.stdout).message)
    message = f"{path} --version ended with exit code {answer.exit_code} and said: {output}"
    return CodexFailed(message, hint="install it again with:\nnpm install -g @openai/codex")


def _check_host(path: str, message: str, number: str, data: Data) -> Finding | None:
    """A finding if the code-mode host is missing from a Codex that comes with one, else None."""
    missing = discover.find_missing_host(path)
    if missing is None or version.parse_version(number) < _HOST_SINCE:
        return None
    if version.parse_version(number) < _HOST_REQUIRED_SINCE or version.is_newer_than_tested(number):
        return warning(f"{message}, without the program {missing}", _TEST_LIVE, data)
    error = CodexIncomplete(f"Codex {message} makes no picture without the program {missing}", hint=HOST_HINT)
    return failed(error, data)


def _check_version(message: str, number: str, data: Data) -> Finding:
    """Check that Codex is new enough to make pictures, and not newer than the tested builds."""
    if version.is_too_old(number):
        error = CodexTooOld(f"Codex {message} can't make pictures: {version.OLDEST} or newer is needed", hint=_UPDATE)
        return failed(error, data)
    if version.is_newer_than_tested(number):
        return warning(f"{message}; tested are {version.OLDEST} to {version.NEWEST}", _TEST_LIVE, data)
    return ok(message, data=data)


def check_login(context: Context) -> Finding:
    """Check how Codex is logged in, and that this login is offered the image tool."""
    login = context.login()
    plan = context.account().plan
    data = {"login": login, "plan": plan}
    if (error := _login_error(login)) is not None:
        return failed(error, data)
    if login == "api-key":
        note = "and each picture is billed to the key"
        return _tool_not_offered("an API key", _NO_TOOL_FOR_KEY_SINCE, note, context.version(), data)
    if plan == "free":
        note = "but whether OpenAI makes pictures for it is unknown"
        return _tool_not_offered("a Free plan", _NO_TOOL_FOR_FREE_SINCE, note, context.version(), data)
    if login == "chatgpt":
        return ok(f"with ChatGPT, plan {plan}" if plan else "with ChatGPT, plan unknown", data=data)
    if login == "other":
        return warning("logged in, but the kind of login is unknown", _LOGIN_HINT, data)
    return unknown("codex login status gave no known answer", _LOGIN_HINT, data)


def _login_error(login: Login) -> ImagegenError | None:
    """The error that a run would end with at its start."""
    if login == "none":
        return NotLoggedIn("Codex is not logged in", hint="log in with:\ncodex login")
    if login == "no-config":
        return CodexFailed("Codex can't load its configuration", hint="see why with:\ncodex login status")
    return None


def _tool_not_offered(login: str, since: str, note: str, number: str | None, data: Data) -> Finding:
    """The finding for a login that builds since ``since`` offer no image tool, and older ones do."""
    if number is None or version.parse_version(number) >= version.parse_version(since):
        message = f"Codex is logged in with {login}, which is offered no image tool"
        return failed(ToolUnavailable(message, hint=_TOOL_HINT), data)
    return warning(f"with {login}: Codex {number} offers the image tool, {note}", _TOOL_HINT, data)


def check_image_tool(context: Context) -> Finding:
    """Check that this Codex has the feature that every run switches on."""
    answer = run_query(context.codex(), "features", "list", environment=context.codex_environment, timeout_sec=ASK_SEC)
    rows = [line.split() for line in answer.stdout.splitlines()]
    row = next((row for row in rows if row[:1] == ["image_generation"]), None)
    if answer.exit_code != 0 or not rows:
        return unknown("codex features list gave no answer", "see what it says with:\ncodex features list")
    if row is None:
        return failed(CodexTooOld("this Codex has no feature image_generation", hint=_UPDATE))
    stage, state = " ".join(row[1:-1])[:_MAX_STAGE_CHARS], row[-1]
    if stage == "removed":
        return warning("the feature image_generation is marked as removed", _TEST_LIVE, data={"feature": stage})
    return _check_provider("on" if state == "true" else "off by default, switched on for each run", stage, context)


def _check_provider(message: str, stage: str, context: Context) -> Finding:
    """Check that Codex offers the tool with the provider in config.toml."""
    provider, number = config.read_provider(context.codex_home), context.version()
    data = {"feature": stage, "provider": provider.name if provider else "openai"}
    if provider is None or provider.takes_login or (number and version.parse_version(number) < OPENAI_PROVIDER_SINCE):
        return ok(message, data=data)
    message = f"{message}, but Codex offers no image tool with the provider {provider.name[:40]!r} of config.toml"
    return warning(message, f'name "openai" in config.toml or, {PROVIDER_HINT}', data=data)


def check_limits(context: Context) -> Finding:
    """Read how much of each limit is left and when it resets, and count the pictures of the last 24 hours."""
    account, now = context.account(), time.time()
    pictures = disk_usage.count_pictures_since(context.codex_home, now - _DAY_SEC, COUNT_SEC)
    if account.limits is None:
        is_offline = _NO_CONNECTION in (account.error or "")
        return unknown(
            f"what is left of the plan is unknown: {account.error}. {_made_text(pictures)}",
            f"{_NETWORK_HINT}; {_USAGE_HINT}" if is_offline else _USAGE_HINT,
            data={"pictures_last_day": pictures},
        )
    message, hint = "; ".join(_limit_text(limit, now) for limit in account.limits), None
    if _has_unlisted_picture_limit(account.limits, context):
        message, hint = f"{message}. {_PICTURE_LIMIT} {_made_text(pictures)}", _USAGE_HINT
    data = {"limits": [asdict(limit) for limit in account.limits], "pictures_last_day": pictures}
    if any(limit.used_percent >= 100 for limit in account.limits):
        return warning(f"used up: {message}", "wait for the reset, or use --backend runcomfy, which is paid", data=data)
    return ok(message, hint, data=data)


def _has_unlisted_picture_limit(limits: Sequence[Limit], context: Context) -> bool:
    """Whether pictures have a limit of their own that is not among ``limits``."""
    number = context.version()
    has_own_limit = number is None or version.parse_version(number) >= _PICTURE_LIMIT_SINCE
    return has_own_limit and not any(_PICTURES.search(limit.name) for limit in limits)


def _made_text(made: int) -> str:
    return f"In the last 24 hours, {render.plural(made, 'picture')} {'was' if made == 1 else 'were'} made here"


def _limit_text(limit: Limit, now: float) -> str:
    window = _WINDOWS.get(limit.window_minutes or 0) or (
        f"{limit.window_minutes} min" if limit.window_minutes else "limit"
    )
    name = window if limit.name == "codex" else f"{limit.name}, {window}"
    text = f"{name}: {max(0.0, 100 - limit.used_percent):.0f} % left"
    return f"{text}, resets {render.until(limit.resets_at, now)}" if limit.resets_at else text


def check_live(context: Context) -> Finding:
    """Make a picture with the installed Codex and a fake OpenAI, and check that it arrives unchanged."""
    try:
        codex, number = context.codex(), context.version() or version.NEWEST
    except CodexUnavailable:
        return unknown("not tested, as no Codex was found")
    if version.is_too_old(number):
        return unknown("not tested, as this Codex can't make pictures")
    with tempfile.TemporaryDirectory(prefix="codex-imagegen-doctor-", ignore_cleanup_errors=True) as folder:
        out = os.path.join(folder, "live.png")
        request = Request(prompt=PROMPT, out=out, codex=codex, timeout_sec=LIVE_SEC)
        result = run_real_codex(request, number, interrupt=context.interrupt)
    if result.error is not None or not result.images:
        return unknown("the run ended without a picture and without an error")
    if result.images[0].sha256 != hashlib.sha256(draw(PROMPT)).hexdigest():
        return failed(DamagedPicture("the picture received differs from the one drawn", hint="please report it"))
    message = f"Codex {result.codex_version or number} made a test picture in {result.elapsed_sec:.1f} s"
    data = {"elapsed_sec": result.elapsed_sec}
    if result.warnings:
        return warning(f"{message}, but: {result.warnings[0].message}", "look for a newer codex-imagegen", data)
    return ok(f"{message}, and it arrived unchanged", data=data)
