from otree.api import Page


class MyPage(Page):
    live_method = 'live_my_page'

    def is_displayed(self):
        return not self.group.moved_by

    def before_next_page(self):
        # A timeout, "Advance slowest" and a bot submit the form, too, and are not a click.
        if not (self.timeout_happened or self.participant._is_bot):
            self.group.move_on(self.player)


class Results(Page):
    pass


page_sequence = [MyPage, Results]
