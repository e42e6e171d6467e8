"""Only ``platform`` calls what differs between operating systems."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import codex_imagegen

PACKAGE = Path(codex_imagegen.__file__).parent
MODULES = {
    "fcntl",
    "termios",
    "tty",
    "pty",
    "resource",
    "pwd",
    "grp",
    "select",
    "msvcrt",
    "winreg",
    "ctypes",
    "_winapi",
}
NAMES = re.compile(
    r"""O_[A-Z]+|F_[A-Z]+|LOCK_[A-Z]+|fsync|fdatasync|statvfs|fstatvfs|pread|pwrite|preadv|uname|geteuid|getuid|getgid
    |killpg|setsid|setpgid|getpgid|getpgrp|tcgetpgrp|tcsetpgrp|fork|forkpty|openpty|waitid|waitpid|pidfd_open|fchmod
    |mkfifo|sendfile|copy_file_range|pthread_sigmask|pthread_kill|sigwait|set_wakeup_fd|setitimer|alarm|pause
    |SIGHUP|SIGQUIT|SIGKILL|SIGCONT|SIGSTOP|SIGTSTP|SIGPIPE|SIGWINCH|SIGUSR1|SIGUSR2|SIGCHLD""",
    re.VERBOSE,
)
KEYWORDS = {"dir_fd", "src_dir_fd", "dst_dir_fd", "process_group", "preexec_fn", "start_new_session", "creationflags"}
PLACES = ("/dev/", "/proc/", "/sys/")


def calls(tree: ast.AST) -> set[str]:
    """What a module uses that is not the same on every system."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                found |= {name.name for name in node.names if name.name.split(".")[0] in MODULES}
            case ast.ImportFrom():
                found |= {node.module} if (node.module or "").split(".")[0] in MODULES else set()
                found |= {name.name for name in node.names if NAMES.fullmatch(name.name)}
            case ast.Attribute(value=ast.Name(id="os" | "signal" | "fcntl"), attr=name) if NAMES.fullmatch(name):
                found.add(name)
            case ast.Attribute(value=ast.Name(id="sys"), attr="platform"):
                found.add("sys.platform")
            case ast.Attribute(value=ast.Name(id="os"), attr="name"):
                found.add("os.name")
            case ast.keyword(arg=str(name)) if name in KEYWORDS:
                found.add(name)
            case ast.Constant(value=str(text)) if text.startswith(PLACES):
                found.add(text)
    return found


@pytest.mark.parametrize(
    "code",
    [
        "import fcntl",
        "from termios import tcgetattr",
        "from signal import SIGHUP",
        "os.open('a', os.O_RDONLY)",
        "os.fsync(1)",
        "os.unlink('a', dir_fd=3)",
        "os.killpg(1, 2)",
        "subprocess.Popen([], process_group=0)",
        "sys.platform == 'linux'",
        "open('/proc/self/stat')",
    ],
)
def test_call_of_the_system_is_found(code):
    assert calls(ast.parse(code))


def test_only_platform_calls_the_system():
    used = {
        module: names
        for path in PACKAGE.rglob("*.py")
        if not (module := path.relative_to(PACKAGE).as_posix()).startswith("platform/")
        and (names := calls(ast.parse(path.read_text(encoding="utf-8"))))
    }
    assert used == {}
