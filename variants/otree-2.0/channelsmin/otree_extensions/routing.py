from channels.routing import route_class

from ..consumers import SOCKET_PATH, MyPageConsumer

channel_routing = [
    route_class(
        MyPageConsumer, path='^/' + SOCKET_PATH.format('(?P<participant_code>.*)') + '$'
    ),
]
