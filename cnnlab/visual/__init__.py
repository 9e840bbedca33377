"""What networks see: functions of (model, variables, images, ...) that give arrays, and `show`,
which makes a figure of them.
"""

from cnnlab.visual.show import show as show
