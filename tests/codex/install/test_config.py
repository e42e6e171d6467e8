"""The names of MCP servers and the provider in config.toml."""

from __future__ import annotations

import pytest

from codex_imagegen.codex.install.config import MAX_BYTES, Provider, read_mcp_servers, read_provider


def write(tmp_path, text: str | bytes) -> str:
    (tmp_path / "config.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(tmp_path)


def test_server_names_in_every_spelling_are_read(tmp_path):
    home = write(
        tmp_path,
        """
        model = "x"
        [mcp_servers.plain]
        command = "a"
        [mcp_servers."with space.and.dots"]
        url = "https://example.com"
        [mcp_servers.plain.env]
        SECRET = "x"
        """,
    )
    assert read_mcp_servers(home) == ("plain", "with space.and.dots")


def test_server_names_in_inline_and_dotted_tables_are_read(tmp_path):
    assert read_mcp_servers(write(tmp_path, 'mcp_servers.a.command = "x"\nmcp_servers.b = { command = "y" }')) == (
        "a",
        "b",
    )
    assert read_mcp_servers(write(tmp_path, "mcp_servers = { c = {} }")) == ("c",)


@pytest.mark.parametrize(
    "text",
    [
        "",
        'model = "x"',
        "# mcp_servers",
        "mcp_servers = 5",
        "mcp_servers = []",
        "[mcp_servers]\nx = 5",
        "[mcp_servers.broken",
        b"[mcp_servers.x]\n\xff\xfe",
        "mcp_servers = " + "[" * 5000,
    ],
)
def test_config_of_a_wrong_shape_has_no_servers(tmp_path, text):
    assert read_mcp_servers(write(tmp_path, text)) == ()


def test_missing_config_has_no_servers(tmp_path):
    assert read_mcp_servers(str(tmp_path)) == read_mcp_servers(str(tmp_path / "none")) == ()
    (tmp_path / "config.toml").mkdir()
    assert read_mcp_servers(str(tmp_path)) == ()


def test_huge_config_is_read_in_part(tmp_path):
    assert read_mcp_servers(write(tmp_path, "#" * MAX_BYTES + "\n[mcp_servers.x]\n")) == ()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('model_provider = "proxy"', Provider("proxy", takes_login=False)),
        ('model_provider = "proxy"\n[model_providers.proxy]\nname = "x"', Provider("proxy", takes_login=False)),
        (
            'model_provider = "proxy"\n[model_providers.proxy]\nrequires_openai_auth = true',
            Provider("proxy", takes_login=True),
        ),
        (
            'model_provider = "proxy"\n[model_providers.other]\nrequires_openai_auth = true',
            Provider("proxy", takes_login=False),
        ),
        ('model_provider = "openai"', None),
        ('[model_providers.proxy]\nname = "x"', None),
        ('profile = "p"\n[profiles.p]\nmodel_provider = "proxy"', None),
        ("model_provider = 5", None),
        ('model_provider = "proxy"\nmodel_providers = 5', Provider("proxy", takes_login=False)),
        ('model_provider = "proxy"\nmodel_provider = ', None),
        ("", None),
    ],
)
def test_provider_is_read(tmp_path, text, found):
    assert read_provider(write(tmp_path, text)) == found
