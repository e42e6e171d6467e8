"""The settings that switch off what a picture does not need."""

from __future__ import annotations

import tomllib

import pytest

from codex_imagegen.codex import features


def test_settings_are_toml_without_duplicates():
    settings = features.build_settings(version=(0, 169, 0))
    for setting in settings:
        tomllib.loads(setting)
    names = [setting.partition("=")[0] for setting in settings]
    assert len(set(names)) == len(names)


def test_settings_switch_every_shell_off():
    settings = set(features.build_settings())
    off = ("shell_tool", "unified_exec", "apps", "plugins", "multi_agent", "hooks", "view_image", "browser_use")
    assert {f"features.{name}=false" for name in off} <= settings
    assert {'web_search="disabled"', "project_doc_max_bytes=0"} <= settings


def test_settings_leave_the_image_tool_on():
    assert not [setting for setting in features.build_settings(version=(0, 169, 0)) if "image_gen" in setting]
    assert not [
        setting for setting in features.build_settings(version=(0, 169, 0)) if setting.startswith("features.code_mode=")
    ]


def test_settings_switch_servers_off_by_name():
    extra = set(features.build_settings(["plain", "two"])) - set(features.build_settings())
    assert len(extra) == 2
    assert all(setting.startswith("mcp_servers.") and setting.endswith(".enabled=false") for setting in extra)


@pytest.mark.parametrize(
    ("version", "more"),
    [(None, 3), ((0, 111), 0), ((0, 144, 6), 0), ((0, 145, 0), 1), ((0, 148, 0), 3), ((0, 169, 0), 3), ((0, 170), 3)],
)
def test_settings_that_older_builds_refuse_go_to_newer_and_unknown_ones(version, more):
    assert (
        len(features.build_settings(version=version))
        == len(features.build_settings(version=version, cautious=True)) + more
    )
    assert len(features.build_settings(version=version, cautious=True)) == len(
        features.build_settings(version=(0, 111))
    )


@pytest.mark.parametrize(
    ("version", "tried"),
    [(None, False), ((0, 110, 9), False), ((0, 111, 0), True), ((0, 169, 3), True), ((0, 170, 0), False)],
)
def test_tested_builds_are_known(version, tried):
    assert features.is_tested(version) is tried
