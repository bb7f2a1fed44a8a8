from otree.api import Page


class MyPage(Page):
    live_method = 'live_my_page'

    def is_displayed(self):
        return not self.group.moved_by

    def before_next_page(self):
        self.group.move_on(self.player)


class Results(Page):
    pass


page_sequence = [MyPage, Results]
