"""How large a server is: of all its processes together."""

from dataclasses import dataclass

import psutil


def family(pid: int) -> list[psutil.Process]:
    """Return a process and all its descendants."""
    leader = psutil.Process(pid)
    return [leader, *leader.children(recursive=True)]


@dataclass(frozen=True)
class Size:
    """The memory that a family of processes holds, and its open files."""

    megabytes: float
    descriptors: int

    @classmethod
    def of(cls, pid: int) -> "Size":
        """Measure the family of this process."""
        processes = family(pid)
        memory = sum(process.memory_info().rss for process in processes)
        return cls(round(memory / 1e6, 1), sum(process.num_fds() for process in processes))
