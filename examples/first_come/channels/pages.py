from otree.api import Page

from .consumers import SOCKET_PATH


class MyPage(Page):
    def vars_for_template(self):
        return {'socket_path': '/' + SOCKET_PATH.format(self.participant.code)}


class Results(Page):
    pass


page_sequence = [MyPage, Results]
