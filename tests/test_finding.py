"""The list of exercises, the words that the search knows, the labels of the bibliography, the address of the site."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import book_site
import exercise_index
import nbformat
import pytest
from docutils import nodes
from docutils.core import publish_doctree
from pybtex.database import Entry, Person

ROOT = Path(__file__).parent.parent
TOC = """
parts:
  - chapters:
      - file: book/one/07-second
      - file: book/one/03-first
  - chapters:
      - file: book/glossary
"""


@pytest.fixture
def root(tmp_path):
    (tmp_path / "_toc.yml").write_text(TOC, "utf-8")
    (tmp_path / "book" / "one").mkdir(parents=True)
    md, py = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    cells = [
        md("# The first\n\n## Exercises"),
        md("### Exercise 1: what is $x_1$ in `f`? (easy, 50 minutes)\n\nText."),
        py('gu.exercises.check("3.1", f)'),
        md("### Exercise 2: |D| or |G| (hard, 40 minutes)"),
        py("# gu.exercises.check('13.2', f) is another chapter's\ngu.exercises.check('3.22', f)"),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "book/one/03-first.ipynb")
    cells = [md("# The second"), md("### Exercise 1: do (easy, 5 minutes)\n\n### Exercise 2: redo (medium, 1 minutes)")]
    cells.append(py("gu.exercises.check(\n    '7.2',\n    f,\n)"))
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "book/one/07-second.ipynb")
    return tmp_path


def test_exercises_of_a_notebook(root):
    chapter = exercise_index.read(root / "book/one/03-first.ipynb", root / "book/exercises")
    assert (chapter.number, chapter.title, chapter.link) == (3, "The first", "one/03-first.ipynb")
    first, second = chapter.exercises
    # MyST leaves the formula out of the anchor, and keeps both of the spaces about it.
    assert first == ("3.1", "what is $x_1$ in `f`?", "exercise-1-what-is--in-f-easy-50-minutes", "easy", 50, True)
    assert second == ("3.2", r"\|D\| or \|G\|", "exercise-2-d-or-g-hard-40-minutes", "hard", 40, False)


def test_the_list_follows_the_table_of_contents_and_adds_up(root):
    text = exercise_index.listing(root)
    assert text.index("## 7. The second") < text.index("## 3. The first")
    assert "[Chapter 3](one/03-first.ipynb): 2 exercises, 1 hour 30 minutes." in text
    assert "| 7.2 | [redo](one/07-second.ipynb#exercise-2-redo-medium-1-minutes) | medium | 1 | yes |" in text
    counts = ["| easy | 2 | 1 | 55 minutes |", "| medium | 1 | 1 | 1 minute |", "| hard | 1 | 0 | 40 minutes |"]
    assert text.splitlines()[2:6] == [*counts, "| all | 4 | 2 | 1 hour 36 minutes |"]


def test_a_notebook_without_title_is_named(root):
    path = root / "book/one/03-first.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("## No title")]), path)
    with pytest.raises(ValueError, match=r"03-first\.ipynb has no title"):
        exercise_index.listing(root)


def test_every_exercise_of_the_book_is_listed_and_the_page_asks_for_the_list():
    texts = (path.read_text("utf-8") for path in exercise_index.notebooks(ROOT))
    headings = sum(text.count("### Exercise ") for text in texts)
    listed = [line for line in exercise_index.listing(ROOT).splitlines() if "ipynb#exercise-" in line]
    assert len(listed) == headings >= 5
    assert (ROOT / f"{exercise_index.PAGE}.md").read_text("utf-8").count(exercise_index.MARKER) == 1


@pytest.mark.parametrize(
    "minutes, words", [(0, "0 minutes"), (1, "1 minute"), (59, "59 minutes"), (60, "1 hour"), (121, "2 hours 1 minute")]
)
def test_minutes_in_words(minutes, words):
    assert exercise_index.duration(minutes) == words


@pytest.mark.parametrize(
    "text, names",
    [
        ("模式崩溃（模式坍塌、模式坍缩）. Many latents, one sample.", ["模式崩溃", "模式坍塌", "模式坍缩"]),
        ("JS 散度（詹森-香农散度）. At most log 2.", ["JS 散度", "詹森-香农散度"]),
        ("A penalty that keeps. Not 中文 here.", []),
    ],
)
def test_chinese_names_of_a_glossary_entry(text, names):
    assert book_site.names_in(text) == names


def test_search_words_lead_to_their_term_and_their_section():
    page = publish_doctree(
        "Page\n====\n\nIn the middle\n-------------\n\nIn other words: one; two\nthree; 四.\n\nIn other words, this is not.\n\n"
        "Terms\n-----\n\nmode\n  模式. A peak.\n",
        settings_overrides={"doctitle_xform": False},
    )
    next(page.findall(nodes.term))["ids"] = ["term-mode"]
    section = ["in-the-middle"] * 3
    words = ["one", "two three", "四"]
    assert sorted(book_site.also_called(page)) == sorted([("模式", "term-mode"), *zip(words, section, strict=True)])
    book_site.on_doctree(None, page)
    assert sorted(entry[1:3] for entry in page[-1]["entries"]) == sorted(book_site.also_called(page))


def work(*authors, year="2014"):
    entry = Entry("article", [("year", year)], {"author": [Person(author) for author in authors]})
    entry.key = "key2014"
    return entry


def test_labels_are_authors_and_year():
    several = [work("A, B."), work("A, B.", "van den C, D."), work("A, B.", "C, D.", r"{\"O}, E."), work(r"{\"O}, E.")]
    labels = ["A, 2014", "A and van den C, 2014", "A et al., 2014", "Ö, 2014"]
    assert list(book_site.AuthorYear().format_labels(several)) == labels
    assert list(book_site.AuthorYear().format_labels([work()])) == ["key2014, 2014"]


def test_labels_are_unique():
    same = [work("A, B."), work("C, D."), work("A, E."), work("A, B.", year="2015")]
    assert list(book_site.AuthorYear().format_labels(same)) == ["A, 2014a", "C, 2014", "A, 2014b", "A, 2015"]


@pytest.mark.parametrize(
    "given, address, prefix",
    [
        ("", "", "/"),
        ("https://a.example", "https://a.example/", "/"),
        ("https://a.example/gans", "https://a.example/gans/", "/gans/"),
        ("https://a.example/gans/", "https://a.example/gans/", "/gans/"),
    ],
)
def test_the_address_reaches_every_extension(given, address, prefix):
    config = SimpleNamespace(html_baseurl=given)
    book_site.on_config(None, config)
    assert (config.html_baseurl, config.ogp_site_url, config.notfound_urls_prefix) == (address, address, prefix)
