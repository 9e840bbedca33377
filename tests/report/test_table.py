"""Tables keep their numbers exactly and escape text."""

import csv
import html.parser
import io
import math
import re

import numpy as np
import pytest

from cnnlab.report.numbers import MeanStd, mean_std
from cnnlab.report.table import Column, Table

COLUMNS = (
    Column('network'),
    Column('parameters', 'integer'),
    Column('top-1', 'percent'),
    Column('time', 'seconds'),
)
ROWS = (
    {
        'network': 'lenet5',
        'parameters': 60_000,
        'top-1': mean_std([0.99, 0.98, 0.994]),
        'time': 0.1 + 0.2,
    },
    {
        'network': 'a|b <i>&amp;</i> "q" [bold]x[/bold]',
        'parameters': np.int64(11_689_512),
        'top-1': None,
        'time': np.float32(0.1),
    },
    {'network': 'resnet50_v1_5', 'top-1': MeanStd(0.76, None, 1), 'time': math.nan},
)
TABLE = Table(COLUMNS, ROWS, 'Nets | compared', ['Over 3 seeds.'])


class Cells(html.parser.HTMLParser):
    """Collects the texts of the cells of an HTML table, and all tags."""

    def __init__(self, text):
        super().__init__()
        self.cells, self.tags = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag in ('th', 'td', 'caption'):
            self.cells.append('')

    def handle_data(self, data):
        if self.cells:
            self.cells[-1] = (self.cells[-1] + data).strip()


def test_csv_is_lossless():
    header, *rows = csv.reader(io.StringIO(TABLE.to_csv()))
    assert header == ['network', 'parameters', 'top-1 mean', 'top-1 std', 'top-1 n', 'time']
    first, second, third = (dict(zip(header, row, strict=True)) for row in rows)
    made = mean_std([0.99, 0.98, 0.994])
    assert (float(first['top-1 mean']), float(first['top-1 std']), int(first['top-1 n'])) == made
    assert float(first['time']) == 0.1 + 0.2 != 0.3
    assert second['network'] == ROWS[1]['network']
    assert int(second['parameters']) == 11_689_512
    assert np.float32(second['time']) == np.float32(0.1)
    assert [second[f'top-1 {part}'] for part in MeanStd._fields] == ['', '', '']
    assert (third['parameters'], third['top-1 std'], third['top-1 n'], third['time']) == (
        '',
        '',
        '1',
        'nan',
    )


def test_markdown_shows_special_characters_as_they_are():
    lines = TABLE.to_markdown().splitlines()
    assert lines[0] == '**Nets \\| compared**'
    assert lines[3] == '| :-- | --: | --: | --: |'
    for line in lines[2:7]:
        assert len(re.findall(r'(?<!\\)\|', line)) == len(COLUMNS) + 1, line
    assert 'a\\|b \\<i\\>\\&amp;\\</i\\> "q" \\[bold\\]x\\[/bold\\]' in lines[5]
    assert '| resnet50_v1_5 | – |' in lines[6]
    assert (
        Table([Column('x')], [['two\nlines']], '').to_markdown()
        == '| x |\n| :-- |\n| two<br>lines |\n'
    )


def test_html_is_escaped_and_shows_every_cell():
    text = TABLE.to_html()
    read = Cells(text)
    assert set(read.tags) == {
        'table',
        'caption',
        'thead',
        'tbody',
        'tfoot',
        'tr',
        'th',
        'td',
        'div',
    }
    assert read.cells[0] == 'Nets | compared'
    assert read.cells[1:5] == [c.name for c in COLUMNS]
    assert [read.cells[5 + 4 * i : 9 + 4 * i] for i in range(3)] == TABLE.shown()
    assert 'data-value="60000"' in text
    assert f'data-value="{0.1 + 0.2}"' in text
    assert f'data-value="{mean_std([0.99, 0.98, 0.994]).mean}"' in text, (
        'a spread sorts by its mean'
    )
    assert '&lt;i&gt;&amp;amp;' in text


