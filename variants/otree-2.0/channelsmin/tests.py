from otree.api import Bot

from . import pages


class PlayerBot(Bot):
    def play_round(self):
        assert 'id="done"' in self.html
        yield pages.MyPage
        assert 'id="moved-by"' in self.html
        yield pages.Results
