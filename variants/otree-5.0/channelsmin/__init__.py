import sys

import otree

# On an oTree that this variant does not serve: stop here and name the variant that does.
LINE = [int(number) for number in otree.__version__.split('.')[:2]]
if LINE < [5, 0]:
    better = max(line for line in ([2, 0], [2, 3], [2, 6], [5, 0]) if line <= LINE)
    sys.exit(
        'channelsmin: found oTree {}, but this variant serves oTree 5.0.0a27 and later. '
        'Take variants/otree-{}.{} instead.'.format(otree.__version__, *better)
    )

from datetime import datetime, timezone

from otree.api import BaseConstants, BaseGroup, BasePlayer, BaseSubsession, Page, models
from otree.database import db


class Constants(BaseConstants):
    name_in_url = 'channelsmin'
    players_per_group = 3
    num_rounds = 1


class Subsession(BaseSubsession):
    pass


class Group(BaseGroup):
    moved_by = models.IntegerField(initial=0, doc='id_in_group of the member who clicked first')
    moved_at = models.StringField(initial='', doc='when, in UTC')


class Player(BasePlayer):
    pass


def move_on(player):
    """Record the first click; say whether this was it.

    oTree serves one request or message at a time, so that of two simultaneous clicks one wins.
    """
    group = player.group
    if group.moved_by:
        return False
    group.moved_by = player.id_in_group
    group.moved_at = datetime.now(timezone.utc).isoformat(timespec='seconds')
    return True


class MyPage(Page):
    @staticmethod
    def is_displayed(player):
        return not player.group.moved_by

    @staticmethod
    def live_method(player, message):
        """Return the answer to a page's message, for the whole group (0) or for this member.

        oTree finds the player by the participant's code. A message from an earlier page or
        round, or anything else that is not one of the two valid messages, gets no answer.
        """
        # A string, since to Python the numbers 1 and 1.0 and true are equal.
        this_round = str(player.round_number)
        if message == {'type': 'click', 'round': this_round}:
            moves_group, moved = move_on(player), True
            if moves_group:
                # Commit, then tell: oTree itself commits only after it has told the group.
                db.commit()
        elif message == {'type': 'ask', 'round': this_round}:
            moves_group, moved = False, player.group.moved_by > 0
        else:
            return None
        receiver = 0 if moves_group else player.id_in_group
        return {receiver: {'round': this_round, 'moved': moved}}

    @staticmethod
    def before_next_page(player, timeout_happened):
        move_on(player)


class Results(Page):
    pass


page_sequence = [MyPage, Results]
