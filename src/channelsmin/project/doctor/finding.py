"""What `channelsmin doctor` finds."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """A fault of a project, in four parts: what it is, where, why it matters, and the fix.

    `where` is a path in the project, with the line if there is one: `settings.py:12`. A remark is
    doubtful rather than broken: it is printed, and does not change the exit status.
    """

    what: str
    where: str
    why: str
    fix: str
    is_remark: bool = False

    def lines(self) -> list[str]:
        """Return it for a person to read."""
        if self.is_remark:
            return [f"remark: {self.where}: {self.what}", f"    {self.why}; {self.fix}"]
        return [f"{self.where}: {self.what}", f"    why: {self.why}", f"    fix: {self.fix}"]
