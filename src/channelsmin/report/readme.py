"""The tables of README.md: the variants, and the matrix by release line."""

from channelsmin.matrix import lines, variants
from channelsmin.matrix.results import Status
from channelsmin.report import markdown


def variants_table() -> str:
    """Return the table of variants."""
    head = ("your oTree", "take", "how it works", "Python", "the 2020 document says")
    return markdown.table(
        head,
        (
            (
                variant.range,
                f"[`{variant.name}`](variants/{variant.name})",
                variant.how_it_works,
                ", ".join(variant.all_pythons),
                variant.document_revision,
            )
            for variant in variants.load_all()
        ),
    )


def matrix_table() -> str:
    """Return the table of release lines, and a summary."""
    found = lines.load_all()
    rows = [
        (
            line.name,
            len(line.runs),
            len(line.tested),
            len(line.passing),
            "; ".join(
                f"{status.value}: {lines.span(others, list(line.runs))}"
                for status in Status
                if status is not Status.PASS and (others := line.with_status(status))
            ),
        )
        for line in found
    ]
    head = ("oTree", "releases", "tested", "pass", "of the rest")
    return f"{markdown.table(head, rows)}\n{lines.summary(found)}\n\n{lines.age(found)}\n"
