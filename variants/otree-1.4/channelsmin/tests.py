from otree.api import Bot

from . import views


class PlayerBot(Bot):
    def play_round(self):
        yield views.MyPage
        assert 'id="moved-by"' in self.html
        yield views.Results
