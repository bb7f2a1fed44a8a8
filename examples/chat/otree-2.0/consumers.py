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
    if not isinstance(message, dict) or message.get('round') != this_round:
        return None, False
    nth, text = message.get('nth'), message.get('text')
    is_news = False
    if type(nth) is int and isinstance(text, str) and 0 < len(text) <= 200:
        is_news = player.group.say(player, nth, text)
    return news_of(player.group), is_news


def news_of(group):
    """Return what the page is to show: how much was said, and the last hundred lines of it."""
    said = group.said()
    return json.dumps({'round': str(group.round_number), 'count': len(said), 'lines': said[-100:]})


def tell(group):
    """Tell the group's pages from elsewhere, such as pages.py."""
    channels.Group('channelsmin-{}'.format(group.id)).send({'text': news_of(group)})


def parse(text):
    """Return the parsed JSON, or None for a binary, overlong or broken message."""
    try:
        return json.loads(text) if text and len(text) < 1500 else None
    except ValueError:
        return None
