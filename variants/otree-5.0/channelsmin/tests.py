from otree.api import Bot

from . import MyPage, Results


class PlayerBot(Bot):
    def play_round(self):
        assert 'id="done"' in self.html
        yield MyPage
        assert 'id="moved-by"' in self.html
        yield Results
