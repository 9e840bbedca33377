"""The project's numbers are looked up where a reader can look too: docs/sources.md holds what is
cited of it, and nothing is cited that does not come with the project.
"""

import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[1]
SOURCES = ROOT / 'docs' / 'sources.md'
KINDS = {'.py', '.md', '.toml', '.sh', '.yaml', '.yml', '.css', '.html', '.js'}
# how notes that lie outside the project were once cited; the brackets keep this file clean
ELSEWHERE = {
    'a file of notes': re.compile(r'[f]acts\.md'),
    'a list of lectures': re.compile(r'[c]urriculum'),
    'a memory': re.compile(r'[f]rom memory'),
    'a folder beside the project': re.compile(
        r'\.\./[s]hared\b|(?<![\w/.])[s]hared/|[\'"][s]hared[\'"]'
    ),
    'lectures without their name': re.compile(r'\b[Tt]he [l]ectures?\b'),
}


def tracked() -> list[pathlib.Path]:
    """The project's own text files."""
    listed = subprocess.run(
        ['git', 'ls-files', '-z'], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split('\0')
    paths = [ROOT / path for path in listed if path and (ROOT / path).is_file()]
    return [p for p in paths if p.suffix in KINDS or p.name == 'Makefile']


def prose(path: pathlib.Path) -> str:
    """The text of a file on one line, as comments and strings read across its lines."""
    text = path.read_text(encoding='utf-8')
    text = re.sub(r"'\s*\n\s*'", '', text)
    return re.sub(r'\s*\n\s*(?:#\s+)?', ' ', text)


def headings() -> list[str]:
    """What docs/sources.md calls its sections."""
    return re.findall(r'^#+ (.+)$', SOURCES.read_text(encoding='utf-8'), re.MULTILINE)


@pytest.mark.parametrize('what', ELSEWHERE)
def test_nothing_is_cited_that_does_not_come_with_the_project(what):
    found = {
        str(path.relative_to(ROOT)): ELSEWHERE[what].findall(prose(path)) for path in tracked()
    }
    assert {path: hits for path, hits in found.items() if hits} == {}


def test_sections_that_are_cited_are_in_the_sources():
    cited = {
        (str(path.relative_to(ROOT)), name)
        for path in tracked()
        for name in re.findall(r'docs/sources\.md, "([^"]+)"', prose(path))
    }
    assert len(cited) >= 4
    assert {(path, name) for path, name in cited if name not in headings()} == set()


def test_links_to_the_sources_have_a_target():
    anchors = {re.sub(r'[^\w -]', '', h).lower().replace(' ', '-') for h in headings()}
    linked = {
        (str(path.relative_to(ROOT)), anchor)
        for path in tracked()
        for anchor in re.findall(
            r'sources\.md#([\w-]+)' if path != SOURCES else r'\(#([\w-]+)\)', prose(path)
        )
    }
    assert linked and {(path, anchor) for path, anchor in linked if anchor not in anchors} == set()


def test_files_and_tests_that_the_sources_name_exist():
    text = SOURCES.read_text(encoding='utf-8')
    named = re.findall(r'`((?:cnnlab|tests|experiments|benchmarks|docs)/[\w/.]+\.\w+)`', text)
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).exists()] == []
