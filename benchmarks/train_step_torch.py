"""The torch side of `benchmarks.train_step`: the same step of CIFAR ResNet-20 (option A) in torch
eager, channels last.

    # with an interpreter that has torch; cnnlab is not needed
    python benchmarks/train_step_torch.py --batch=128
"""

import argparse
import statistics
import time


def main():
    """Prints the images/s of the median, the slowest and the fastest step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--batch', type=int, default=128, help='Images per step.')
    parser.add_argument(
        '--steps', type=int, default=20, help='Measured steps, after three for warming up.'
    )
    arguments = parser.parse_args()
    try:
        import torch
    except ImportError:
        print('torch is not installed here: not measured')
        return
    torch.manual_seed(0)
    net = resnet20(torch).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(net.parameters(), 0.1, 0.9, weight_decay=1e-4)
    image = torch.randint(0, 256, (arguments.batch, 3, 32, 32), dtype=torch.uint8).contiguous(
        memory_format=torch.channels_last
    )
    label = torch.randint(0, 10, (arguments.batch,))
    seconds = []
    for _ in range(3 + arguments.steps):
        start = time.perf_counter()
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net((image.float() - 127) / 64), label).backward()
        optimizer.step()
        seconds.append(time.perf_counter() - start)
    speed = [arguments.batch / s for s in seconds[3:]]
    print(
        f'cifar_resnet20 (32, 32, 3), batch {arguments.batch}, torch {torch.__version__}: '
        f'median {statistics.median(speed):,.0f} images/s ({min(speed):,.0f} to {max(speed):,.0f})'
    )


def resnet20(torch):
    """Builds the network of He et al. 2015, Section 4.2: 269,722 parameters."""
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self, inputs, width, stride):
            super().__init__()
            self.widen, self.stride = width - inputs, stride
            self.body = nn.Sequential(
                nn.Conv2d(inputs, width, 3, stride, 1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.Conv2d(width, width, 3, 1, 1, bias=False),
                nn.BatchNorm2d(width),
            )

        def forward(self, x):
            short = (
                x
                if not self.widen
                else nn.functional.pad(
                    x[:, :, :: self.stride, :: self.stride],
                    (0, 0, 0, 0, self.widen // 2, self.widen // 2),
                )
            )
            return torch.relu(short + self.body(x))

    widths = [16] * 3 + [32] * 3 + [64] * 3
    blocks = [Block(i, w, 1 + (i != w)) for i, w in zip([16, *widths], widths, strict=False)]
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, 1, 1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        *blocks,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 10),
    )


if __name__ == '__main__':
    main()
