"""The demonstration: a real run of the bridge in which nothing costs anything and nothing leaves the machine.

A throw-away Codex home that is logged in with made-up tokens and talks to the stand-in alone.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from codex_imagegen.codex.install import version
from codex_imagegen.codex.run import command
from codex_imagegen.demo.fake_codex import VERSION
from codex_imagegen.demo.fake_openai import FakeOpenAI
from codex_imagegen.errors import CodexMissing
from codex_imagegen.generation import generate
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.request import Event, Request
from codex_imagegen.results import Result

PROMPT = "a range of hills at the end of the day"
_ASK_SEC = 20
_UNCOMPRESSED = "[features]\nenable_request_compression = false"  # zstd is no part of this Python


@dataclass(frozen=True, slots=True)
class Lead:
    """Who plays Codex: the executable, its version, and whether it is the real one."""

    path: str
    version: str
    real: bool


def run_demo(
    request: Request, *, interrupt: Interrupt, tell: Callable[[Event], None], announce: Callable[[str], None]
) -> Result:
    """Make the request's picture; ``announce`` gets a line that names the Codex used. Raises what a real run raises."""
    with _stage() as stage:
        lead = _cast(request.codex, stage)
        announce(_credits(lead))
        return _play(request, lead, stage, interrupt=interrupt, tell=tell)


def prove(request: Request, codex_version: str, *, interrupt: Interrupt) -> Result:
    """The same with the Codex that ``request.codex`` names and nobody else in its part."""
    lead = Lead(request.codex or "", codex_version, real=True)
    with _stage() as stage:
        return _play(request, lead, stage, interrupt=interrupt, tell=lambda _event: None)


@dataclass(frozen=True, slots=True)
class _Stage:
    """A folder that is gone afterwards, a Codex home in it, and the environment of every Codex that is started here.

    That holds for the question which Codex it is, too: each start of one makes folders in its home.
    """

    folder: str
    home: str
    url: str
    environment: dict[str, str]


@contextlib.contextmanager
def _stage() -> Iterator[_Stage]:
    # the resolved name: Codex and our watcher must mean the same folder
    with (
        tempfile.TemporaryDirectory(prefix="codex-imagegen-demo-", ignore_cleanup_errors=True) as temporary,
        FakeOpenAI() as back,
    ):
        folder = os.path.realpath(temporary)
        codex_home = os.path.join(folder, "home")
        os.mkdir(codex_home, 0o700)
        environment = codex_environment(codex_home, back.url, command.environment_of(os.environ))
        yield _Stage(folder, codex_home, back.url, environment)


def _play(
    request: Request, lead: Lead, stage: _Stage, *, interrupt: Interrupt, tell: Callable[[Event], None]
) -> Result:
    make(stage.home, stage.url, version=lead.version, extra=_UNCOMPRESSED)
    played = replace(request, codex=lead.path)
    return generate(played, interrupt=interrupt, tell=tell, environment=stage.environment)


def _credits(lead: Lead) -> str:
    if lead.real:
        return f"demo: the real Codex {lead.version}, with a stand-in for OpenAI on loopback"
    return "demo: no Codex that can make pictures is here; an understudy plays its part"


def _cast(given: str | None, stage: _Stage) -> Lead:
    """The real Codex if there is one that is new enough, else the understudy; a ``--codex`` must be there."""
    try:
        path = command.find_codex(given, os.environ)
    except CodexMissing:
        if given is not None:
            raise
    else:
        known = _version(path, stage.environment)
        if known and not version.is_too_old(known):
            return Lead(path, known, real=True)
    path = os.path.join(stage.folder, "understudy")
    with open(path, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o700)) as file:
        file.write(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m codex_imagegen.demo.fake_codex "$@"\n')
    return Lead(path, VERSION, real=False)


def _version(path: str, environment: Mapping[str, str]) -> str | None:
    try:
        return version.read(path, environment, _ASK_SEC)
    except CodexMissing:
        return None


REFUSING = "http://127.0.0.1:9"
"""A proxy that nobody runs (the discard port): whatever is not meant for the stand-in ends there."""

_OURS = "CODEX_IMAGEGEN_"


def make(folder: str, url: str, *, version: str, plan: str = "plus", extra: str = "") -> None:
    """Write config.toml and auth.json for a stand-in at ``url`` into an existing folder.

    ``version`` is that of the Codex that will live there: builds before 0.118.0 know no ``openai_base_url``, and ask
    chatgpt.com for their models unless they find them cached (measured). ``extra`` is more TOML.
    """
    old = tuple(int(part) for part in version.split(".")[:2]) < (0, 118)
    lines = [f'chatgpt_base_url = "{url}/backend-api"', "check_for_update_on_startup = false"]
    provider = []
    if old:
        lines.append('model_provider = "standin"')
        provider = [
            "[model_providers.standin]", 'name = "standin"', f'base_url = "{url}/v1"', 'wire_api = "responses"',
            "requires_openai_auth = true",
        ]  # fmt: skip
        models: dict[str, object] = {"fetched_at": _now(), "etag": None, "client_version": version, "models": []}
        _write(os.path.join(folder, "models_cache.json"), json.dumps(models))
    else:
        lines.append(f'openai_base_url = "{url}/v1"')
    lines += ["[analytics]", "enabled = false", *provider, extra, ""]
    _write(os.path.join(folder, "config.toml"), "\n".join(lines))
    _write(os.path.join(folder, "auth.json"), json.dumps(_login(plan)))


def codex_environment(folder: str, url: str, base: Mapping[str, str]) -> dict[str, str]:
    """The environment in which Codex can reach nothing but the stand-in; ``base`` gives the rest of it.

    Codex's own variables are left out: one names a folder of databases (CODEX_SQLITE_HOME), another is a login.
    """
    base = {name: value for name, value in base.items() if not name.startswith("CODEX_") or name.startswith(_OURS)}
    proxies = dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy", "ALL_PROXY"), REFUSING)
    own = {"HOME": folder, "CODEX_HOME": folder, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    return {**base, **proxies, **own, "CODEX_REFRESH_TOKEN_URL_OVERRIDE": f"{url}/oauth/token"}


def _login(plan: str) -> dict[str, object]:
    token = _token(plan)
    tokens = {"id_token": token, "access_token": token, "refresh_token": "made-up", "account_id": "made-up"}
    return {"auth_mode": "chatgpt", "OPENAI_API_KEY": None, "tokens": tokens, "last_refresh": _now()}


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _token(plan: str) -> str:
    """A JWT that nobody signed: Codex reads the plan in it, and hands it to the stand-in."""
    auth = {"chatgpt_plan_type": plan, "chatgpt_account_id": "made-up", "chatgpt_user_id": "made-up"}
    claims = {"exp": int(time.time()) + 86_400, "email": "nobody@example.com", "https://api.openai.com/auth": auth}
    parts = (json.dumps(part).encode() for part in ({"alg": "none"}, claims))
    return ".".join([base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts] + ["unsigned"])


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(text)
