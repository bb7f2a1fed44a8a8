"""What goes wrong in a way that the person at the keyboard can mend."""


class UserError(Exception):
    """One line that says what is wrong and what to do; the command line ends with it, status 1."""
