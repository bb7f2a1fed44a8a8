"""`python -m channelsmin`."""

from channelsmin.cli import main

main()
