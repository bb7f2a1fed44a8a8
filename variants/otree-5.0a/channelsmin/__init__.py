# First, so that the app stops here on an oTree that it is not for.
from . import release_check
