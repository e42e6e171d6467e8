"""The context that the checks share: the environment, the Codex in it, and its answers, each requested once."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from codex_imagegen.codex.appserver import account
from codex_imagegen.codex.appserver.account import Account
from codex_imagegen.codex.install import login, version
from codex_imagegen.codex.install.login import Login
from codex_imagegen.codex.install.version import Answer, run_query
from codex_imagegen.codex.run import command
from codex_imagegen.codex.sessions import layout
from codex_imagegen.interrupt import Interrupt

ASK_SEC = 5.0
"""Seconds that Codex gets for each answer. It usually takes 0.1 s, and one or two seconds where it asks OpenAI."""

T = TypeVar("T")


class Once(Generic[T]):
    """A value that the first caller computes. An exception is raised again for every other caller."""

    def __init__(self, compute: Callable[[], T]) -> None:
        self._compute, self._lock = compute, threading.Lock()
        self._value: tuple[T] | None = None
        self._error: Exception | None = None

    def __call__(self) -> T:
        """Return the value, and compute it on the first call."""
        with self._lock:
            if self._value is None and self._error is None:
                try:
                    self._value = (self._compute(),)
                except Exception as error:  # noqa: BLE001 - raised again for every caller
                    self._error = error
        if self._value is None:
            raise self._error or AssertionError
        return self._value[0]


class Context:
    """The context of the checks; ``codex_option`` is the value of ``--codex``.

    ``codex()``, ``version_answer()``, ``login()`` and ``account()`` each ask Codex once. Without a Codex, each raises
    :class:`CodexMissing`.
    """

    def __init__(
        self, codex_option: str | None, interrupt: Interrupt, environment: Mapping[str, str] | None = None
    ) -> None:
        self.environment = os.environ if environment is None else environment
        self.interrupt = interrupt
        self.codex: Once[str] = Once(lambda: command.find_codex(codex_option, self.environment))
        self.version_answer: Once[Answer] = Once(self._ask_version)
        self.login: Once[Login] = Once(self._read_login)
        self.account: Once[Account] = Once(self._read_account)

    @property
    def codex_environment(self) -> dict[str, str]:
        """The environment that Codex is started with, here as in a run."""
        return command.build_environment(self.environment)

    @property
    def codex_home(self) -> str:
        """The Codex home with its symlinks resolved."""
        return layout.codex_home(self.environment)

    def version(self) -> str | None:
        """The version that Codex reports, or None."""
        return version.find_version(self.version_answer().stdout)

    def _ask_version(self) -> Answer:
        return run_query(self.codex(), "--version", environment=self.codex_environment, timeout_sec=ASK_SEC)

    def _read_login(self) -> Login:
        return login.read_status(self.codex(), self.codex_environment, ASK_SEC)

    def _read_account(self) -> Account:
        """Read the account, unless the login or the home shows that there is none: it takes two starts of Codex."""
        match self.login():
            case "none" | "api-key":
                return Account(error="only a ChatGPT login has limits")
            case "unknown" | "no-config":
                return Account(error="Codex does not say how it is logged in")
        if not os.path.isdir(self.codex_home):
            return Account(error="CODEX_HOME does not exist yet")
        return account.read(self.codex(), self.codex_environment, ASK_SEC)
