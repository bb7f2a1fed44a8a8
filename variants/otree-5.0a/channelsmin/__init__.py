# Added by `export`: stops the app on an oTree release that this variant does not serve.
from . import release_check
