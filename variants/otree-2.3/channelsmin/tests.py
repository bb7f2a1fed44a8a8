from otree.api import Bot

from . import pages


class PlayerBot(Bot):
    def play_round(self):
        assert 'Done' in self.html
        yield pages.MyPage
        assert 'clicked Done' in self.html
        yield pages.Results
