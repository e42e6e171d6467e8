"""Codex itself: where it is, which it is, whether it is whole, and whether it knows and offers the image tool.

The login: whether there is one, and whether it is offered the image tool.

What is left of the plan's limits, in the words of Codex's own app-server.

The proof: the installed Codex makes a picture on the embedded stand-in, end to end, and nothing is spent.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict

from codex_imagegen.codex import error_patterns
from codex_imagegen.codex.appserver.account import Limit
from codex_imagegen.codex.error_messages import HOST_HINT, PROVIDER_HINT, words
from codex_imagegen.codex.install import config, discover, version
from codex_imagegen.codex.install.login import Login
from codex_imagegen.codex.install.query import Answer, ask
from codex_imagegen.codex.run.failures import PROVIDER_SINCE
from codex_imagegen.codex.sessions import disk_usage
from codex_imagegen.demo.drawing import draw
from codex_imagegen.demo.run import PROMPT, run_real_codex
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
    rows = [line.split() for line in answer.stdout.splitlines()]
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
    said = words(error_patterns.of_start(answer.stderr or answer.stdout).words)
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


_SPANS = {300: "5 hours", 1440: "day", 10_080: "week", 43_200: "30 days"}
_DAY_SEC = 86_400
_OWN_SINCE = (0, 144)
"""Up to 0.143 pictures count toward the plan's own limits."""

_PICTURES = re.compile("image|picture", re.IGNORECASE)
COUNT_SEC = 1.0
"""Seconds after which pictures are no longer counted."""

_UNREACHED = "error sending request"
_OFFLINE = "check the network; inside another agent's sandbox, allow it"


def check_limits(context: Context) -> Finding:
    """How much of each limit is left and when it begins anew, and how many pictures were made here in a day."""
    account, now = context.account(), time.time()
    made = disk_usage.pictures_since(context.codex_home, now - _DAY_SEC, COUNT_SEC)
    if account.limits is None:
        offline = _UNREACHED in (account.error or "")
        return unknown(
            f"what is left of the plan's limits can't be known: {account.error}",
            _OFFLINE if offline else None,
            data={"pictures_last_day": made},
        )
    told = "; ".join([*(_words(limit, now) for limit in account.limits), *_of_pictures(made, account.limits, context)])
    data = {"limits": [asdict(limit) for limit in account.limits], "pictures_last_day": made}
    if any(limit.used_percent >= 100 for limit in account.limits):
        return warning(f"used up: {told}", "wait until then; --backend runcomfy is paid", data=data)
    return ok(told, data=data)


def _of_pictures(made: int, limits: Sequence[Limit], context: Context) -> list[str]:
    """What the limits above do not say: how many pictures are left."""
    known = context.version()
    own = known is None or version.number(known) >= _OWN_SINCE
    if not own or any(_PICTURES.search(limit.name) for limit in limits):
        return []
    count = f"{made} {'was' if made == 1 else 'were'} made here in the last 24 hours"
    return [f"pictures have a daily limit of their own, which nobody can ask for ({count})"]


def _words(limit: Limit, now: float) -> str:
    span = _SPANS.get(limit.window_minutes or 0) or (f"{limit.window_minutes} min" if limit.window_minutes else "limit")
    name = span if limit.name == "codex" else f"{limit.name}, {span}"
    left = f"{name}: {max(0.0, 100 - limit.used_percent):.0f} % left"
    return f"{left}, resets {_when(limit.resets_at, now)}" if limit.resets_at else left


def _when(at: int, now: float) -> str:
    near = 0 <= at - now < _DAY_SEC
    return time.strftime("at %H:%M" if near else "on %Y-%m-%d %H:%M", time.localtime(at))


LIVE_SEC = 60.0
"""Seconds for the whole run; it takes one or two."""


def check_live(context: Context) -> Finding:
    """Whether the picture that the stand-in drew comes out of the bridge as it was drawn."""
    try:
        codex, known = context.codex(), context.version() or version.NEWEST
    except CodexUnavailable:
        return unknown("there is no Codex to prove")
    if version.is_too_old(known):
        return unknown("this Codex can't make pictures")
    with tempfile.TemporaryDirectory(prefix="codex-imagegen-doctor-", ignore_cleanup_errors=True) as folder:
        out = os.path.join(folder, "live.png")
        request = Request(prompt=PROMPT, out=out, codex=codex, timeout_sec=LIVE_SEC)
        made = run_real_codex(request, known, interrupt=context.interrupt)
    if made.error is not None or not made.images:
        return unknown("the run ended without a picture and without a reason")
    if made.images[0].sha256 != hashlib.sha256(draw(PROMPT)).hexdigest():
        return failed(DamagedPicture("the picture that came is not the one that was drawn", hint="please report it"))
    told = f"Codex {made.codex_version or known} made a picture on the stand-in in {made.elapsed_sec:.1f} s"
    data = {"elapsed_sec": made.elapsed_sec}
    if made.warnings:
        return warning(f"{told}, but: {made.warnings[0].message}", "look for a newer codex-imagegen", data)
    return ok(f"{told}, byte for byte", data=data)
