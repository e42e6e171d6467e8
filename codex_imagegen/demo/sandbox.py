"""``codex-imagegen demo``: a whole run that costs nothing and connects to nothing outside the machine.

Codex runs in a temporary home. It is logged in with made-up tokens and talks only to a fake OpenAI on loopback.
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
_VERSION_TIMEOUT_SEC = 20
_UNCOMPRESSED = "[features]\nenable_request_compression = false"  # this Python has no zstd

UNREACHABLE_URL = "http://127.0.0.1:9"
"""A proxy address on which nothing listens (the discard port): connections to other hosts than the fake OpenAI fail."""

_OWN_PREFIX = "CODEX_IMAGEGEN_"


@dataclass(frozen=True, slots=True)
class CodexChoice:
    """The executable to run, its version, and whether it is the real Codex."""

    path: str
    version: str
    is_real: bool


def run_demo(
    request: Request, *, interrupt: Interrupt, on_event: Callable[[Event], None], announce: Callable[[str], None]
) -> Result:
    """Make the request's picture; ``announce`` gets a line that names the Codex used. Raises what a real run raises."""
    with _sandbox() as sandbox:
        codex = _choose_codex(request.codex, sandbox)
        announce(_announcement(codex))
        return _generate(request, codex, sandbox, interrupt=interrupt, on_event=on_event)


def run_real_codex(request: Request, codex_version: str, *, interrupt: Interrupt) -> Result:
    """Make the request's picture with the Codex that ``request.codex`` names, and no other."""
    codex = CodexChoice(request.codex or "", codex_version, is_real=True)
    with _sandbox() as sandbox:
        return _generate(request, codex, sandbox, interrupt=interrupt, on_event=lambda _event: None)


@dataclass(frozen=True, slots=True)
class _Sandbox:
    """A temporary folder with a Codex home, and the environment of every Codex that is started here.

    ``codex --version`` gets that environment too: Codex creates folders in its home at each start.
    """

    folder: str
    codex_home: str
    url: str
    environment: dict[str, str]


@contextlib.contextmanager
def _sandbox() -> Iterator[_Sandbox]:
    # the resolved name: Codex and our watcher must mean the same folder
    with (
        tempfile.TemporaryDirectory(prefix="codex-imagegen-demo-", ignore_cleanup_errors=True) as temporary,
        FakeOpenAI() as server,
    ):
        folder = os.path.realpath(temporary)
        codex_home = os.path.join(folder, "home")
        os.mkdir(codex_home, 0o700)
        environment = codex_environment(codex_home, server.url, command.build_environment(os.environ))
        yield _Sandbox(folder, codex_home, server.url, environment)


def _generate(
    request: Request, codex: CodexChoice, sandbox: _Sandbox, *, interrupt: Interrupt, on_event: Callable[[Event], None]
) -> Result:
    write_codex_home(sandbox.codex_home, sandbox.url, version=codex.version, extra=_UNCOMPRESSED)
    request = replace(request, codex=codex.path)
    return generate(request, interrupt=interrupt, on_event=on_event, environment=sandbox.environment)


def _announcement(codex: CodexChoice) -> str:
    if codex.is_real:
        return f"demo: the real Codex {codex.version}, with a fake OpenAI on this machine"
    return "demo: no Codex that can make pictures was found; using a built-in fake Codex"


def _choose_codex(given: str | None, sandbox: _Sandbox) -> CodexChoice:
    """The real Codex if it is new enough, else the fake one. A Codex named by ``--codex`` must exist."""
    try:
        path = command.find_codex(given, os.environ)
    except CodexMissing:
        if given is not None:
            raise
    else:
        number = _read_version(path, sandbox.environment)
        if number and not version.is_too_old(number):
            return CodexChoice(path, number, is_real=True)
    path = os.path.join(sandbox.folder, "fake-codex")
    with open(path, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o700)) as file:
        file.write(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m codex_imagegen.demo.fake_codex "$@"\n')
    return CodexChoice(path, VERSION, is_real=False)


def _read_version(path: str, environment: Mapping[str, str]) -> str | None:
    try:
        return version.read_version(path, environment, _VERSION_TIMEOUT_SEC)
    except CodexMissing:
        return None


def write_codex_home(folder: str, url: str, *, version: str, plan: str = "plus", extra: str = "") -> None:
    """Write config.toml and auth.json into an existing folder, for the fake OpenAI at ``url``.

    ``version`` is that of the Codex that uses the folder: builds before 0.118.0 do not know ``openai_base_url``, and
    ask chatgpt.com for their models unless they find them cached (measured). ``extra`` is more TOML.
    """
    is_old = tuple(int(part) for part in version.split(".")[:2]) < (0, 118)
    lines = [f'chatgpt_base_url = "{url}/backend-api"', "check_for_update_on_startup = false"]
    provider = []
    if is_old:
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
    """The environment ``base``, changed so that Codex can reach only the fake OpenAI.

    Codex's own variables are removed: one names a folder of databases (CODEX_SQLITE_HOME), another is a login.
    """
    base = {
        name: value for name, value in base.items() if not name.startswith("CODEX_") or name.startswith(_OWN_PREFIX)
    }
    proxies = dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy", "ALL_PROXY"), UNREACHABLE_URL)
    own = {"HOME": folder, "CODEX_HOME": folder, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    return {**base, **proxies, **own, "CODEX_REFRESH_TOKEN_URL_OVERRIDE": f"{url}/oauth/token"}


def _login(plan: str) -> dict[str, object]:
    token = _jwt(plan)
    tokens = {"id_token": token, "access_token": token, "refresh_token": "made-up", "account_id": "made-up"}
    return {"auth_mode": "chatgpt", "OPENAI_API_KEY": None, "tokens": tokens, "last_refresh": _now()}


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _jwt(plan: str) -> str:
    """An unsigned JWT: Codex reads the plan in it and sends it to the fake OpenAI."""
    auth = {"chatgpt_plan_type": plan, "chatgpt_account_id": "made-up", "chatgpt_user_id": "made-up"}
    claims = {"exp": int(time.time()) + 86_400, "email": "nobody@example.com", "https://api.openai.com/auth": auth}
    parts = (json.dumps(part).encode() for part in ({"alg": "none"}, claims))
    return ".".join([base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts] + ["unsigned"])


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(text)
