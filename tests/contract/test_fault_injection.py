"""Trials of fault injection: a group, a click and a fault, and every member must arrive.

An ordinary run makes a few trials; `python3 run.py trials` makes hundreds, and records each.
"""

from playwright.sync_api import BrowserContext

from harness.fixtures import RunTrial
from harness.members import Member


def test_with_any_fault_all_members_arrive_and_nobody_else(
    context: BrowserContext, run_trial: RunTrial
) -> None:
    run_trial(lambda session, place: Member(context, session, place).open().ready())
