import json

from django.db.models import F, Value
from django.db.models.functions import Concat
from otree.api import BaseConstants, BaseGroup, BasePlayer, BaseSubsession, models


class Constants(BaseConstants):
    name_in_url = 'channelsmin'
    players_per_group = 3
    num_rounds = 1


class Subsession(BaseSubsession):
    pass


class Group(BaseGroup):
    lines = models.LongStringField(initial='', doc='what was said, one JSON text in each line')

    def say(self, player, nth, text):
        """Add what a member says as their nth line; say whether it is new.

        One conditional UPDATE that adds to what is there, so that no line takes another's place.
        """
        key = '{}-{}'.format(player.id_in_group, nth)
        line = json.dumps({'key': key, 'member': player.id_in_group, 'text': text}) + '\n'
        unsaid = type(self).objects.filter(id=self.id).exclude(lines__contains=json.dumps(key))
        return unsaid.update(lines=Concat('lines', Value(line)))

    def said(self):
        """Return the lines that were said by now."""
        lines = type(self).objects.values_list('lines', flat=True).get(id=self.id)
        return [json.loads(line) for line in lines.splitlines()]


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
