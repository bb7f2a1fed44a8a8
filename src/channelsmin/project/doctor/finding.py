"""What `channelsmin doctor` finds."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """A fault of a project, in four parts: what it is, where, why it matters, how to mend it.

    `where` is a path in the project, with the line where there is one: `settings.py:12`.
    """

    what: str
    where: str
    why: str
    fix: str

    def lines(self) -> list[str]:
        """Return it for a person to read."""
        return [f"{self.where}: {self.what}", f"    why: {self.why}", f"    fix: {self.fix}"]
