"""What the checks look at: the environment, the Codex in it, and what several of them need to know, asked once."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from codex_imagegen.codex.appserver import account
from codex_imagegen.codex.appserver.account import Account
from codex_imagegen.codex.install import login, version
from codex_imagegen.codex.install.login import Login
from codex_imagegen.codex.install.query import Answer, ask
from codex_imagegen.codex.run import command
from codex_imagegen.codex.sessions import layout
from codex_imagegen.interrupt import Interrupt

ASK_SEC = 5.0
"""Seconds that Codex is given for each answer: some 0.1 s is usual, and a second or two where it asks OpenAI."""

T = TypeVar("T")


class Once(Generic[T]):
    """Something that is found out once, by whichever check asks first; what was raised is raised to each."""

    def __init__(self, find: Callable[[], T]) -> None:
        self._find, self._lock = find, threading.Lock()
        self._found: tuple[T] | None = None
        self._raised: Exception | None = None

    def __call__(self) -> T:
        """What was found."""
        with self._lock:
            if self._found is None and self._raised is None:
                try:
                    self._found = (self._find(),)
                except Exception as error:  # noqa: BLE001 - handed on, to everybody who asks
                    self._raised = error
        if self._found is None:
            raise self._raised or AssertionError
        return self._found[0]


class Context:
    """One examination; ``given`` is what ``--codex`` names.

    ``codex()``, ``version_told()``, ``login()`` and ``account()`` are asked once. Where there is no Codex, each raises
    :class:`CodexMissing`.
    """

    def __init__(self, given: str | None, interrupt: Interrupt, environment: Mapping[str, str] | None = None) -> None:
        self.environment = os.environ if environment is None else environment
        self.interrupt = interrupt
        self.codex: Once[str] = Once(lambda: command.find_codex(given, self.environment))
        self.version_told: Once[Answer] = Once(self._version_told)
        self.login: Once[Login] = Once(self._login)
        self.account: Once[Account] = Once(self._account)

    @property
    def codex_environment(self) -> dict[str, str]:
        """What Codex is started with, in a run and here."""
        return command.environment_of(self.environment)

    @property
    def codex_home(self) -> str:
        """The Codex home, without symlinks."""
        return layout.codex_home(self.environment)

    def version(self) -> str | None:
        """The version that Codex names, or None."""
        return version.named(self.version_told().stdout)

    def _version_told(self) -> Answer:
        return ask(self.codex(), "--version", environment=self.codex_environment, timeout_sec=ASK_SEC)

    def _login(self) -> Login:
        return login.status(self.codex(), self.codex_environment, ASK_SEC)

    def _account(self) -> Account:
        """Not asked for nothing: it takes two starts."""
        match self.login():
            case "none" | "api-key":
                return Account(error="only a ChatGPT login has any")
            case "unknown" | "no-config":
                return Account(error="Codex does not say how it is logged in")
        if not os.path.isdir(self.codex_home):
            return Account(error="there is no CODEX_HOME yet")
        return account.read(self.codex(), self.codex_environment, ASK_SEC)
