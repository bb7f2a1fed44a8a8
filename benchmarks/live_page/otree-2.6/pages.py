from otree.api import Page


class MyPage(Page):
    live_method = 'live_click'

    def is_displayed(self):
        return not self.group.moved_by


class Results(Page):
    pass


page_sequence = [MyPage, Results]
