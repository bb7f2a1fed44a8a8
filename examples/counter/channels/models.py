from django.db.models import F
from otree.api import BaseConstants, BaseGroup, BasePlayer, BaseSubsession, models


class Constants(BaseConstants):
    name_in_url = 'channelsmin'
    players_per_group = 3
    num_rounds = 2


class Subsession(BaseSubsession):
    pass


class Group(BaseGroup):
    def total(self):
        """Return how often the members have clicked, all together."""
        return sum(Player.objects.filter(group_id=self.id).values_list('clicks', flat=True))


class Player(BasePlayer):
    clicks = models.IntegerField(initial=0, min=0, max=1000)

    def has_clicked(self, times):
        """Record that this member has clicked so many times; say whether that was news.

        One conditional UPDATE: a message may come twice, or be overtaken by the next one.
        """
        return Player.objects.filter(id=self.id, clicks__lt=times).update(clicks=times)

    @classmethod
    def on_my_page(cls, participant_code):
        """Return the player whose participant is on MyPage now, or None."""
        players = cls.objects.select_related('group').filter(
            participant__code=participant_code,
            participant___current_app_name='channelsmin',
            participant___current_page_name='MyPage',
            round_number=F('participant___round_number'),
        )
        return players.first()
