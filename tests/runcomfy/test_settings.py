from __future__ import annotations

from pathlib import Path

import pytest

from codex_imagegen.errors import RunComfyUsage
from codex_imagegen.runcomfy import settings


def test_default_base_urls_are_the_documented_ones() -> None:
    assert settings.model_api_base() == "https://model-api.runcomfy.net/v1"
    assert settings.web_base() == "https://www.runcomfy.com"


@pytest.mark.parametrize(
    "base",
    [
        "https://example.org/v1",
        "https://example.org:8443/v1/",
        "http://127.0.0.1:81/v1",
        "http://localhost:1",
        "http://[::1]:9/v1",
    ],
)
def test_environment_sets_the_base_url(monkeypatch: pytest.MonkeyPatch, base: str) -> None:
    monkeypatch.setenv("RUNCOMFY_MODEL_API_BASE", f" {base} ")
    assert settings.model_api_base() == base.rstrip("/")


@pytest.mark.parametrize(
    "base",
    [
        "http://example.org/v1",
        "http://127.0.0.1.example.org/v1",
        "http://10.0.0.1/v1",
        "ftp://127.0.0.1/v1",
        "https://user:pass@example.org/v1",
        "https://",
        "https://[::1/v1",
        "https://example.org:port/v1",
        "https://example.org/v1?key=1",
        "https://example.org/v1#x",
        "https://exämple.org/v1",
        "https://example.org/v 1",
        "https://example.org\\@evil.test/v1",
        "not an address",
    ],
)
@pytest.mark.parametrize(
    ("variable", "call"),
    [("RUNCOMFY_MODEL_API_BASE", settings.model_api_base), ("RUNCOMFY_WEB_BASE", settings.web_base)],
)
def test_invalid_base_url_is_refused(monkeypatch: pytest.MonkeyPatch, variable: str, call: object, base: str) -> None:
    monkeypatch.setenv(variable, base)
    with pytest.raises(RunComfyUsage, match=variable) as caught:
        call()  # type: ignore[operator]
    assert "pass" not in str(caught.value)


def test_token_file_is_that_of_the_runcomfy_cli(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.token_path() == str(home / "xdg_config_home" / "runcomfy" / "token.json")
    monkeypatch.setenv("RUNCOMFY_CONFIG_DIR", "/somewhere")
    assert settings.token_path() == "/somewhere/token.json"
    monkeypatch.setenv("RUNCOMFY_CONFIG_DIR", "")
    monkeypatch.setenv("XDG_CONFIG_HOME", "")
    assert settings.token_path() == str(home / ".config" / "runcomfy" / "token.json")
