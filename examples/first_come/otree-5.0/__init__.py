# Added by `export`: stops the app on an oTree release that this variant does not serve.
from . import release_check

from otree.api import BaseConstants, BaseGroup, BasePlayer, BaseSubsession, Page, models
from otree.database import db


class Constants(BaseConstants):
    name_in_url = 'channelsmin'
    players_per_group = 3
    num_rounds = 1


class Subsession(BaseSubsession):
    pass


class Group(BaseGroup):
    taken_by = models.IntegerField(initial=0, doc='id_in_group of the member who has it')


class Player(BasePlayer):
    pass


def take(player):
    """Give it to this member, if nobody has it; say whether that was so.

    oTree serves one request or message at a time, so one of two simultaneous clicks wins.
    """
    group = player.group
    if group.taken_by:
        return False
    group.taken_by = player.id_in_group
    return True


class MyPage(Page):
    @staticmethod
    def live_method(player, message):
        """Return the answer to a page's message, for the whole group (0) or for this member."""
        this_round = str(player.round_number)
        if message == {'take': True, 'round': this_round}:
            is_news = take(player)
        elif message == {'take': False, 'round': this_round}:
            is_news = False
        else:
            return None
        if is_news:
            # Commit, then notify: oTree itself commits only after it has sent the news.
            db.commit()
        # To all if it is news. To this member alone if not: somebody else was faster.
        receiver = 0 if is_news else player.id_in_group
        return {receiver: {'round': this_round, 'taken_by': player.group.taken_by}}


class Results(Page):
    pass


page_sequence = [MyPage, Results]
