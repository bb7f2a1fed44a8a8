from datetime import datetime, timezone

from otree.api import BaseConstants, BaseGroup, BasePlayer, BaseSubsession, models
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

    def move_on(self, player):
        """Record the first click; return whether this was it.

        oTree serves one request or message at a time, so one of two simultaneous clicks wins.
        """
        if self.moved_by:
            return False
        self.moved_by = player.id_in_group
        self.moved_at = datetime.now(timezone.utc).isoformat(timespec='seconds')
        return True


class Player(BasePlayer):
    def live_my_page(self, message):
        """Return the answer to a page's message, for the whole group (0) or for this member.

        oTree finds the player by the participant's code. A message from an earlier page or
        round, or anything else that is not one of the two valid messages, gets no answer.
        """
        # A string, because in Python 1, 1.0 and True are equal.
        this_round = str(self.round_number)
        if message == {'type': 'click', 'round': this_round}:
            moves_group, moved = self.group.move_on(self), True
            if moves_group:
                # Commit, then notify: oTree itself commits only after it has sent the news.
                db.commit()
        elif message == {'type': 'ask', 'round': this_round}:
            moves_group, moved = False, self.group.moved_by > 0
        else:
            return None
        receiver = 0 if moves_group else self.id_in_group
        return {receiver: {'round': this_round, 'moved': moved}}
