from otree.api import Bot

from . import MyPage, Results


class PlayerBot(Bot):
    def play_round(self):
        assert 'Done' in self.html
        yield MyPage
        assert 'clicked Done' in self.html
        yield Results
