"""Remove one session: by Codex, which also updates its databases, or by removing the files."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Mapping
from types import TracebackType

from codex_imagegen.codex.appserver.client import AppServer, RequestRefused
from codex_imagegen.codex.install import config, npm
from codex_imagegen.codex.run import command
from codex_imagegen.codex.sessions import layout
from codex_imagegen.errors import CodexFailed, CodexMissing, OutUnwritable
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.prune.scan import OwnSession

NO_CODEX = "no Codex that can delete sessions was found: the files were removed, but Codex's databases still list them"

FINISH_SEC = 5.0
"""Seconds that a started deletion may take after an interrupt, so that the pictures are removed too."""


class Remover:
    """A context that removes sessions. ``without_codex`` says why Codex does not do it, or None while it does.

    ``codex`` is the CLI that the user named. Raises :class:`CodexMissing` only if a named one is missing.
    """

    def __init__(
        self, codex_home: str, *, codex: str | None, environment: Mapping[str, str], interrupt: Interrupt
    ) -> None:
        self._home, self._environment, self._interrupt = codex_home, environment, interrupt
        self._server: AppServer | None = None
        self.without_codex: str | None = None
        try:
            self._codex = npm.find_binary(command.find_codex(codex, environment))
        except CodexMissing:
            if codex is not None:
                raise
            self.without_codex = NO_CODEX

    def __enter__(self) -> Remover:
        if self.without_codex is None:
            server = AppServer(
                self._codex, environment=self._environment, interrupt=self._interrupt,
                servers=config.read_mcp_servers(self._home),
            )  # fmt: skip
            try:
                self._server = server.__enter__()
            except CodexFailed as error:
                self.without_codex = f"{NO_CODEX} ({error.message})"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.__exit__(kind, error, trace)

    def remove(self, session: OwnSession, *, keep_pictures: bool = False) -> None:
        """Remove the session: first by Codex, which may refuse, then its pictures.

        Without Codex, the pictures are removed before the rollout, by which the rest is recognized after a kill.

        Raises :class:`RequestRefused` where Codex keeps it, :class:`OutUnwritable` where the files can't be removed,
        and :class:`CodexFailed` where Codex has ended.
        """
        folder = layout.pictures_folder(self._home, session.thread_id)
        try:
            had_folder = os.path.lexists(folder)
            if self._server is not None:
                self._request_deletion(self._server, session.thread_id)
            codex_removed = had_folder and not os.path.lexists(folder)
            if not keep_pictures:
                _remove_pictures(self._home, folder)
            _remove_file(session.path)
        except OSError as error:
            message = f"{error.filename or session.path!r} can't be removed: {error.strerror}"
            raise OutUnwritable(message, hint="check the permissions") from error
        if codex_removed and keep_pictures:  # no build does that (0.141.0 to 0.169.0)
            raise CodexFailed(
                f"this Codex also removes pictures: those of {session.thread_id} are gone",
                hint="don't use it with --keep-pictures",
            )

    def _request_deletion(self, server: AppServer, thread_id: str) -> None:
        try:
            server.request("thread/delete", {"threadId": thread_id}, finish_sec=FINISH_SEC)
        except RequestRefused as error:
            if not error.is_unknown_method:
                raise
            self.__exit__(None, None, None)
            self._server, self.without_codex = None, NO_CODEX


def _remove_pictures(codex_home: str, folder: str) -> None:
    """Remove the files of a folder that is really in the Codex home, and the folder if nothing else is in it."""
    if os.path.realpath(folder) != folder or not folder.startswith(codex_home + os.sep) or not os.path.lexists(folder):
        return
    with os.scandir(folder) as entries:
        files = [entry.path for entry in entries if entry.is_file(follow_symlinks=False)]
    for path in files:
        _unlink(path)
    with contextlib.suppress(OSError):  # it has a subfolder, which Codex did not make
        os.rmdir(folder)


def _remove_file(path: str) -> None:
    if os.path.realpath(os.path.dirname(path)) == os.path.dirname(path):
        _unlink(path)


def _unlink(path: str) -> None:
    try:
        if not stat.S_ISLNK(os.lstat(path).st_mode):
            os.unlink(path)
    except FileNotFoundError:
        pass
