"""The installed command `channelsmin`, and `python -m channelsmin`."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C ends it quietly even while Python still imports it."""
    try:
        import signal

        if sys.platform != "win32":  # run.py has let Ctrl-C wait while Python started
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        from channelsmin import cli

        cli.main()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
