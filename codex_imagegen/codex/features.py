"""The features of Codex that a run switches off because a picture does not need them.

All builds from 0.111.0 to 0.169.0 accept or ignore these settings (a ``--disable`` of an unknown feature would be
fatal). The table shows what each of them saves alone, in bytes of the first request before compression; "n HTTP" are
requests of the whole run, and – is nothing. It was measured with the real builds against a local fake of OpenAI
on 2026-11-21; 0.149.1 and 0.169.0 ran with their default models, which are in code mode:

===================================================  =======  ===========  ===============  ===============
setting                                              0.111.0  0.141.0      0.149.1          0.169.0
===================================================  =======  ===========  ===============  ===============
(the first request without any of them)              23,189   41,973       60,749           70,434
``web_search="disabled"``                            50       90           10,830           10,831
``features.shell_tool=false``                        2,797    2,350        3,059            3,060
``features.unified_exec=false``                      994      1,077        1,972            –
``features.goals=false``                             –        2,984        2,802            3,037
``features.apps=false``                              –        1,874        1,721, 6 HTTP    7 HTTP
``features.plugins=false``                           –        6 HTTP       9 HTTP           8 HTTP
``features.remote_plugin=false``                     –        –            6 HTTP           5 HTTP
``features.tool_suggest=false``                      –        –            4 HTTP           5 HTTP
``personality="none"``                               1,870    1,615        2,102            4,414
``skills.include_instructions=false``                –        6,153        2,809            2,228
``tools.experimental_request_user_input.enabled``    –        2,023        1,356            2,855
``include_collaboration_mode_instructions=false``    –        –            –                1,049
``features.content_item_kinds=false``                –        –            –                889
``include_environment_context=false``                –        518          695              827
``features.sleep_tool=false``                        –        –            –                527
``tools.update_plan.enabled=false``                  –        –            529              –
``include_permissions_instructions=false``           –        376          376              449
``features.view_image=false``                        –        –            684              371
``features.multi_agent=false``                       –        805          –                –
``features.cli_daybreak=false``                      –        –            –                1 HTTP
all of them                                          18,472   23,135       33,567           40,016
===================================================  =======  ===========  ===============  ===============

Three more settings are refused by older builds. Each was tried with 0.145.0, 0.146.0, 0.147.0, 0.148.0, 0.149.0,
0.149.1, 0.150.0, 0.152.1, 0.155.0, 0.158.0, 0.160.1, 0.162.0, 0.166.0 and 0.169.0, to find the first that accepts it. A
newer build, or one of unknown version (see ``npm.read_version``), gets them too. If it refuses one, it says so before
its thread begins, at no cost, and is started once more without them:

==========================================================  ============  ==============  ==============
setting                                                     accepted by   saves, 0.149.1  saves, 0.169.0
==========================================================  ============  ==============  ==============
``agents.enabled=false``                                    0.145.0       8,589           8,586
``features.code_mode.excluded_tool_namespaces=[…]``         0.148.0       139             2,166
``features.code_mode.default_exec_yield_time_ms=600000``    0.148.0       model calls     model calls
==========================================================  ============  ==============  ==============

The first switches off sub-agents, the second ``apply_patch``: from 0.148.0 on, code mode then offers only the image
tool and the means to wait for it. The third is the default timeout of ``exec`` (see ``command.EXEC_TIMEOUT_PRAGMA``),
in case the model does not follow its instructions.

The others save nothing measurable. They switch off what could run or be reached otherwise: hooks,
the user's AGENTS.md, browsers, memories, MCP servers. These are left on deliberately: ``skills.bundled.enabled`` (on
0.118.0, switching it off deletes files in the user's home), request compression (without it, the upload is three times
as large), ``features.code_mode_host`` (no picture without it), and the model's base instructions.
"""

from __future__ import annotations

from collections.abc import Sequence

FEATURES_OFF = (
    "shell_tool", "unified_exec", "goals", "apps", "plugins", "remote_plugin", "tool_suggest", "multi_agent",
    "view_image", "sleep_tool", "content_item_kinds", "cli_daybreak", "skill_search", "hooks", "shell_snapshot",
    "browser_use", "computer_use", "in_app_browser", "memories", "workspace_dependencies",
)  # fmt: skip
SETTINGS = (
    'web_search="disabled"',
    # one of Codex's user settings: it leaves out the instructions for the style of the model's prose
    'personality="none"',
    # the model only has to call one tool; every model of these builds knows "low"
    'model_reasoning_effort="low"',
    "skills.include_instructions=false",
    "tools.experimental_request_user_input.enabled=false",
    "tools.update_plan.enabled=false",
    "include_collaboration_mode_instructions=false",
    "include_environment_context=false",
    "include_permissions_instructions=false",
    "project_doc_max_bytes=0",
    "orchestrator.skills.enabled=false",
)

ACCEPTED_SINCE = (
    ("agents.enabled=false", (0, 145)),
    ('features.code_mode.excluded_tool_namespaces=["functions","clock"]', (0, 148)),
    ("features.code_mode.default_exec_yield_time_ms=600000", (0, 148)),
)
UNTESTED_SINCE = (0, 170)
"""The first version that no test has run."""


def is_tested(version: tuple[int, ...] | None) -> bool:
    """Whether the tests have run a build of this version, or an older and a newer one."""
    return version is not None and (0, 111) <= version < UNTESTED_SINCE


def build_settings(
    servers: Sequence[str] = (), version: tuple[int, ...] | None = None, *, cautious: bool = False
) -> tuple[str, ...]:
    """The ``-c`` settings that switch these features off.

    ``servers`` are the names of MCP servers in the user's config.toml, and ``version`` is the build's if it is known.
    ``cautious`` leaves out the settings that some builds refuse.

    Codex splits the name of a setting at its dots and allows no quotes there (0.111.0 to 0.169.0): a server with a dot
    or an equals sign in its name can't be named, and stays on. Codex itself allows only letters, digits, - and _.
    """
    features = (f"features.{name}=false" for name in FEATURES_OFF)
    newer = (setting for setting, first in ACCEPTED_SINCE if not cautious and (version is None or first <= version))
    mcp_servers = (f"mcp_servers.{name}.enabled=false" for name in servers if not set(name) & set(".="))
    return (*features, *SETTINGS, *newer, *mcp_servers)
