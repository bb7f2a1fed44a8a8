"""Errors that the user can fix, and how errors of the system are told."""

import errno
import os
import re
import shutil
from subprocess import CalledProcessError, TimeoutExpired


class UserError(Exception):
    """One line that says what is wrong and what to do.

    The command line prints it and ends with exit status 1.
    """


class ServerDidNotStart(UserError):
    """A server ended, or stayed silent, instead of answering."""


ADVICE = {
    errno.EACCES: "permission denied: change its permissions, or name another place",
    errno.EPERM: "permission denied: change its permissions, or name another place",
    errno.EROFS: "it is on a read-only disk: name another place",
    errno.ENOSPC: "the disk is full: free some space and run this again",
    getattr(errno, "EDQUOT", -1): "your disk quota is used up: free some space",
    errno.ENAMETOOLONG: "the path is too long: name a shorter one",
    errno.ENOENT: "there is no such file or folder: check the path",
    errno.ENOTDIR: "a part of the path is a file, not a folder: check the path",
    errno.EISDIR: "it is a folder, not a file: move it away",
    errno.EEXIST: "it exists already: name another place",
    errno.ENOTEMPTY: "it is not empty: name another place",
    errno.ELOOP: "it is a link that leads in a circle: remove the link",
    errno.EMFILE: "too many files are open: close some programs and run this again",
    errno.ENFILE: "too many files are open: close some programs and run this again",
    errno.EBUSY: "another program uses it: close that program and run this again",
    errno.ETXTBSY: "another program runs it: end that program and run this again",
}
"""What to do about an error of the system, by its number."""

BY_MESSAGE = {
    "Symlink loop": "a link leads in a circle: remove the link",
    "Exceeds the limit": "a number has thousands of digits: check your files and arguments",
    "embedded null": "a path contains a NUL byte: check your files and arguments",
}
"""What Python says by its general exceptions, and what it means."""

LONGEST_WORD = 300
"""Letters that are shown of one word: more than any usual path has."""

OPEN_ELSEWHERE = 32
"""Windows's ERROR_SHARING_VIOLATION, whose errno is that of a lack of permission."""


def in_one_line(error: BaseException) -> str | None:
    """Return what is wrong and what to do, or None for an error that no user causes."""
    match error:
        case shutil.Error():
            return _of_several(error)
        case OSError():
            return _of_the_system(error)
        case UnicodeError():
            return f"a text cannot be read or written: {error}; save the file as UTF-8"
        case RecursionError() | MemoryError():
            return "a file is nested too deeply, or too large, to be read: make it simpler"
        case CalledProcessError():
            said = error.stderr or error.stdout or b""
            text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
            last = (text.strip().splitlines() or ["nothing"])[-1]
            return f"{_command(error.cmd)} failed with status {error.returncode}; it said: {last}"
        case TimeoutExpired():
            return f"{_command(error.cmd)} did not end within {error.timeout:.0f} seconds"
        case RuntimeError() | ValueError():
            return next((line for told, line in BY_MESSAGE.items() if told in str(error)), None)
    return None


def advice(error: OSError) -> str:
    """Return what to do about an error of the system, without the path that it names."""
    number = error.errno
    if isinstance(error, shutil.Error) and (found := re.search(r"Errno (\d+)", str(error))):
        number = int(found[1])
    return ADVICE.get(number or 0) or error.strerror or str(error) or type(error).__name__


def one_line(text: str) -> str:
    """Return a text as one line, without the middle of words such as an endless path."""
    line = " ".join(text.splitlines())
    return re.sub(rf"\S{{{LONGEST_WORD + 1},}}", lambda word: _without_middle(word[0]), line)


def _without_middle(word: str) -> str:
    return f"{word[: LONGEST_WORD // 2]}...{word[-LONGEST_WORD // 2 :]}"


def _of_several(error: shutil.Error) -> str:
    """Tell the first of the errors of copying a folder; shutil has each as a text."""
    failed = error.args[0] if error.args else ""
    first = failed[0] if isinstance(failed, list) and failed else ("", "", str(failed))
    return f"{first[1]}: {advice(error)}"


def _of_the_system(error: OSError) -> str:
    where = error.filename2 or error.filename
    subject = "" if where is None or isinstance(where, int) else f"{os.fsdecode(where)}: "
    if not subject and error.errno in {
        errno.ENOENT,
        errno.ESTALE if hasattr(errno, "ESTALE") else -1,
    }:
        return "the current folder does not exist any more: change to another one"
    if getattr(error, "winerror", None) == OPEN_ELSEWHERE:
        return f"{subject}it is open in another program: close it there and run this again"
    return f"{subject}{advice(error)}"


def _command(command: object) -> str:
    return " ".join(map(str, command)) if isinstance(command, list | tuple) else str(command)
