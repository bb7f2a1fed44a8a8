"""Errors that the user can fix."""


class UserError(Exception):
    """One line that says what is wrong and what to do.

    The command line prints it and ends with exit status 1.
    """


class ServerDidNotStart(UserError):
    """A server ended, or stayed silent, instead of answering."""
