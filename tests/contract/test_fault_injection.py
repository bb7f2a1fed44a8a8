"""Trials of fault injection: a group, a click and a fault, and every member must arrive.

An ordinary run makes a few trials; `python3 run.py trials` makes hundreds, and records each.
"""

from harness.fixtures import NewContext, RunTrial
from harness.members import Member


def test_with_any_fault_all_members_arrive_and_nobody_else(
    new_context: NewContext, run_trial: RunTrial
) -> None:
    context = new_context()
    run_trial(lambda session, place: Member(context, session, place).open().ready())
