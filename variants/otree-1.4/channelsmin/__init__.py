import sys

import otree

# On an oTree that this variant does not serve: stop here and name the variant that does.
LINE = [int(number) for number in otree.__version__.split('.')[:2]]
if not [1, 4] <= LINE < [1, 5]:
    better = max(line for line in ([1, 4], [2, 0], [2, 3], [2, 6], [5, 0]) if line <= LINE)
    sys.exit(
        'channelsmin: found oTree {}, but this variant serves oTree 1.4.0b1 to 1.4.49. '
        'Take variants/otree-{}.{} instead.'.format(otree.__version__, *better)
    )
