"""Odd arguments, files and circumstances: one clear line and a status, never a traceback."""

import contextlib
import errno
import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from channelsmin import cli, console, errors
from channelsmin.paths import ROOT
from channelsmin.runtime.processes import free_port, is_free

PLAIN = "SESSION_CONFIGS = [\n    dict(name='guess', app_sequence=['guess']),\n]\n"

on_posix = pytest.mark.skipif(sys.platform == "win32", reason="there is no such thing on Windows")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str

    def in_one_line(self) -> str:
        """Return the one line of the error."""
        assert self.status in (1, 2), self.err
        assert self.err.count("\n") == 1, self.err
        assert self.err.startswith("channelsmin"), self.err
        assert "internal error" not in self.err
        assert len(self.err) < 1000
        return self.err


def channelsmin(
    *arguments: str | Path, cwd: Path | None = None, shell: str = "", **variables: str
) -> Ended:
    """Run the command line as a person does; `shell` is added behind it, such as `| head -1`."""
    command = [sys.executable, "-m", "channelsmin", *map(str, arguments)]
    run: Sequence[str] = ["bash", "-c", f'"$@" {shell}', "bash", *command] if shell else command
    ended = subprocess.run(
        run,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **variables},
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
        check=False,
    )
    return Ended(
        ended.returncode,
        ended.stdout.decode(errors="replace"),
        ended.stderr.decode(errors="replace"),
    )


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A project of somebody's own."""
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "settings.py").write_text(PLAIN)
    (folder / "requirements.txt").write_text("otree==3.4.0\n")
    return folder


# The output and the input


@on_posix
@pytest.mark.parametrize("reader", ["true", "head -1"])
def test_a_reader_that_has_gone_is_no_error_in_words(reader: str) -> None:
    ended = channelsmin("pick", "--otree", "3.4.0", shell=f"| {reader}")
    assert ended.err == ""


@on_posix
@pytest.mark.parametrize("arguments", [("pick", "--otree", "3.4.0"), ("--help",)])
def test_a_full_output_is_named(arguments: tuple[str, ...]) -> None:
    assert "the disk is full" in channelsmin(*arguments, shell="> /dev/full").in_one_line()


@on_posix
@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_error(closed: str) -> None:
    ended = channelsmin("pick", "--otree", "3.4.0", shell=closed)
    assert ended.status == 0
    assert ended.err == ""


@on_posix
def test_a_closed_input_at_the_question_is_told_of_yes(own: Path) -> None:
    assert "--yes" in channelsmin("add", own, shell="<&-").in_one_line()
    assert (own / "settings.py").read_text() == PLAIN


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437"])
def test_letters_that_the_output_does_not_have_are_escaped(encoding: str, own: Path) -> None:
    folder = own.rename(own.with_name("Übung → 漢字"))
    ended = channelsmin("add", folder, PYTHONIOENCODING=encoding, LC_ALL="C")
    assert "\\u2192" in ended.out
    assert "--yes" in ended.in_one_line()


# Arguments


@pytest.mark.parametrize("port", ["0", "-1", "70000", "99999999999999999999", "eight"])
def test_a_port_that_does_not_exist_is_refused(port: str) -> None:
    ended = channelsmin("demo", "3.4.0", f"--port={port}")
    assert "--port" in ended.in_one_line()
    assert ended.status == 2


def test_a_port_of_two_lines_is_refused_in_one() -> None:
    assert "--port" in channelsmin("demo", "3.4.0", "--port=80\n00").in_one_line()


@pytest.mark.parametrize(
    "text", ["99999999", "9\n9", "9" * 5000, "1." * 2000 + "1", "", "\u0663.4.0"]
)
def test_a_release_that_does_not_exist_is_refused(text: str, tmp_path: Path) -> None:
    channelsmin("export", text, tmp_path / "new").in_one_line()
    assert not (tmp_path / "new").exists()


PATHS: dict[str, Callable[[Path], Path]] = {
    "too long": lambda folder: folder / ("a" * 300),
    "much too long": lambda folder: folder.joinpath(*["a" * 200] * 30),
    "below a file": lambda folder: folder / "settings.py" / "below",
    "a file": lambda folder: folder / "settings.py",
    "a link in a circle": lambda folder: folder / "circle" / "below",
    "with line breaks": lambda folder: folder / "settings.py" / "two\r\nlines",
    "an unwritable place": lambda folder: Path("/proc/nowhere"),
}


