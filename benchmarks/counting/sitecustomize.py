"""Loaded at start-up by the Python of a server whose queries are counted.

The benchmark puts this folder on the server's PYTHONPATH. Python 3.6 to 3.14, no dependencies. Each
statement that SQLite runs adds its first word as a line to the file CHANNELSMIN_STATEMENTS.
Statements that the members do not cause are not counted: oTree's poll for due timeouts every few
seconds, and those of Django's debug mode for its log.
"""

import functools
import os
import sqlite3

file = os.open(os.environ["CHANNELSMIN_STATEMENTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
sqlite3_connect = sqlite3.connect


def note(statement):
    if statement.startswith("SELECT QUOTE(") or "otree_taskqueuemessage" in statement:
        return
    os.write(file, statement.split(None, 1)[0].upper().encode() + b"\n")


@functools.wraps(sqlite3_connect)
def counting_connect(*args, **kwargs):
    connection = sqlite3_connect(*args, **kwargs)
    connection.set_trace_callback(note)
    return connection


sqlite3.connect = sqlite3.dbapi2.connect = counting_connect
