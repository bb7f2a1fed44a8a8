from datetime import datetime, timezone

from django.db.models import F
from otree.api import BaseConstants, BaseGroup, BasePlayer, BaseSubsession, models


class Constants(BaseConstants):
    name_in_url = 'channelsmin'
    players_per_group = 3
    num_rounds = 1


class Subsession(BaseSubsession):
    pass


class Group(BaseGroup):
    moved_by = models.IntegerField(initial=0, doc='id_in_group of the member who clicked first')
    moved_at = models.CharField(initial='', doc='when, in UTC')

    def move_on(self, player):
        """Record the first click; return whether this was it.

        One conditional UPDATE, so one of two simultaneous clicks wins.
        """
        # Not Group.objects: oTree 2.1.23 to 2.1.25 do not start if a model's name precedes a dot.
        return not self.moved_by and type(self).objects.filter(id=self.id, moved_by=0).update(
            moved_by=player.id_in_group,
            moved_at=datetime.now(timezone.utc).isoformat(timespec='seconds'),
        )


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
