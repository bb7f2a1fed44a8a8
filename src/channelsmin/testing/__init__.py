"""The test suite, run on releases."""