@on_posix
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("command", ["export", "rebuild", "add", "doctor", "pick"])
def test_a_path_that_cannot_be_used_is_named(
    command: str, path: str, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (own / "circle").symlink_to("circle")
    place = PATHS[path](own)
    arguments = {
        "export": ("export", "3.4.0", place),
        "rebuild": ("rebuild", "6.0.15", place),
        "pick": ("pick", "--project", place),
    }.get(command, (command, place))
    before = sorted(own.rglob("*"))
    channelsmin(*arguments).in_one_line()
    assert sorted(own.rglob("*")) == before


@on_posix
@pytest.mark.parametrize("command", ["export", "add", "doctor", "pick"])
def test_a_current_folder_that_is_gone_is_named(command: str, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    arguments = {"export": "export 3.4.0 new"}.get(command, command)
    shell = f'cd {gone} && rmdir {gone} && exec "{sys.executable}" -m channelsmin {arguments}'
    ended = subprocess.run(
        ["bash", "-c", shell],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    last = ended.stderr.splitlines()[-1]
    assert ended.returncode == 1
    assert last.startswith("channelsmin: ")
    assert "Traceback" not in ended.stderr


# A project's files


FILES: dict[str, tuple[str, bytes]] = {
    "a list on top": ("Pipfile.lock", b"[]"),
    "null": ("Pipfile.lock", b'{"default": null}'),
    "a number": ("Pipfile.lock", b'{"default": {"otree": 3}}'),
    "not JSON": ("Pipfile.lock", b"\x00"),
    "nested too deep": ("Pipfile.lock", b"[" * 100_000),
    "packages of no name": ("uv.lock", b"[[package]]\n"),
    "packages that are no list": ("poetry.lock", b"package = 3\n"),
    "a project that is no table": ("pyproject.toml", b"project = 3\n"),
    "rot13": ("settings.py", b"# -*- coding: rot13 -*-\n"),
    "no such encoding": ("settings.py", b"# -*- coding: none -*-\n"),
    "a bad escape": ("settings.py", b"SESSION_CONFIGS = [dict(name='C:\\Users')]\n"),
    "binary": ("settings.py", bytes(range(256))),
    "nested": ("settings.py", b"SESSION_CONFIGS = " + b"[" * 5000),
    "an operator chain": ("settings.py", b"x = " + b"1+" * 20_000 + b"1\n"),
    "a pin of 5,000 digits": ("requirements.txt", b"otree==" + b"9" * 5000),
}


@pytest.mark.parametrize("command", ["pick", "add", "doctor"])
@pytest.mark.parametrize("file", FILES)
def test_a_file_that_cannot_be_read_is_no_traceback(file: str, command: str, own: Path) -> None:
    name, content = FILES[file]
    (own / name).write_bytes(content)
    before = {path: path.read_bytes() for path in own.rglob("*")}
    option = ["--project"] if command == "pick" else []
    ended = channelsmin(command, *option, own)
    assert ended.status in (0, 1)
    assert "Traceback" not in ended.err
    assert "internal error" not in ended.err
    assert {path: path.read_bytes() for path in own.rglob("*")} == before


def test_hashes_after_windows_line_ends_are_understood(own: Path) -> None:
    (own / "requirements.txt").write_bytes(b"otree==3.4.0 \\\r\n    --hash=sha256:aaaa\r\n")
    ended = channelsmin("pick", "--project", own)
    assert ended.err == ""
    assert "oTree 3.4.0" in ended.out


def test_a_config_that_otree_never_sees_does_not_count(own: Path) -> None:
    archive = "ARCHIVE = [dict(name='z', app_sequence=['channelsmin'])]\n"
    (own / "settings.py").write_text(archive + PLAIN)
    assert channelsmin("add", own, "--yes").status == 0
    assert (own / "settings.py").read_text().count("app_sequence=['channelsmin']") == 2


def test_a_redis_address_without_a_port_is_a_finding(own: Path) -> None:
    layers = "CHANNEL_LAYERS = {'default': {'BACKEND': 'channels_redis.core.RedisChannelLayer'}}\n"
    (own / "settings.py").write_text(PLAIN + layers)
    ended = channelsmin("doctor", own, REDIS_URL="redis://h:abc")
    assert "no Redis answers at h:abc" in ended.out
    assert ended.err == ""


@on_posix
@pytest.mark.parametrize("name", ["requirements.txt", "settings.py", ".python-version"])
def test_a_pipe_or_a_folder_in_a_files_place_is_no_traceback(name: str, own: Path) -> None:
    for make in (os.mkfifo, os.mkdir):
        place = own / name
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(place) if place.is_dir() else place.unlink()
        make(place)
        for command in (["pick", "--project"], ["doctor"], ["add"]):
            ended = channelsmin(*command, own)
            assert ended.status in (0, 1)
            assert "Traceback" not in ended.err
            assert "internal error" not in ended.err


# Whatever comes


def in_process(*arguments: str) -> Ended:
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main(arguments)
        except SystemExit as ended:
            status = ended.code
            if isinstance(status, str):
                err.write(status)
    return Ended(status if isinstance(status, int) else int(status is not None), "", err.getvalue())


anything = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def is_clean(ended: Ended) -> None:
    assert ended.status in (0, 1, 2), ended.err
    assert "Traceback" not in ended.err
    assert ended.err.count("\n") <= 1 or ended.status == 1, ended.err


@anything
@given(arguments=st.lists(st.text(max_size=30), max_size=4))
@example(arguments=["pick", "--otree", "1" * 41])
@example(arguments=["pick", "--project", "\0"])
@example(arguments=["export", "3.4.0", ""])
@pytest.mark.parametrize("command", ["pick", "add", "doctor", "export"])
def test_no_argument_ends_in_a_traceback(
    command: str, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir(exist_ok=True)
    monkeypatch.chdir(empty)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(empty / "new")
    is_clean(in_process(command, *arguments))


@anything
@given(requirements=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
@example(requirements=b"otree==")
@example(requirements="0¹".encode())
@example(requirements=b" 1.x")
@example(requirements=b"otree @ \xff")
@example(requirements=b"-r \x00\n")
@example(requirements=b"-r " + b"a" * 300)
@example(requirements=b"otree==3.4.0; python_version == 3")
def test_no_requirement_ends_in_a_traceback(
    requirements: bytes, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (own / "requirements.txt").write_bytes(b"otree" + requirements)
    is_clean(in_process("pick", "--project", str(own)))
    (own / "requirements.txt").write_bytes(requirements)
    is_clean(in_process("pick", "--project", str(own)))


@anything
@given(name=st.text(max_size=60) | st.from_regex(r"[A-Za-z_][A-Za-z0-9_]*", fullmatch=True))
@example(name="..")
@example(name="a/b")
@example(name="COM9")
def test_no_app_name_ends_in_a_traceback_or_outside_the_project(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own"
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir()
    (own / "settings.py").write_text(PLAIN)
    ended = in_process("add", str(own), f"--app={name}", "--otree", "3.4.0", "--yes")
    is_clean(ended)
    made = {path.name for path in own.iterdir()}
    added = {name, "settings.py", f"settings.py.before-{name}"}
    assert made == (added if ended.status == 0 else {"settings.py"})
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


@anything
@given(text=st.text(max_size=80) | st.binary(max_size=80))
@example(text="SESSION_CONFIGS = SESSION_CONFIGS = []")
@example(text="SESSION_CONFIGS += [{**x}]")
@example(text="from x import *\nSESSION_CONFIGS = []")
@example(text="SESSION_CONFIGS = []; EXTENSION_APPS = ('a')")
def test_no_settings_end_in_a_traceback_or_half_written(text: str | bytes, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir()
    written = text if isinstance(text, bytes) else text.encode(errors="surrogatepass")
    (own / "settings.py").write_bytes(written)
    ended = in_process("add", str(own), "--otree", "3.4.0", "--yes")
    is_clean(ended)
    if ended.status:
        assert [path.name for path in own.iterdir()] == ["settings.py"]
        assert (own / "settings.py").read_bytes() == written


def test_an_error_of_the_program_itself_is_kept_in_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(line: str = "") -> None:
        raise ZeroDivisionError("in a test")

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(console, "say", broken)
    ended = in_process("pick", "--otree", "3.4.0")
    assert ended.status == 70
    assert "internal error: ZeroDivisionError: in a test; please report it" in ended.err
    (log,) = tmp_path.iterdir()
    assert "Traceback" in log.read_text()
    assert str(log) in ended.err
    monkeypatch.setenv("CHANNELSMIN_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        in_process("pick", "--otree", "3.4.0")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EACCES, "permission denied"),
        (errno.EROFS, "read-only"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_an_error_of_the_system_says_what_to_do(
    number: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(line: str = "") -> None:
        raise OSError(number, os.strerror(number), "some/file")

    monkeypatch.setattr(console, "say", failing)
    ended = in_process("pick", "--otree", "3.4.0")
    assert ended.status == 1
    assert ended.err.startswith("channelsmin: some/file: ")
    assert words in ended.err


# Servers


SERVER = f"""#!/bin/sh
mkdir -p demo
exec "{sys.executable}" -m http.server --bind 127.0.0.1 "${{2#*:}}"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder with a cached oTree 6.0.15 that scripts play."""
    scripts = tmp_path / "home" / ".cache" / "channelsmin" / "otree6.0.15" / "bin"
    scripts.mkdir(parents=True)
    (scripts.parent / "installed").touch()
    for name, text in {"otree": SERVER, "python": "#!/bin/sh\necho 6.0.15\n"}.items():
        (scripts / name).write_text(text)
        (scripts / name).chmod(0o755)
    return tmp_path / "home"


@pytest.fixture
def demo(home: Path, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start `demo` on a port; its temporary files are in the folder `tmp`."""
    (tmp_path / "tmp").mkdir()
    started: list[subprocess.Popen[str]] = []

    def start(port: int, **variables: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "channelsmin", "demo", "6.0.15", "--port", str(port)],
            env={
                **{name: its for name, its in os.environ.items() if "proxy" not in name.lower()},
                "HOME": str(home),
                "TMPDIR": str(tmp_path / "tmp"),
                "PYTHONPATH": str(ROOT / "src"),
                **variables,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.terminate()  # and not kill(), after which its server would run on
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def link(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return next(line.strip() for line in process.stdout if "/demo/channelsmin/" in line)


@on_posix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("seconds", [0.3, 0.6, 0.9, 1.2, None])
def test_no_server_and_no_folder_stay_when_a_demo_is_ended(
    name: str,
    seconds: float | None,
    demo: Callable[..., subprocess.Popen[str]],
    tmp_path: Path,
) -> None:
    """At any moment of its start, and when it runs."""
    number, port = signal.Signals[name], free_port()
    process = demo(port)
    if seconds is None:
        link(process)
    else:
        time.sleep(seconds)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert is_free(port)
    left = [path.name for path in (tmp_path / "tmp").iterdir()]
    assert process.returncode in (128 + number, -number), err
    if process.returncode > 0:
        assert [name for name in left if name != "home"] == []
        assert "Traceback" not in err


@on_posix
def test_a_demo_asks_no_proxy_for_its_own_server(
    demo: Callable[..., subprocess.Popen[str]],
) -> None:
    with socket.socket() as proxy:
        proxy.bind(("127.0.0.1", 0))  # nobody listens there
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        assert link(demo(free_port(), http_proxy=address, HTTP_PROXY=address))


@on_posix
def test_a_server_ends_where_programs_such_as_ps_are_missing(
    demo: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("mkdir", "sh"):
        (tools / name).symlink_to(shutil.which(name) or name)
    port = free_port()
    process = demo(port, PATH=str(tools))
    link(process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert is_free(port)


def test_a_folder_that_cannot_be_copied_is_told_as_a_file_is() -> None:
    error = shutil.Error([("from", "to/file", "[Errno 28] No space left on device: 'to/file'")])
    line = "to/file: the disk is full: free some space and run this again"
    assert errors.in_one_line(error) == line


@on_posix
def test_an_export_onto_a_full_disk_leaves_nothing_and_says_so(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24k", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, check=False).returncode:
        pytest.skip("only root may mount a disk")
    try:
        said = channelsmin("export", "3.4.0", disk / "project").in_one_line()
        assert "the disk is full" in said
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)
