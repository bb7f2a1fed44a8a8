from otree.api import Bot

from . import views


class PlayerBot(Bot):
    def play_round(self):
        # Once another bot has moved the group, MyPage is skipped.
        if 'id="done"' in self.html:
            yield views.MyPage
        assert 'id="moved-by"' in self.html
        yield views.Results
