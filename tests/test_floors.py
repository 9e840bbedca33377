"""The floors of the house: who may import whom, and what an import may not touch."""

import ast
import graphlib
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
FLOORS = [
    {'tree', 'names'},
    {'nn', 'losses', 'optim', 'data', 'report'},
    {'models', 'classical'},
    {'analysis', 'weights', 'recipes'},
    {'classifier'},
    {'attacks'},
    {'visual', 'train'},
    {'transfer'},
    {'studies', 'front'},
    {'experiments'},
    # they take the shared flags of experiments
    {'benchmarks'},
]
ROOM_FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
HEAVY = {'torch', 'torchvision', 'timm', 'keras', 'tensorflow', 'h5py'}
FILES = sorted(
    path for top in ('cnnlab', 'experiments', 'benchmarks') for path in (ROOT / top).rglob('*.py')
)


def room_of(parts):
    """cnnlab.nn.layers -> nn; experiments.compare -> experiments; None for other packages and for
    cnnlab itself.
    """
    if parts[0] in ('experiments', 'benchmarks'):
        return parts[0]
    return parts[1] if parts[0] == 'cnnlab' and len(parts) > 1 else None


def module_parts(path):
    parts = path.relative_to(ROOT).with_suffix('').parts
    return parts[:-1] if parts[-1] == '__init__' else parts


def imports(source, package):
    """Every absolute dotted name that a source imports, nested imports included; `package` resolves
    relative ones.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ['.'.join(package[: len(package) - node.level + 1])] if node.level else []
            prefix = '.'.join(base + ([node.module] if node.module else []))
            yield from (f'{prefix}.{alias.name}' for alias in node.names)


def violations(source, path_parts, package):
    """Sentences for the imports that go up, or to a room on the same floor."""
    room = room_of(path_parts)
    for name in imports(source, package):
        other = room_of(name.split('.'))
        if name.split('.')[0] == 'tests':
            yield f'{".".join(path_parts)} imports {name}'
        elif room and other and other != room and ROOM_FLOOR[other] >= ROOM_FLOOR[room]:
            here = f'{".".join(path_parts)} (floor {ROOM_FLOOR[room]})'
            yield f'{here} imports {name} (floor {ROOM_FLOOR[other]})'


def test_every_room_stands_on_a_floor():
    rooms = {
        path.stem if path.is_file() else path.name
        for path in (ROOT / 'cnnlab').iterdir()
        if path.suffix == '.py' or any(path.glob('**/*.py'))
    } - {'__init__'}
    assert rooms <= set(ROOM_FLOOR), f'give {rooms - set(ROOM_FLOOR)} a floor in this test'


@pytest.mark.parametrize('path', FILES, ids=lambda path: '.'.join(module_parts(path)))
def test_a_package_imports_lower_floors_or_itself(path):
    parts = module_parts(path)
    package = parts if path.name == '__init__.py' else parts[:-1]
    assert list(violations(path.read_text(), parts, package)) == []


@pytest.mark.parametrize(
    ('source', 'count'),
    [
        ('from cnnlab.train import loop', 1),
        ('def f():\n    import cnnlab.models.registry', 1),
        ('from cnnlab import models, names', 1),
        ('from cnnlab.optim import rules', 1),
        ('from ..models import registry', 1),
        ('from tests import golden', 1),
        ('import experiments.common', 1),
        ('from . import init', 0),
        ('from cnnlab import tree\nfrom cnnlab.nn import init\nimport jax', 0),
    ],
)
def test_the_check_itself_finds_imports_that_go_up(source, count):
    assert len(list(violations(source, ('cnnlab', 'nn', 'layers'), ('cnnlab', 'nn')))) == count


MODULES = {'.'.join(module_parts(path)): path for path in FILES}
# The one edge that no import statement shows: these lookups import the modules of a folder by name
# when they are first asked, and the modules there import the lookup to register themselves with it.
LATE_EDGES = {
    'cnnlab.models.registry': 'cnnlab.models',
    'cnnlab.weights.catalog': 'cnnlab.weights.key_maps',
    'cnnlab.visual.registry': 'cnnlab.visual.explanations',
}
# what `import cnnlab` has is imported when it is first asked for
FRONT_DOOR = ('cnnlab', '__getattr__')
IMPORTER = 'cnnlab.names', 'import_modules'


def module_named(name, modules):
    """The module that an imported name is, or is defined in; None for those of other packages."""
    parts = name.split('.')
    tried = ('.'.join(parts[:end]) for end in range(len(parts), 0, -1))
    return next((module for module in tried if module in modules), None)


def import_graph(sources, packages=()):
    """{module: the modules that it imports}, nested imports included. That a module's packages are
    imported before it is no edge.

    Args:
      sources: {dotted name: source}.
      packages: which of the names are packages.
    """
    graph = {}
    for name, source in sources.items():
        parts = name.split('.')
        package = parts if name in packages else parts[:-1]
        found = {module_named(imported, sources) for imported in imports(source, package)}
        graph[name] = found - {None, name}
    return graph


def circle(graph):
    """The modules of one circle, the first again at its end; [] where there is none."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def test_no_modules_import_each_other_in_a_circle():
    packages = {name for name, path in MODULES.items() if path.name == '__init__.py'}
    sources = {name: path.read_text() for name, path in MODULES.items()}
    assert ' -> '.join(reversed(circle(import_graph(sources, packages)))) == ''


