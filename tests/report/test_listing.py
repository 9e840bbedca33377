"""Tables that commands write: to the terminal, to a file, or between marks in a file."""

from cnnlab.report import listing


def test_a_table_is_written_between_the_marks_of_a_file_and_over_a_file_without(tmp_path):
    file = tmp_path / 'a.md'
    listing.emit('first\n', file)
    assert file.read_text() == 'first\n'
    around = 'before\n<!-- table -->\n{}\n<!-- end of table -->\nafter\n'
    file.write_text(around.format('old'))
    listing.emit('new\n', file)
    assert file.read_text() == around.format('\nnew\n')
    listing.emit('new\n', file)
    assert file.read_text() == around.format('\nnew\n')
