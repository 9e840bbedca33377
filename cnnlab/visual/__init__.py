"""What a network sees in images: functions of a Classifier that return arrays, and `show`, which
draws them.
"""

from cnnlab.visual.show import show as show
