"""The tools as a model sees them: exact schemas, the command's names, and nothing that it may not choose."""

from __future__ import annotations

import jsonschema
import pytest

from codex_imagegen import api, options
from codex_imagegen.mcp_server.settings import Settings
from codex_imagegen.mcp_server.tools import INSTRUCTIONS, build_tools

ROOTS = ("/root-of-pictures",), ("/root-of-pictures", "/more")
OWNERS = {"codex_home", "codex", "codex_args", "jobs", "full_turn", "skip_existing", "last", "on_event", "interrupt"}
"""Options that belong to the server's owner, or make no sense in a call."""


def tools_by_name(settings):
    return {tool.name: tool for tool in build_tools(settings)}


def test_arguments_of_tools_are_named_like_options():
    by_name = tools_by_name(Settings(*ROOTS, backends=("codex", "runcomfy")))
    look = api.Options.__annotations__.keys() - OWNERS
    assert by_name["generate_image"].input_schema["properties"].keys() == look | {"prompt"}
    assert by_name["edit_image"].input_schema["properties"].keys() == look | {"prompt", "refs"}
    assert look < options.TYPES.keys()


def test_paid_backend_is_offered_only_by_setting():
    assert "backend" not in tools_by_name(Settings(*ROOTS))["generate_image"].input_schema["properties"]
    schema = tools_by_name(Settings(*ROOTS, backends=("codex", "runcomfy")))["generate_image"].input_schema
    assert schema["properties"]["backend"]["enum"] == ["codex", "runcomfy"]


@pytest.mark.parametrize("tool", build_tools(Settings(*ROOTS)), ids=lambda tool: tool.name)
def test_schema_is_exact_and_describes_every_argument(tool):
    jsonschema.Draft202012Validator.check_schema(tool.input_schema)
    assert tool.input_schema["additionalProperties"] is False
    for name, about in tool.input_schema["properties"].items():
        assert about["description"].endswith("."), name
    jsonschema.Draft202012Validator.check_schema(tool.output_schema)
    assert "\n\n\n" not in tool.description
    assert not any(line.startswith(" ") for line in tool.description.splitlines())


@pytest.mark.parametrize(
    ("excerpt", "name"),
    [
        ("30 to 90 seconds", "generate_image"), ("quota", "generate_image"), ("word for word", "generate_image"),
        ("edit_image", "generate_image"), ("recover_image before you try again", "generate_image"),
        ("image 1, image 2", "edit_image"), ("in the order of refs", "edit_image"), ("no quota", "recover_image"),
    ],
)  # fmt: skip
def test_description_says_what_an_agent_must_know(excerpt, name):
    assert excerpt in tools_by_name(Settings(*ROOTS))[name].description
    assert "recover_image" in INSTRUCTIONS


def test_descriptions_name_the_folders():
    properties = tools_by_name(Settings(*ROOTS))["edit_image"].input_schema["properties"]
    assert "/root-of-pictures or /more" in properties["refs"]["description"]
    assert "/more" not in properties["out"]["description"]