@pytest.mark.parametrize(
    ('sources', 'there_is_one'),
    [
        ({'a.b': 'from a import c', 'a.c': 'def f():\n    from a.b import x'}, True),
        ({'a.b': 'import a.c', 'a.c': 'from . import d', 'a.d': 'from a.b import x'}, True),
        (
            {
                'a.b': 'from a.c import x',
                'a.c': 'if TYPE_CHECKING:\n    from a.b import y',
            },
            True,
        ),
        ({'a': 'from a.b import x', 'a.b': 'from a import c', 'a.c': 'import os'}, False),
        ({'a': 'from a.b import x', 'a.b': 'from a import x'}, True),
        ({'a.b': 'from a import c', 'a.c': 'from a import d', 'a.d': ''}, False),
    ],
)
def test_the_check_itself_finds_circles(sources, there_is_one):
    assert bool(circle(import_graph(sources, {'a'}))) == there_is_one


def calls_of(tree, name):
    """(function around it or None, call) of every call of a function or method with that name."""
    around = {
        inner: outer.name
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(outer)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and name in (
            getattr(node.func, 'id', None),
            getattr(node.func, 'attr', None),
        ):
            yield around.get(node), node


def test_modules_are_imported_by_name_in_one_function_for_the_late_edges_alone():
    by_name, late = set(), {}
    for module, path in MODULES.items():
        tree = ast.parse(path.read_text())
        if module.startswith('cnnlab'):
            by_name |= {
                (module, function)
                for importer in ('import_module', '__import__')
                for function, _ in calls_of(tree, importer)
            }
        for function, call in calls_of(tree, IMPORTER[1]):
            assert function, f'{module} imports a folder when it is imported itself'
            folder = eval(
                compile(ast.Expression(call.args[0]), module, 'eval'),
                {'__package__': module.rpartition('.')[0]},
            )
            late[module] = folder
    assert by_name == {IMPORTER, FRONT_DOOR}
    assert late == LATE_EDGES


def at_import(tree):
    """The nodes that run when a module is imported: everything outside function bodies."""
    for node in ast.iter_child_nodes(tree):
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from at_import(node)


@pytest.mark.parametrize('path', FILES, ids=lambda path: '.'.join(module_parts(path)))
def test_other_frameworks_are_never_imported_at_the_top(path):
    nodes = [
        n
        for n in at_import(ast.parse(path.read_text()))
        if isinstance(n, ast.Import | ast.ImportFrom)
    ]
    names = [alias.name for n in nodes if isinstance(n, ast.Import) for alias in n.names]
    names += [n.module for n in nodes if isinstance(n, ast.ImportFrom) and n.module]
    assert [name for name in names if name.split('.')[0] in HEAVY] == []


LIBRARY = [path for path in FILES if module_parts(path)[0] == 'cnnlab']


@pytest.mark.parametrize('path', LIBRARY, ids=lambda path: '.'.join(module_parts(path)))
def test_the_library_defines_no_flags_and_parses_no_command_line(path):
    source = path.read_text()
    defined = [
        node.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and node.attr.startswith('DEFINE_')
    ]
    parsers = [
        name
        for name in imports(source, module_parts(path))
        if name.startswith(('absl.app', 'argparse'))
    ]
    assert defined + parsers == []


IMPORT_ALL = """
import importlib, pathlib, pkgutil, sys
import jax, cnnlab
before, touched = dict(jax.config.values), []
watched = {
    'open', 'os.mkdir', 'os.listdir', 'socket.connect', 'socket.getaddrinfo', 'subprocess.Popen'
}
room = str(pathlib.Path(cnnlab.__file__).parent)

def hook(event, args):
    if event not in watched:
        return
    frame = sys._getframe(1)
    # an import of others ends our responsibility
    while frame and 'importlib._bootstrap' not in frame.f_code.co_filename:
        if frame.f_code.co_filename.startswith(room):
            touched.append(f'{frame.f_code.co_filename}:{frame.f_lineno} {event} {args[0]}')
            return
        frame = frame.f_back

sys.addaudithook(hook)
names = [module.name for module in pkgutil.walk_packages(cnnlab.__path__, 'cnnlab.')]
for name in names:
    importlib.import_module(name)
print(len(names))
assert not touched, touched
changed = [k for k, v in jax.config.values.items() if k in before and before[k] != v]
assert not changed, f'jax.config changed: {changed}'
from jax._src import xla_bridge
assert not xla_bridge.backends_are_initialized(), 'a device was touched'
heavy = [m for m in HEAVY if m in sys.modules]
assert not heavy, heavy
"""


@pytest.mark.slow
def test_importing_everything_touches_no_device_file_network_or_setting():
    program = IMPORT_ALL.replace('HEAVY', repr(sorted(HEAVY)))
    done = subprocess.run(
        [sys.executable, '-c', program], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 50
