import json

import channels
from channels.generic.websockets import WebsocketConsumer

from .models import Player

# Written once: the route (otree_extensions/routing.py) and the page (pages.py) both use it.
SOCKET_PATH = 'channelsmin/{}/'


class MyPageConsumer(WebsocketConsumer):
    """In Channels 0.17 every message makes a new consumer, in any of several threads.

    So nothing is kept on self, and a message can overtake the connect: the socket
    joins its group with each message. The page sends the first one at once.
    """

    def receive(self, text=None, bytes=None, participant_code=None):
        # First, so that a flood of garbage costs no query.
        message = parse(text)
        if message is None:
            return
        player = Player.on_my_page(participant_code)
        if player is None:
            self.close()
            return
        # Subscribe, then read the state.
        group = channels.Group('channelsmin-{}'.format(player.group_id))
        group.add(self.message.reply_channel)
        text, moves_group = answer(participant_code, message)
        # Commit, then notify: the click is in the database by now.
        if moves_group:
            group.send({'text': text})
        elif text:
            self.message.reply_channel.send({'text': text})

    def disconnect(self, message, participant_code=None):
        for player in Player.objects.filter(participant__code=participant_code):
            channels.Group('channelsmin-{}'.format(player.group_id)).discard(message.reply_channel)


def answer(participant_code, message):
    """Return the answer to a page's message, and whether it goes to the whole group.

    The participant's code alone identifies the player. A message from an earlier page or
    round, or anything else that is not one of the two valid messages, gets no answer.
    """
    player = Player.on_my_page(participant_code)
    if player is None:
        return None, False
    this_round = str(player.round_number)
    if message == {'take': True, 'round': this_round}:
        is_news = player.group.take(player)
    elif message == {'take': False, 'round': this_round}:
        is_news = False
    else:
        return None, False
    # To all if it is news. To this member alone if not: somebody else was faster.
    return json.dumps({'round': this_round, 'taken_by': player.group.holder()}), is_news


def parse(text):
    """Return the parsed JSON, or None for a binary, overlong or broken message."""
    try:
        return json.loads(text) if text and len(text) < 100 else None
    except ValueError:
        return None
