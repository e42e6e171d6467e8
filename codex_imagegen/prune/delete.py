"""Taking one session away: by Codex itself, which knows its databases too, or by removing its files."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Mapping
from types import TracebackType

from codex_imagegen.codex.appserver.client import AppServer, Refused
from codex_imagegen.codex.install import config, npm
from codex_imagegen.codex.run import command
from codex_imagegen.codex.sessions import layout
from codex_imagegen.errors import CodexFailed, CodexMissing, OutUnwritable
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.prune.scan import OwnSession

HAND = "no Codex that can delete sessions was found: the files were removed, and Codex's databases still name them"

FINISH_SEC = 5.0
"""How long a deletion that has begun may go on after an interrupt: cut off, it would leave the session's pictures."""


class Remover:
    """A context that removes sessions. ``by_hand`` says why Codex does not do it, or None while it does.

    ``codex`` is what the user gave as the CLI; only one that was given must be there: :class:`CodexMissing`.
    """

    def __init__(
        self, codex_home: str, *, codex: str | None, environment: Mapping[str, str], interrupt: Interrupt
    ) -> None:
        self._home, self._environment, self._interrupt = codex_home, environment, interrupt
        self._server: AppServer | None = None
        self.by_hand: str | None = None
        try:
            self._codex = npm.binary(command.find_codex(codex, environment))
        except CodexMissing:
            if codex is not None:
                raise
            self.by_hand = HAND

    def __enter__(self) -> Remover:
        if self.by_hand is None:
            server = AppServer(
                self._codex, environment=self._environment, interrupt=self._interrupt,
                servers=config.servers(self._home),
            )  # fmt: skip
            try:
                self._server = server.__enter__()
            except CodexFailed as error:
                self.by_hand = f"{HAND} ({error.message})"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.__exit__(kind, error, trace)

    def remove(self, own: OwnSession, *, keep_pictures: bool = False) -> None:
        """Remove the session: by Codex first, who may refuse, and then its pictures.

        By hand its pictures go first, so that what a kill leaves of it is still known to be ours.

        Raises :class:`Refused` where Codex keeps it, :class:`OutUnwritable` where the files can't be removed, and
        :class:`CodexFailed` where Codex is there no more.
        """
        folder = layout.pictures_folder(self._home, own.thread_id)
        try:
            before = os.path.lexists(folder)
            if self._server is not None:
                self._ask(self._server, own.thread_id)
            gone = before and not os.path.lexists(folder)
            if not keep_pictures:
                _remove_pictures(self._home, folder)
            _remove_file(own.path)
        except OSError as error:
            told = f"{error.filename or own.path!r} can't be removed: {error.strerror}"
            raise OutUnwritable(told, hint="see who may write there") from error
        if gone and keep_pictures:  # no build does that (0.141.0 to 0.169.0)
            raise CodexFailed(
                f"this Codex removes pictures, too: those of {own.thread_id} are gone", hint="stop using it"
            )

    def _ask(self, server: AppServer, thread_id: str) -> None:
        try:
            server.request("thread/delete", {"threadId": thread_id}, finish_sec=FINISH_SEC)
        except Refused as error:
            if not error.is_unknown_method:
                raise
            self.__exit__(None, None, None)
            self._server, self.by_hand = None, HAND


def _remove_pictures(codex_home: str, folder: str) -> None:
    """Remove the files of a folder that really lies in the Codex home, and the folder if nothing else is in it."""
    if os.path.realpath(folder) != folder or not folder.startswith(codex_home + os.sep) or not os.path.lexists(folder):
        return
    with os.scandir(folder) as entries:
        files = [entry.path for entry in entries if entry.is_file(follow_symlinks=False)]
    for path in files:
        _removed(os.unlink, path)
    with contextlib.suppress(OSError):  # a folder in it is nobody's that we know
        os.rmdir(folder)


def _remove_file(path: str) -> None:
    if os.path.realpath(os.path.dirname(path)) == os.path.dirname(path):
        _removed(os.unlink, path)


def _removed(remove: Callable[[str], object], path: str) -> None:
    try:
        if not stat.S_ISLNK(os.lstat(path).st_mode):
            remove(path)
    except FileNotFoundError:
        pass
