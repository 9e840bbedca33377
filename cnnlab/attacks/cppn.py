"""Compositional pattern-producing networks (CPPN): images as functions of position, and mutations.

A genome is a small feed-forward network. Its inputs are x, y, the distance from the center, and 1;
its outputs are the colors. Kinds of neurons, mutation rates and the range of the weights are those
of sferes/exp/images/dl_map_elites_images.cpp in github.com/Evolving-AI-Lab/fooling. The choice of
inputs, the scale of the position, the choice of the mutated neuron and the initial weights are
`assumed`.

Reference:
  Stanley 2007, Compositional pattern producing networks.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

INPUTS = 4
_FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    'sine': np.sin,
    'sigmoid': lambda v: 1 / (1 + np.exp(-np.clip(v, -30, 30))),
    'gaussian': lambda v: np.exp(-np.square(v)),
    'linear': lambda v: np.clip(v, -10, 10),
}
KINDS = tuple(_FUNCTIONS)
_ADD_LINK, _DROP_LINK, _MOVE_LINK, _ADD_NEURON, _DROP_NEURON = 0.5, 0.3, 0.5, 0.5, 0.2
# mutation rate of weights and kinds; exponent of polynomial mutation; largest |weight|
_MUTATION_RATE, _ETA, _LARGEST = 0.1, 15.0, 10.0


@dataclasses.dataclass(frozen=True)
class Genome:
    """A network that draws an image.

    Attributes:
      kinds: the kind of each neuron after the inputs, in feed-forward order; the last `outputs`
        neurons are the colors.
      links: {(from, to): weight}; the indices of neurons start with the inputs.
      outputs: the number of colors.
    """

    kinds: tuple[str, ...]
    links: dict[tuple[int, int], float]
    outputs: int


def random(outputs: int, rng: np.random.Generator) -> Genome:
    """Returns a genome that links every input to every color, with random kinds and weights."""
    kinds = tuple(rng.choice(KINDS, outputs).tolist())
    weights = rng.uniform(-_LARGEST, _LARGEST, (INPUTS, outputs))
    return Genome(
        kinds,
        {(i, INPUTS + k): float(weights[i, k]) for i in range(INPUTS) for k in range(outputs)},
        outputs,
    )


def render(genome: Genome, height: int, width: int) -> np.ndarray:
    """Renders the image, float32 (height, width, outputs) in [0, 1].

    Positions run from -1 to 1, and an output v becomes the color min(|v|, 1).
    """
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing='ij')
    values = [x, y, np.sqrt(x**2 + y**2), np.ones_like(x)]
    incoming: dict[int, list[tuple[int, float]]] = {}
    for (source, to), weight in genome.links.items():
        incoming.setdefault(to, []).append((source, weight))
    for i, kind in enumerate(genome.kinds, INPUTS):
        total = sum(
            (weight * values[source] for source, weight in incoming.get(i, ())), np.zeros_like(x)
        )
        values.append(_FUNCTIONS[kind](total))
    return np.clip(np.abs(np.stack(values[-genome.outputs :], -1)), 0, 1).astype(np.float32)


def mutated(genome: Genome, rng: np.random.Generator) -> Genome:
    """Returns a mutated child.

    Each structural change happens with its own rate; then weights and kinds mutate one by one.
    """
    kinds, links = list(genome.kinds), dict(genome.links)
    if rng.random() < _ADD_NEURON and links:
        kinds, links = _split(kinds, links, genome.outputs, rng)
    if rng.random() < _DROP_NEURON and len(kinds) > genome.outputs:
        kinds, links = _without(
            kinds, links, INPUTS + int(rng.integers(len(kinds) - genome.outputs))
        )
    if rng.random() < _ADD_LINK:
        to = int(rng.integers(INPUTS, INPUTS + len(kinds)))
        # colors have no outgoing links
        source = int(rng.integers(min(to, INPUTS + len(kinds) - genome.outputs)))
        links.setdefault((source, to), float(rng.uniform(-_LARGEST, _LARGEST)))
    if rng.random() < _DROP_LINK and len(links) > 1:
        del links[list(links)[rng.integers(len(links))]]
    if rng.random() < _MOVE_LINK and links:
        old = list(links)[rng.integers(len(links))]
        to = old[1]
        links.setdefault(
            (int(rng.integers(min(to, INPUTS + len(kinds) - genome.outputs))), to), links.pop(old)
        )
    links = {
        link: _nudged(weight, rng) if rng.random() < _MUTATION_RATE else weight
        for link, weight in links.items()
    }
    kinds = [str(rng.choice(KINDS)) if rng.random() < _MUTATION_RATE else kind for kind in kinds]
    return Genome(tuple(kinds), links, genome.outputs)


def _split(kinds, links, outputs, rng):
    """Splits a random link by a new neuron."""
    (source, to), weight = list(links.items())[rng.integers(len(links))]
    # before the target of the link and before the colors, so that the order stays feed-forward
    place = min(to, INPUTS + len(kinds) - outputs)
    moved = {i: i + (i >= place) for i in range(INPUTS + len(kinds))}
    links = {(moved[a], moved[b]): w for (a, b), w in links.items() if (a, b) != (source, to)}
    links |= {(moved[source], place): 1.0, (place, moved[to]): weight}
    return [*kinds[: place - INPUTS], str(rng.choice(KINDS)), *kinds[place - INPUTS :]], links


def _without(kinds, links, gone):
    """Removes a neuron and its links."""
    links = {
        (a - (a > gone), b - (b > gone)): w for (a, b), w in links.items() if gone not in (a, b)
    }
    return [*kinds[: gone - INPUTS], *kinds[gone - INPUTS + 1 :]], links


def _nudged(weight, rng):
    """Applies polynomial mutation (Deb & Goyal 1996) within the range of the weights."""
    u = rng.random()
    delta = (2 * u) ** (1 / (_ETA + 1)) - 1 if u < 0.5 else 1 - (2 * (1 - u)) ** (1 / (_ETA + 1))
    return float(np.clip(weight + 2 * _LARGEST * delta, -_LARGEST, _LARGEST))
