from datetime import datetime, timezone

from otree.api import BaseConstants, BaseGroup, BasePlayer, BaseSubsession, Page, models


class Constants(BaseConstants):
    name_in_url = 'live_page'
    players_per_group = None
    num_rounds = 1


class Subsession(BaseSubsession):
    pass


class Group(BaseGroup):
    moved_by = models.IntegerField(initial=0)
    moved_at = models.StringField(initial='')


class Player(BasePlayer):
    pass


class MyPage(Page):
    @staticmethod
    def is_displayed(player):
        return not player.group.moved_by

    @staticmethod
    def live_method(player, message):
        group = player.group
        if message['type'] == 'ask':
            return {player.id_in_group: {'round': '1', 'moved': group.moved_by > 0}}
        if not group.moved_by:
            group.moved_by = player.id_in_group
            group.moved_at = datetime.now(timezone.utc).isoformat(timespec='seconds')
        return {0: {'round': '1', 'moved': True}}


class Results(Page):
    pass


page_sequence = [MyPage, Results]
