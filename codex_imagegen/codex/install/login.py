"""How Codex is logged in, in the words of its own ``codex login status``: no credentials are read by us.

What it says on stderr, measured with eight of the real builds (it exits with 0 for any login, and with 1 for none):

=================  ==================================================================================
0.107.0 – 0.169.0  ``Logged in using ChatGPT``, ``Not logged in``
0.107.0 – 0.160.1  ``Logged in using an API key - sk-…``, with the beginning and the end of the key in it
0.169.0            ``API key configured - sk-…``, likewise
0.111.0 – 0.169.0  ``Error loading configuration: …``, with what stands there
=================  ==================================================================================

So its words are never repeated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from codex_imagegen.codex.install.query import ask
from codex_imagegen.errors import CodexMissing

Login = Literal["chatgpt", "api-key", "none", "no-config", "other", "unknown"]
"""``no-config``: Codex can't load its config.toml. ``other``: a login of a kind that is not known here. ``unknown``:
Codex did not answer.
"""

ASK_SEC = 3.0
"""Seconds that Codex is given where a run that failed asks: 70 ms is usual."""

_KINDS: tuple[tuple[Login, re.Pattern[str]], ...] = (
    ("no-config", re.compile(r"error loading config", re.IGNORECASE)),
    ("none", re.compile(r"not logged in", re.IGNORECASE)),
    ("api-key", re.compile(r"api key", re.IGNORECASE)),
    ("chatgpt", re.compile(r"logged in (?:using|with) chatgpt", re.IGNORECASE)),
)


def status(codex: str, environment: Mapping[str, str], timeout_sec: float) -> Login:
    """The kind of login; raises :class:`CodexMissing` where Codex can't be started."""
    answer = ask(codex, "login", "status", environment=environment, timeout_sec=timeout_sec)
    for kind, words in _KINDS:
        if words.search(answer.stderr) or words.search(answer.stdout):
            return kind
    return "other" if answer.exit_code == 0 and "ogged in" in answer.stderr + answer.stdout else "unknown"


def after_failure(codex: str, environment: Mapping[str, str]) -> Login:
    """The same where a run has failed already, and no second failure may hide the first."""
    try:
        return status(codex, environment, ASK_SEC)
    except CodexMissing:
        return "unknown"
