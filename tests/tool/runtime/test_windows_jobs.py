"""Job objects: on Windows, a program ends with all of its children."""

import sys
import time
from pathlib import Path
from typing import Any

import pytest

from channelsmin.runtime import processes

if sys.platform != "win32":
    pytest.skip("job objects are of Windows", allow_module_level=True)

PARENT = """
import subprocess, sys, time
sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
subprocess.Popen(sleep, creationflags=subprocess.CREATE_NEW_PROCESS_GROUP)
print("started", flush=True)
time.sleep(60)
"""


def started(tmp_path: Path) -> processes.Process:
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = processes.start([sys.executable, "-c", PARENT], output=output)
    assert processes.wait_until(lambda: b"started" in log.read_bytes(), process, seconds=60)
    return process


def test_a_program_ends_with_its_children(tmp_path: Path) -> None:
    process = started(tmp_path)
    assert process.job.active() >= 2
    processes.end(process)
    assert process.job.active() == 0
    assert process.returncode is not None


def test_no_child_is_started_before_its_parent_is_in_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the server of 2.2.4 started one: the child would outlive it."""
    adopt = processes.Job.adopt

    def late(job: Any, process: processes.Process) -> None:
        time.sleep(3)
        adopt(job, process)

    monkeypatch.setattr(processes.Job, "adopt", late)
    process = started(tmp_path)
    assert process.job.active() >= 2
    processes.end(process)


def test_a_job_that_is_closed_ends_its_programs(tmp_path: Path) -> None:
    """As Windows does when this program is killed."""
    process = started(tmp_path)
    process.job.close()
    assert process.wait(30) is not None


def test_a_program_that_ends_by_itself_is_no_error(tmp_path: Path) -> None:
    start = time.monotonic()
    with (tmp_path / "log").open("wb") as output:
        assert processes.run([sys.executable, "-c", "raise SystemExit(3)"], output=output) == 3
    assert time.monotonic() - start < 60
