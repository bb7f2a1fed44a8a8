# Added by `export`: stops the app on an oTree release that this variant does not serve.
from . import release_check

from otree.api import BaseConstants, BaseGroup, BasePlayer, BaseSubsession, Page, models
from otree.database import db


class Constants(BaseConstants):
    name_in_url = 'channelsmin'
    players_per_group = 3
    num_rounds = 2


class Subsession(BaseSubsession):
    pass


class Group(BaseGroup):
    pass


class Player(BasePlayer):
    clicks = models.IntegerField(initial=0, min=0, max=1000)


def total(group):
    """Return how often the members have clicked, all together."""
    return sum(player.clicks for player in group.get_players())


class MyPage(Page):
    form_model = 'player'
    form_fields = ['clicks']

    @staticmethod
    def live_method(player, message):
        """Return the answer to a page's message, for the whole group (0) or for this member."""
        this_round = str(player.round_number)
        if not isinstance(message, dict) or message.get('round') != this_round:
            return None
        times = message.get('clicks')
        if type(times) is not int or not 0 <= times <= 1000:
            return None
        # A message may come twice, or be overtaken by the next one.
        is_news = times > player.clicks
        if is_news:
            player.clicks = times
            # Commit, then notify: oTree itself commits only after it has sent the news.
            db.commit()
        receiver = 0 if is_news else player.id_in_group
        return {receiver: {'round': this_round, 'total': total(player.group)}}


class Results(Page):
    pass


page_sequence = [MyPage, Results]
