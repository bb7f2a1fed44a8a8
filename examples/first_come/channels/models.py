from django.db.models import F
from otree.api import BaseConstants, BaseGroup, BasePlayer, BaseSubsession, models


class Constants(BaseConstants):
    name_in_url = 'channelsmin'
    players_per_group = 3
    num_rounds = 1


class Subsession(BaseSubsession):
    pass


class Group(BaseGroup):
    taken_by = models.IntegerField(initial=0, doc='id_in_group of the member who has it')

    def take(self, player):
        """Give it to this member, if nobody has it; say whether that was so.

        One conditional UPDATE, so one of two simultaneous clicks wins.
        """
        return type(self).objects.filter(id=self.id, taken_by=0).update(taken_by=player.id_in_group)

    def holder(self):
        """Return who has it by now, which may be more than this object knows."""
        return type(self).objects.values_list('taken_by', flat=True).get(id=self.id)


class Player(BasePlayer):
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
