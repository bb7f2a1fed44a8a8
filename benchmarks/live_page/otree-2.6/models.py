from datetime import datetime, timezone

from otree.api import BaseConstants, BaseGroup, BasePlayer, BaseSubsession, models


class Constants(BaseConstants):
    name_in_url = 'live_page'
    players_per_group = None
    num_rounds = 1


class Subsession(BaseSubsession):
    pass


class Group(BaseGroup):
    moved_by = models.IntegerField(initial=0)
    moved_at = models.StringField(initial='')

    def live_click(self, id_in_group, message):
        if message['type'] == 'ask':
            return {id_in_group: {'round': '1', 'moved': self.moved_by > 0}}
        if not self.moved_by:
            self.moved_by = id_in_group
            self.moved_at = datetime.now(timezone.utc).isoformat(timespec='seconds')
        return {0: {'round': '1', 'moved': True}}


class Player(BasePlayer):
    pass
