# Added by `export`: stops the app on an oTree release that this variant does not serve.
from . import release_check

import json

from otree.api import BaseConstants, BaseGroup, BasePlayer, BaseSubsession, Page, models
from otree.database import db


class Constants(BaseConstants):
    name_in_url = 'channelsmin'
    players_per_group = 3
    num_rounds = 1


class Subsession(BaseSubsession):
    pass


class Group(BaseGroup):
    lines = models.LongStringField(initial='', doc='what was said, one JSON text in each line')


class Player(BasePlayer):
    pass


def say(player, nth, text):
    """Add what a member says as their nth line; say whether it is new.

    oTree serves one request or message at a time, so that no line takes another's place.
    """
    group = player.group
    key = '{}-{}'.format(player.id_in_group, nth)
    if json.dumps(key) in group.lines:
        return False
    line = {'key': key, 'member': player.id_in_group, 'text': text}
    group.lines += json.dumps(line) + '\n'
    return True


def news_of(group):
    """Return what the page is to show: how much was said, and the last hundred lines of it."""
    said = [json.loads(line) for line in group.lines.splitlines()]
    return {'round': str(group.round_number), 'count': len(said), 'lines': said[-100:]}


class MyPage(Page):
    @staticmethod
    def live_method(player, message):
        """Return the answer to a page's message, for the whole group (0) or for this member."""
        this_round = str(player.round_number)
        if not isinstance(message, dict) or message.get('round') != this_round:
            return None
        nth, text = message.get('nth'), message.get('text')
        is_news = False
        if type(nth) is int and isinstance(text, str) and 0 < len(text) <= 200:
            is_news = say(player, nth, text)
        if is_news:
            # Commit, then notify: oTree itself commits only after it has sent the news.
            db.commit()
        receiver = 0 if is_news else player.id_in_group
        return {receiver: news_of(player.group)}

    @staticmethod
    def before_next_page(player, timeout_happened):
        # Only a live_method can tell: the others see it when their page asks next.
        say(player, 'left', '(has left)')


class Results(Page):
    pass


page_sequence = [MyPage, Results]
