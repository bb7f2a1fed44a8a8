"""The installed command `channelsmin`, and `python -m channelsmin`."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C ends it quietly even while Python still imports it."""
    try:
        from channelsmin import cli

        cli.main()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
