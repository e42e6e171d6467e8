"""A throw-away Codex home that is logged in with made-up tokens and talks to the stand-in alone."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Mapping

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


def environment(folder: str, url: str, base: Mapping[str, str]) -> dict[str, str]:
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
