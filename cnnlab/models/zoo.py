"""The families of the zoo: importing a module here registers its networks. One line a family, in alphabetical order."""
import cnnlab.models.cifar_resnet  # noqa: F401
import cnnlab.models.convnetjs  # noqa: F401
import cnnlab.models.densenet  # noqa: F401
import cnnlab.models.inception_resnet_v2  # noqa: F401
import cnnlab.models.inception_v3  # noqa: F401
import cnnlab.models.inception_v4  # noqa: F401
import cnnlab.models.keras_convnets  # noqa: F401
import cnnlab.models.lenet  # noqa: F401
import cnnlab.models.linear  # noqa: F401
import cnnlab.models.mlp  # noqa: F401
import cnnlab.models.nasnet  # noqa: F401
import cnnlab.models.pnasnet  # noqa: F401
import cnnlab.models.xception  # noqa: F401
