"""The table of docs/history.md: what each variant does outside its range."""

from channelsmin.matrix import results, variants
from channelsmin.matrix.results import Status
from channelsmin.report import markdown


def boundaries_table() -> str:
    """Return the table."""
    rows = [
        (
            f"`{row['variant']}`",
            variants.named(row["variant"]).range,
            f"{row['release']} on Python {row['python']}",
            "yes" if row["status"] == Status.PASS.value else f"no: {row['status']}",
            row["reason"],
        )
        for row in results.boundaries()
    ]
    return markdown.table(("variant", "its range", "tried on", "works", "what happens"), rows)
