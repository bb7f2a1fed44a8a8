"""Memory and open files of a server's process tree."""

from dataclasses import dataclass

import psutil


def process_tree(pid: int) -> list[psutil.Process]:
    """Return a process and all of its descendants."""
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


@dataclass(frozen=True)
class ProcessStats:
    """The memory and the number of open files of a process tree."""

    megabytes: float
    descriptors: int

    @classmethod
    def of(cls, pid: int) -> "ProcessStats":
        """Measure the tree below this process, with the process itself."""
        processes = process_tree(pid)
        memory = sum(process.memory_info().rss for process in processes)
        return cls(round(memory / 1e6, 1), sum(process.num_fds() for process in processes))
