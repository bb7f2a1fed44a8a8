import sys

import otree

# On an oTree that this variant does not serve: stop here and name the variant that does.
LINE = [int(number) for number in otree.__version__.split('.')[:2]]
if not [2, 6] <= LINE < [5, 0]:
    better = max(line for line in ([1, 4], [2, 0], [2, 3], [2, 6], [5, 0]) if line <= LINE)
    sys.exit(
        'channelsmin: found oTree {}, but this variant serves oTree 2.6.0b1 to 3.4.0. '
        'Take variants/otree-{}.{} instead.'.format(otree.__version__, *better)
    )
