import json

from asgiref.sync import async_to_sync
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer

from .models import Player

# Written once: the route (otree_extensions/routing.py) and the page (pages.py) both use it.
SOCKET_PATH = 'channelsmin/{}/'


class MyPageConsumer(AsyncWebsocketConsumer):
    async def connect(self):
        self.code = self.scope['url_route']['kwargs']['participant_code']
        player = await database_sync_to_async(Player.on_my_page)(self.code)
        if player is None or not same_origin(self.scope['headers']):
            await self.close()
            return
        # Subscribe, then read the state: the page asks for it once it is connected.
        self.group_name = 'channelsmin-{}'.format(player.group_id)
        await self.channel_layer.group_add(self.group_name, self.channel_name)
        await self.accept()

    async def receive(self, text_data=None, bytes_data=None):
        # First, so that a flood of garbage costs no query.
        message = parse(text_data)
        if message is None:
            return
        text, moves_group = await database_sync_to_async(answer)(self.code, message)
        # Commit, then notify: the click is in the database by now.
        if moves_group:
            await self.channel_layer.group_send(self.group_name, {'type': 'news', 'text': text})
        elif text:
            await self.send(text)

    async def news(self, event):
        await self.send(event['text'])

    async def disconnect(self, close_code):
        if hasattr(self, 'group_name'):
            await self.channel_layer.group_discard(self.group_name, self.channel_name)


def same_origin(headers):
    """Return whether a page of this site opened the socket, or a client that is not a browser."""
    headers = dict(headers)
    return headers.get(b'origin', b'').split(b'//')[-1] in (b'', headers.get(b'host'))


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
    """Tell the group's pages from elsewhere, such as pages.py, which is not asynchronous."""
    send = async_to_sync(get_channel_layer().group_send)
    send('channelsmin-{}'.format(group.id), {'type': 'news', 'text': news_of(group)})


def parse(text):
    """Return the parsed JSON, or None for a binary, overlong or broken message."""
    try:
        return json.loads(text) if text and len(text) < 1500 else None
    except ValueError:
        return None
