from otree.api import Page

from .consumers import SOCKET_PATH, tell


class MyPage(Page):
    def vars_for_template(self):
        return {'socket_path': '/' + SOCKET_PATH.format(self.participant.code)}

    def before_next_page(self):
        if self.group.say(self.player, 'left', '(has left)'):
            tell(self.group)


class Results(Page):
    pass


page_sequence = [MyPage, Results]
