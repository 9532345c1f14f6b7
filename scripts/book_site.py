"""How things are found: the book by its address, a page by what readers type into the search, a work by author and year.

``_config.yml`` loads this file (``local_extensions``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from docutils import nodes
from pybtex.database import Entry
from pybtex.plugin import register_plugin
from pybtex.richtext import Text
from pybtex.style.formatting.plain import Style as Plain
from pybtex.style.labels import BaseLabelStyle
from sphinx import addnodes

CHINESE = re.compile(r"[\u4e00-\u9fff]")
OTHER_WORDS = "In other words: "  # so a paragraph begins that lists what readers call the section's subject


class AuthorYear(BaseLabelStyle):
    """Labels of works as the chapters cite them: "Goodfellow et al., 2014"; with a letter where two would be the same."""

    def format_labels(self, entries: Iterable[Entry]) -> Iterator[str]:
        """Yield the label of each entry, in their order."""
        labels = [author_year(entry) for entry in entries]
        counts, seen = Counter(labels), Counter()
        for label in labels:
            yield label + ("abcdefghijklmnopqrstuvwxyz"[seen[label]] if counts[label] > 1 else "")
            seen[label] += 1


def author_year(entry: Entry) -> str:
    """Return "One, 2014", "One and Two, 2014" or "One et al., 2014"; the key where no author is named."""
    authors = entry.persons.get("author", [])
    names = [str(Text.from_latex(" ".join(author.prelast_names + author.last_names))) for author in authors]
    who = " and ".join(names) if len(names) < 3 else f"{names[0]} et al."
    return ", ".join(filter(None, [who or entry.key, entry.fields.get("year", "")]))


class Labelled(Plain):
    """The plain style, by author, with those labels."""

    default_label_style = AuthorYear


def on_config(app, config) -> None:
    """Sphinx, when the settings are read: derive from ``html_baseurl`` what each extension wants to know of it.

    Without an address, which only the publisher knows, the book is as it would be at the root of a host.
    """
    if config.html_baseurl:
        config.html_baseurl = config.html_baseurl.rstrip("/") + "/"  # the site map puts page names right behind it
    config.ogp_site_url = config.html_baseurl
    config.notfound_urls_prefix = urlsplit(config.html_baseurl).path or "/"


def names_in(text: str) -> list[str]:
    """Return the Chinese names with which a glossary entry begins: "模式崩溃（模式坍塌）. Text." has two."""
    head = re.split(r"\.\s", text, maxsplit=1)[0]
    return [name.strip() for name in re.split(r"[（）、，,;；]", head) if CHINESE.search(name)]


def also_called(doctree: nodes.document) -> list[tuple[str, str]]:
    """Return (words, anchor) for what a page says of other names: in a glossary's entries, and after OTHER_WORDS."""
    found = []
    for item in doctree.findall(nodes.definition_list_item):
        terms = [term for term in item.findall(nodes.term) if term["ids"]]
        for term in terms[:1]:
            found += [(name, term["ids"][0]) for name in names_in(item.children[-1].astext())]
    for paragraph in doctree.findall(nodes.paragraph):
        if paragraph.astext().startswith(OTHER_WORDS) and isinstance(paragraph.parent, nodes.section):
            words = paragraph.astext().removeprefix(OTHER_WORDS).rstrip(".").split(";")
            found += [(" ".join(phrase.split()), paragraph.parent["ids"][0]) for phrase in words]
    return found


def on_doctree(app, doctree: nodes.document) -> None:
    """Sphinx, when a page is parsed: let the search lead from those words straight to their place.

    Index entries do that, and weigh most where they are what was typed. The index of names has been made by now, so
    they do not crowd it.
    """
    entries = [("single", words, anchor, "main", None) for words, anchor in also_called(doctree)]
    if entries:
        doctree += addnodes.index(entries=entries)


def on_page(app, pagename: str, templatename: str, context: dict, doctree: nodes.document | None) -> None:
    """Sphinx, before a page is written: a work in the list of references is an item of that list to a screen reader.

    docutils gives each a role, doc-biblioentry, that the standard has given up since (WAI-ARIA 1.1 for publishing).
    """
    if "body" in context:
        context["body"] = context["body"].replace('role="doc-biblioentry"', 'role="listitem"')


def setup(app) -> dict[str, bool]:
    """Sphinx calls this when it loads the extension."""
    register_plugin("pybtex.style.formatting", "author_year", Labelled)
    app.connect("config-inited", on_config, priority=100)  # before the extensions look at their settings
    app.connect("doctree-read", on_doctree)
    app.connect("html-page-context", on_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
