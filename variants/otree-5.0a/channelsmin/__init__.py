import sys

import otree

# On an oTree that this variant does not serve: stop here and name the variant that does.
LINE = [int(number) for number in otree.__version__.split('.')[:2]]
ALPHAS = ['5.0.0a{}'.format(number) for number in range(9, 27)]
if otree.__version__ not in ALPHAS:
    better = max(line for line in ([1, 4], [2, 0], [2, 3], [2, 6], [5, 0]) if line <= LINE)
    sys.exit(
        'channelsmin: found oTree {}, but this variant serves oTree 5.0.0a9 to 5.0.0a26. '
        'Take variants/otree-{}.{} instead.'.format(otree.__version__, *better)
    )
