"""The families whose weights are known: importing a module here registers its ids. One line a family, in alphabetical order."""
import cnnlab.weights.cifar_resnet  # noqa: F401
import cnnlab.weights.densenet  # noqa: F401
import cnnlab.weights.inception_resnet_v2  # noqa: F401
import cnnlab.weights.inception_v3  # noqa: F401
import cnnlab.weights.inception_v4  # noqa: F401
import cnnlab.weights.nasnet  # noqa: F401
import cnnlab.weights.pnasnet  # noqa: F401
import cnnlab.weights.preresnet  # noqa: F401
import cnnlab.weights.resnet  # noqa: F401
import cnnlab.weights.senet  # noqa: F401
import cnnlab.weights.xception  # noqa: F401
