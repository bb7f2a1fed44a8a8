"""Loaded at start-up by the Python of a server under test: pauses functions and drops calls.

The suite puts this folder on the server's PYTHONPATH. Python 3.6 to 3.14, no dependencies.

CHANNELSMIN_TAPS is a JSON object, label to "module:attribute.path": the functions to tap,
as the variant's variant.toml names them. The suite and the server exchange files in the folder
CHANNELSMIN_TAP_FOLDER:
- `<label>.hold` contains a number and a regular expression. Of the calls of that function whose
  arguments match, this number pass. The next one renames the file to `<label>.held`, and waits
  until this file is deleted.
- `<label>.lose` contains a probability, a seed and a regular expression. Calls that match do
  nothing with this probability.
Each print() in the project's code adds a line to the file `printed`.
"""

import asyncio
import builtins
import functools
import importlib.util
import inspect
import json
import os
import random
import re
import sys
import time

FOLDER = os.environ["CHANNELSMIN_TAP_FOLDER"]
PROJECT = os.getcwd() + os.sep
PAUSE = 0.02  # seconds between two polls

passed = {}  # label: matching calls so far
generators = {}  # seed: random numbers


def held_by(label, arguments):
    """Return the file that pauses this call, or None if it may go on."""
    hold = os.path.join(FOLDER, label + ".hold")
    held = os.path.join(FOLDER, label + ".held")
    order = read(hold)
    if not order or not re.search(order[-1], repr(arguments)):
        return None
    passed[label] = passed.get(label, 0) + 1
    if passed[label] <= int(order[0]):
        return None
    passed.clear()
    try:
        os.rename(hold, held)
    except FileNotFoundError:  # another call was faster
        return None
    return held


def is_lost(label, arguments):
    """Return whether this call does nothing."""
    order = read(os.path.join(FOLDER, label + ".lose"))
    if not order or not re.search(order[-1], repr(arguments)):
        return False
    numbers = generators.setdefault(order[1], random.Random(order[1]))
    return numbers.random() < float(order[0])


def read(path):
    """Return the words in a file, of which the last is the regular expression, or None."""
    try:
        with open(path) as file:
            return file.read().split(" ", 2 if path.endswith("lose") else 1)
    except FileNotFoundError:
        return None


def tapped(function, label):
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def wrapper(*args, **kwargs):
            held = held_by(label, (args, kwargs))
            while held and os.path.exists(held):
                await asyncio.sleep(PAUSE)
            if is_lost(label, (args, kwargs)):
                return None
            return await function(*args, **kwargs)

    else:

        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            held = held_by(label, (args, kwargs))
            while held and os.path.exists(held):
                time.sleep(PAUSE)
            if is_lost(label, (args, kwargs)):
                return None
            return function(*args, **kwargs)

    return wrapper


class Taps:
    """An import hook that taps the functions of a module as soon as it has been imported."""

    def __init__(self, places):
        self.places = {}
        for label, place in places.items():
            module, _, path = place.partition(":")
            self.places.setdefault(module, []).append((label, path))

    def find_spec(self, name, path=None, target=None):
        taps = self.places.pop(name, None)
        if not taps:
            return None
        spec = importlib.util.find_spec(name)
        exec_module = spec.loader.exec_module

        def exec_and_tap(module):
            exec_module(module)
            for label, path in taps:
                *owners, last = path.split(".")
                owner = functools.reduce(getattr, owners, module)
                setattr(owner, last, tapped(getattr(owner, last), label))

        spec.loader.exec_module = exec_and_tap
        return spec


sys.meta_path.insert(0, Taps(json.loads(os.environ["CHANNELSMIN_TAPS"])))

builtin_print = builtins.print


@functools.wraps(builtin_print)
def recording_print(*args, **kwargs):
    caller = os.path.abspath(sys._getframe(1).f_code.co_filename)
    if caller.startswith(PROJECT):
        with open(os.path.join(FOLDER, "printed"), "a") as record:
            record.write("%s: %r\n" % (caller, args))
    builtin_print(*args, **kwargs)


builtins.print = recording_print
