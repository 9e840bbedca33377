"""The families of the zoo: importing a module here registers its networks. One line a family, in alphabetical order."""
import cnnlab.models.cifar_resnet  # noqa: F401
import cnnlab.models.convnetjs  # noqa: F401
import cnnlab.models.keras_convnets  # noqa: F401
import cnnlab.models.lenet  # noqa: F401
import cnnlab.models.linear  # noqa: F401
import cnnlab.models.mlp  # noqa: F401