def test_text_is_aligned_and_without_control_codes():
    lines = TABLE.to_text().splitlines()
    assert lines[0] == 'Nets | compared'
    assert lines[-1] == 'Over 3 seeds.'
    assert '\x1b' not in TABLE.to_text()
    ends = {
        line.index(part) + len(part)
        for line, part in zip(
            lines[2:7], ('parameters', '─', '60,000', '11,689,512', '–'), strict=True
        )
        if part != '─'
    }
    assert len(ends) == 1, 'numbers stand right-aligned under their header'
    assert '[bold]x[/bold]' in lines[5]
    assert len(lines) == 9


def test_a_table_too_wide_is_split_into_blocks_that_repeat_the_first_column():
    table = Table(
        [Column('network'), *(Column(f'top-1 of seed {i}', 'percent') for i in range(6))],
        [['vgg16', *[0.75123] * 6]],
        'wide',
    )
    lines = table.to_text(60).splitlines()
    assert max(map(len, lines)) <= 60
    assert sum('vgg16' in line for line in lines) == 3
    assert sum(line.count('75.12%') for line in lines) == 6
    assert max(map(len, table.to_text().splitlines())) > 60


def test_print_survives_an_ascii_stream():
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding='ascii')
    TABLE.print(file)
    file.flush()
    text = raw.getvalue().decode('ascii')
    assert '98.80 +- 0.72%' in text
    assert '11,689,512' in text


def test_print_to_a_pipe_is_the_plain_text(capsys):
    TABLE.print()
    assert capsys.readouterr().out == TABLE.to_text()


@pytest.mark.parametrize(
    ('descending', 'names'), [(False, ['b', 'd', 'a', 'c', 'e']), (True, ['a', 'b', 'd', 'c', 'e'])]
)
def test_sorting_is_stable_and_leaves_unknown_values_last(descending, names):
    rows = [('a', 3.0), ('b', mean_std([1, 3])), ('c', None), ('d', 2), ('e', math.nan)]
    table = Table([Column('name'), Column('value', 'number')], rows, '')
    ordered = table.sorted('value', descending)
    assert ordered.values('name') == names
    assert table.values('name') == list('abcde')


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(ValueError, match="no column named 'paramters'; did you mean parameters"):
        TABLE.sorted('paramters')
    with pytest.raises(ValueError, match="no column named 'top1'; did you mean top-1"):
        Table(COLUMNS, [{'top1': 0.5}], '')
    with pytest.raises(ValueError, match="no kind of column named 'percnt'; did you mean percent"):
        Column('x', 'percnt')
    with pytest.raises(ValueError, match="no alignment named 'middle'"):
        Column('x', align='middle')


@pytest.mark.parametrize(
    ('columns', 'rows', 'sentence'),
    [
        ([], [], 'at least one column'),
        ([Column('a'), Column('a')], [], 'names must differ'),
        ([Column('a')], [['x', 'y']], 'row 0 has 2 cells; the table has 1 columns'),
        (
            [Column('a', 'percent')],
            [[0.5], ['half']],
            "row 1 of column 'a' is 'half', which is no percent",
        ),
        ([Column('a', 'integer')], [[1.5]], "row 0 of column 'a': 1.5 is not an integer"),
        ([Column('a', 'integer')], [[True]], 'which is no integer'),
        ([Column('a')], [[[1, 2]]], 'which is no text or number'),
        ([Column('a', 'number')], [[np.zeros(2)]], 'which is no number'),
    ],
)
def test_misfits_are_refused_in_a_sentence(columns, rows, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Table(columns, rows, '')


@pytest.mark.parametrize('levels', [(0,), (1, 0, 0), (0, 2, 0), (0, -1, 0)])
def test_levels_that_are_no_outline_are_refused(levels):
    with pytest.raises(
        ValueError, match='levels are one for each row, begin with 0 and rise by one at most'
    ):
        Table([Column('a')], [['x'], ['y'], ['z']], '', levels=levels)


def test_an_outline_is_not_sorted():
    with pytest.raises(ValueError, match="'net' is an outline"):
        Table([Column('a')], [['x'], ['y']], 'net', levels=(0, 1)).sorted('a')
