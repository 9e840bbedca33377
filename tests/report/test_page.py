"""The HTML page needs no other file, and works in a browser if one is installed."""

import base64
import html.parser
import io
import re
import shutil
import subprocess

import pytest
from PIL import Image

from cnnlab.report import page, plots, style
from cnnlab.report.numbers import MeanStd
from cnnlab.report.table import Column, Table

_BROWSER = (
    shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
)
in_browser = [
    pytest.mark.slow,
    pytest.mark.skipif(_BROWSER is None, reason='no chromium on this machine'),
]


class Tags(html.parser.HTMLParser):
    """Collects all start tags with their attributes, and the tags that are left open."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ('meta', 'link', 'img'):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture
def written(tmp_path):
    """Returns a page with every kind of content, and pictures from a figure and from a file."""
    table = Table(
        [Column('network'), Column('top-1', 'percent'), Column('parameters', 'integer')],
        [
            ('<b>lenet5</b>', MeanStd(0.99, 0.001, 3), 60_000),
            ('vgg16', None, 138_357_544),
            ('mlp10', 0.9, None),
            ('mlp9', 0.95, 650),
        ],
        'Nets',
    )
    figure = plots.bars(['a', 'b'], [1, 2], 'x')
    plots.save(figure, tmp_path / 'bars.png')
    sections = [
        page.Section('Result & more', ['First <script>alert(1)</script>.\n\nSecond.', table]),
        page.Section(
            'Plots',
            [
                page.Picture(figure, 'Bars.', 'two "bars"'),
                page.Picture(tmp_path / 'bars.png', 'Again.', 'two bars'),
            ],
        ),
        page.Section(
            'How', [{'command': 'python -m experiments.compare --seeds=3', 'seeds': [0, 1, 2]}]
        ),
    ]
    return page.write_page(tmp_path / 'out' / 'report.html', 'Networks <compared>', sections)


def test_every_image_is_embedded_at_the_size_of_its_text(written):
    images = Tags(written.read_text()).all('img')
    assert [i['alt'] for i in images] == ['two "bars"', 'two bars']
    for image in images:
        with Image.open(
            io.BytesIO(base64.b64decode(image['src'].removeprefix('data:image/png;base64,')))
        ) as read:
            read.load()
            assert read.size[0] * 96 == pytest.approx(
                int(image['width']) * style.DPI, abs=style.DPI
            )
            assert read.size[1] * 96 == pytest.approx(
                int(image['height']) * style.DPI, abs=style.DPI
            )
    assert images[0]['src'] == images[1]['src']


def test_nothing_outside_the_file_is_referred_to(written):
    text = written.read_text()
    tags = Tags(text)
    references = [
        v
        for _, attrs in tags.tags
        for k, v in attrs.items()
        if k in ('src', 'href', 'srcset', 'action', 'data')
    ]
    assert references
    assert all(r.startswith(('data:', '#')) for r in references)
    assert not re.search(r'https?:|//\w+\.|@import|url\(', re.sub(r'base64,[^"]*', '', text))
    policy = next(
        m['content'] for m in tags.all('meta') if m.get('http-equiv') == 'Content-Security-Policy'
    )
    assert "default-src 'none'" in policy


def test_tags_close_headings_are_reachable_and_tables_have_captions(written):
    tags = Tags(written.read_text())
    assert not tags.open
    ids = {attrs['id'] for _, attrs in tags.tags if 'id' in attrs}
    assert {a['href'][1:] for a in tags.all('a')} == ids
    assert len(tags.all('h1')) == 1
    assert len(tags.all('h2')) == 3
    assert len(tags.all('caption')) == len(tags.all('table')) == 1
    assert all(th.get('scope') in ('col', 'row') for th in tags.all('th'))


def test_text_is_escaped(written):
    text = written.read_text()
    assert '&lt;script&gt;alert(1)' in text
    assert text.count('<script>') == 1
    assert '<title>Networks &lt;compared&gt;</title>' in text
    assert '&lt;b&gt;lenet5&lt;/b&gt;</th>' in text
    assert '<p>Second.</p>' in text


def test_what_cannot_be_shown_is_refused_and_the_old_page_stays(tmp_path):
    path = tmp_path / 'report.html'
    path.write_text('old')
    (tmp_path / 'not.png').write_bytes(b'GIF89a')
    for content, error, sentence in [
        ([3], ValueError, "section 'S' holds a value of type int"),
        ([page.Picture(tmp_path / 'absent.png', '', '')], FileNotFoundError, 'no picture at'),
        ([page.Picture(tmp_path / 'not.png', '', '')], ValueError, 'is no PNG file'),
    ]:
        with pytest.raises(error, match=sentence):
            page.write_page(path, 'T', [page.Section('S', content)])
    with pytest.raises(ValueError, match='at least one section'):
        page.write_page(path, 'T', [])
    assert path.read_text() == 'old'


def browse(*arguments):
    """Runs headless chromium and returns its output."""
    done = subprocess.run(
        [
            _BROWSER,
            '--headless=new',
            '--no-sandbox',
            '--disable-gpu',
            '--enable-logging=stderr',
            '--window-size=1200,900',
            *arguments,
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert 'CONSOLE' not in done.stderr, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    'case',
    [
        pytest.param(
            ('parameters', 1, ['vgg16', '<b>lenet5</b>', 'mlp9', 'mlp10']), marks=in_browser
        ),
        pytest.param(
            ('parameters', 2, ['mlp9', '<b>lenet5</b>', 'vgg16', 'mlp10']), marks=in_browser
        ),
        pytest.param(('top-1', 1, ['<b>lenet5</b>', 'mlp9', 'mlp10', 'vgg16']), marks=in_browser),
        pytest.param(('network', 1, ['<b>lenet5</b>', 'mlp9', 'mlp10', 'vgg16']), marks=in_browser),
    ],
    ids=lambda case: f'{case[0]}-{case[1]}',
)
def test_a_click_sorts_by_raw_value_with_absent_cells_last(case, written):
    column, clicks, names = case
    click = (
        f"[...document.querySelectorAll('thead button')].find(b => b.textContent === "
        f"'{column}').click();"
    )
    tried = written.with_name('clicked.html')
    tried.write_text(
        written.read_text().replace('</body>', f'<script>{click * clicks}</script></body>')
    )
    rows = re.findall(
        r'<th scope="row"[^>]*data-value="([^"]*)"', browse('--dump-dom', tried.as_uri())
    )
    assert [html.unescape(row) for row in rows] == names


@pytest.mark.parametrize(
    'scheme', [pytest.param('light', marks=in_browser), pytest.param('dark', marks=in_browser)]
)
def test_the_page_follows_the_color_scheme(scheme, written):
    setting = {'light': 1, 'dark': 0}[scheme]
    browse(
        f'--blink-settings=preferredColorScheme={setting}',
        f'--screenshot={written.with_suffix(".png")}',
        written.as_uri(),
    )
    with Image.open(written.with_suffix('.png')) as image:
        paper = image.convert('L').getpixel((3, 3))
    assert paper > 240 if scheme == 'light' else paper < 40


@pytest.mark.parametrize(
    'case',
    [
        pytest.param(('', ['a', 'b']), marks=in_browser),
        pytest.param(('a', ['a', 'a1', 'a2', 'b']), marks=in_browser),
        pytest.param(('a,a1', ['a', 'a1', 'deep', 'a2', 'b']), marks=in_browser),
        pytest.param(('a,a1,a', ['a', 'b']), marks=in_browser),
        pytest.param(('unfold all,count', ['b', 'a', 'a2', 'a1', 'deep']), marks=in_browser),
    ],
    ids=lambda case: case[0] or 'none',
)
def test_an_outline_unfolds_at_a_click_and_sorts_within_its_blocks(case, tmp_path):
    clicks, names = case
    table = Table(
        [Column('layer'), Column('count', 'integer')],
        [('a', 3), ('a1', 1), ('deep', 1), ('a2', 2), ('b', 4)],
        'Net',
        levels=(0, 1, 2, 1, 0),
    )
    path = page.write_page(tmp_path / 'outline.html', 'Outline', [page.Section('Layers', [table])])
    script = f"""for (const text of {clicks.split(',') if clicks else []})
      [...document.querySelectorAll('button')].find(b => b.textContent === text).click();"""
    path.write_text(path.read_text().replace('</body>', f'<script>{script}</script></body>'))
    rows = re.findall(
        r'<tr([^>]*)>\s*<th scope="row"[^>]*data-value="([^"]*)"',
        browse('--dump-dom', path.as_uri()),
    )
    assert [name for attributes, name in rows if 'hidden' not in attributes] == names


@pytest.mark.parametrize(
    'width', [pytest.param(600, marks=in_browser), pytest.param(1200, marks=in_browser)]
)
def test_the_notes_of_a_table_wider_than_the_window_are_in_sight(width, tmp_path):
    table = Table(
        [Column(f'a column with a long name {i}') for i in range(30)],
        [['value'] * 30],
        'Wide',
        ['A long note. ' * 30],
    )
    path = page.write_page(tmp_path / 'wide.html', 'Wide', [page.Section('Table', [table])])
    script = """const note = document.querySelector('tfoot div').getBoundingClientRect();
      const inside = note.left >= 0 && note.right <= innerWidth;
      document.body.dataset.seen = inside && note.width > 300;"""
    path.write_text(path.read_text().replace('</body>', f'<script>{script}</script></body>'))
    assert 'data-seen="true"' in browse(f'--window-size={width},900', '--dump-dom', path.as_uri())
