from os import environ, path

# First: on an oTree release that this variant does not serve, it stops with a clear message.
import channelsmin  # noqa: F401  # isort: skip

import dj_database_url
import otree.settings

SESSION_CONFIGS = [
    {
        'name': 'channelsmin',
        'display_name': 'One button moves the whole group',
        'num_demo_participants': 3,
        'app_sequence': ['channelsmin'],
    },
    {
        'name': 'channelsmin_groups',
        'display_name': 'One button, two groups of three',
        'num_demo_participants': 6,
        'app_sequence': ['channelsmin'],
    },
]

SESSION_CONFIG_DEFAULTS = {
    'real_world_currency_per_point': 1.00,
    'participation_fee': 0.00,
    'doc': '',
}

# In every app oTree looks for an otree_extensions/routing.py; no setting names them.

BASE_DIR = path.dirname(path.abspath(__file__))
DATABASES = {
    'default': dj_database_url.config(default='sqlite:///' + path.join(BASE_DIR, 'db.sqlite3')),
}
DEBUG = environ.get('OTREE_PRODUCTION') in (None, '', '0')
AUTH_LEVEL = environ.get('OTREE_AUTH_LEVEL')

# oTree's own layer in memory, for `otree runserver`, but there is room for 100 requests that
# wait, not for ten: any more get error 503, and a group of twelve makes as many at once.
INMEMORY_CHANNEL_LAYER = {
    'BACKEND': 'asgiref.inmemory.ChannelLayer',
    'CONFIG': {'capacity': 100},
    'ROUTING': 'otree.channels.routing.channel_routing',
}

LANGUAGE_CODE = 'en'
REAL_WORLD_CURRENCY_CODE = 'USD'
USE_POINTS = True
ROOMS = []
ADMIN_USERNAME = 'admin'
ADMIN_PASSWORD = environ.get('OTREE_ADMIN_PASSWORD')
DEMO_PAGE_INTRO_HTML = ''
SECRET_KEY = environ.get('OTREE_SECRET_KEY', 'replace me before you put this online')
INSTALLED_APPS = ['otree']

# Last: it adds the other settings that oTree and Django need.
otree.settings.augment_settings(globals())
