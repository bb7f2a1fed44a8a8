"""Job objects: how Windows ends a program with all of its children.

Windows has no process groups that can be ended, and the children of a process that has ended
can't be found. A job contains a process and whatever it starts; a process that is started
suspended and assigned before it runs can't let a child escape. The job ends with this program,
even if this program is killed.

https://learn.microsoft.com/windows/win32/procthread/job-objects
"""

import ctypes
import subprocess
import sys
from ctypes import wintypes

CREATE_SUSPENDED = 0x00000004
"""The flag of CreateProcess; the module subprocess does not name it."""

KILL_ON_JOB_CLOSE = 0x00002000
BASIC_ACCOUNTING = 1
EXTENDED_LIMITS = 9


class _BasicLimits(ctypes.Structure):
    """JOBOBJECT_BASIC_LIMIT_INFORMATION."""

    _fields_ = (
        ("process_time", ctypes.c_int64),
        ("job_time", ctypes.c_int64),
        ("flags", wintypes.DWORD),
        ("minimum_working_set", ctypes.c_size_t),
        ("maximum_working_set", ctypes.c_size_t),
        ("active_processes", wintypes.DWORD),
        ("affinity", ctypes.c_size_t),
        ("priority", wintypes.DWORD),
        ("scheduling", wintypes.DWORD),
    )


class _ExtendedLimits(ctypes.Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION."""

    _fields_ = (
        ("basic", _BasicLimits),
        ("io_counters", ctypes.c_uint64 * 6),
        ("process_memory", ctypes.c_size_t),
        ("job_memory", ctypes.c_size_t),
        ("peak_process_memory", ctypes.c_size_t),
        ("peak_job_memory", ctypes.c_size_t),
    )


class _Accounting(ctypes.Structure):
    """JOBOBJECT_BASIC_ACCOUNTING_INFORMATION."""

    _fields_ = (
        ("times", ctypes.c_int64 * 4),
        ("page_faults", wintypes.DWORD),
        ("total_processes", wintypes.DWORD),
        ("active_processes", wintypes.DWORD),
        ("terminated_processes", wintypes.DWORD),
    )


if sys.platform == "win32":

    def _checked(succeeded: int) -> int:
        if not succeeded:
            raise ctypes.WinError(ctypes.get_last_error())
        return succeeded

    class Job:
        """A job object; whatever is still in it is ended when this program ends."""

        def __init__(self) -> None:
            """Create an empty job."""
            self._kernel = ctypes.WinDLL("kernel32", use_last_error=True)
            self._kernel.CreateJobObjectW.restype = wintypes.HANDLE
            self._handle = wintypes.HANDLE(_checked(self._kernel.CreateJobObjectW(None, None)))
            limits = _ExtendedLimits()
            limits.basic.flags = KILL_ON_JOB_CLOSE
            _checked(
                self._kernel.SetInformationJobObject(
                    self._handle, EXTENDED_LIMITS, ctypes.byref(limits), ctypes.sizeof(limits)
                )
            )

        def adopt(self, process: "subprocess.Popen[bytes]") -> None:
            """Take a process that was started with CREATE_SUSPENDED, and let it run."""
            handle = wintypes.HANDLE(int(process._handle))  # type: ignore[attr-defined]
            _checked(self._kernel.AssignProcessToJobObject(self._handle, handle))
            # subprocess closes the thread's handle, which ResumeThread would need.
            if status := ctypes.WinDLL("ntdll").NtResumeProcess(handle):
                raise OSError(f"NtResumeProcess failed with status {status & 0xFFFFFFFF:#x}")

        def active(self) -> int:
            """Return how many processes run in the job."""
            accounting = _Accounting()
            _checked(
                self._kernel.QueryInformationJobObject(
                    self._handle,
                    BASIC_ACCOUNTING,
                    ctypes.byref(accounting),
                    ctypes.sizeof(accounting),
                    None,
                )
            )
            return int(accounting.active_processes)

        def terminate(self) -> None:
            """Kill every process of the job; there need not be any."""
            _checked(self._kernel.TerminateJobObject(self._handle, 1))

        def close(self) -> None:
            """Give the job back to Windows, which kills what is left in it."""
            self._kernel.CloseHandle(self._handle)
