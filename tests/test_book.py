"""The built book in a real browser: no errors, no other host, readable on a phone, accessible; and the search finds."""

from __future__ import annotations

import functools
import html
import http.server
import os
import re
import shutil
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pytest

HTML = Path(__file__).parent.parent / "_build" / "html"
PAGES = sorted(path.relative_to(HTML).as_posix() for path in HTML.rglob("*.html") if "_static" not in path.parts)
PAGES = [page for page in PAGES if page != "index.html"]  # that one only redirects to book/index.html
CHAPTERS = [page for page in PAGES if re.match(r"book/\d", page)]
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
RAW = re.compile(r"```|:::|\{[\w:.-]+\}`|\$\$|\\\(|\\begin\{")
#: What axe finds on every page of the theme, whatever we write on it.
OF_THE_THEME = {"region": "its chapter menu is no landmark"}
#: The rules that look at colours; the others find the same in the dark.
OF_COLOUR = ("color-contrast", "link-in-text-block")
#: Takes out of a page whatever has the tags, classes and styles, all the way up, of something before it, and so its
#: colours. axe asks what lies under each word of code: of a long page it would take most of a minute.
THIN = """() => {
    const seen = new Set();
    const known = (node, above) => {
        const path = `${above}>${node.tagName}.${node.className}[${node.getAttribute('style') || ''}]`;
        const twins = [...node.children].filter(child => known(child, path));
        const all = twins.length === node.children.length && seen.has(path);
        if (!all) twins.forEach(twin => twin.remove());
        seen.add(path);
        return all;
    };
    known(document.body, '');
}"""
#: What a reader may type, and the page that must be among the first three that the search names.
QUERIES = {
    "mode collapse": "book/glossary.html#term-mode-collapse",
    "模式崩溃": "book/glossary.html#term-mode-collapse",
    "generator outputs same image": "book/symptoms.html#it-gives-the-same-image-for-every-noise-vector",
    "WGAN-GP": "book/glossary.html#term-WGAN-GP",
    "discriminator loss goes to zero": "book/symptoms.html#the-discriminator-s-loss-goes-to-zero",
    "D loss 0": "book/symptoms.html#the-discriminator-s-loss-goes-to-zero",
    "all samples look the same": "book/symptoms.html#it-gives-the-same-image-for-every-noise-vector",
    "blurry images": "book/symptoms.html#samples-are-blurred-or-noise",
    "训练不稳定": "book/symptoms.html#samples-keep-changing-or-go-round-in-circles",
    "梯度惩罚": "book/glossary.html#term-gradient-penalty",
    "gradient penalty": "book/glossary.html#term-gradient-penalty",
    "mode_coverage": "book/api.html#gan_utils.metrics.modes.mode_coverage",
}
#: Tags that are never closed.
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"


def absent(reason):
    """Skip on a reader's machine; in continuous integration nothing may be left unlooked at."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


@pytest.fixture(scope="module")
def browser():
    if not PAGES:
        absent("There is no built book: run `make book` first.")
    names = [os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome", MAC]
    found = next((path for path in map(shutil.which, filter(None, names)) if path), None)
    if found is None:
        absent("No Chromium: install it (Debian: apt-get install chromium) or name one: CHROMIUM=/path/to/chrome.")
    from playwright.sync_api import sync_playwright

    quiet = ["--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with sync_playwright() as playwright:
        # Containers run as root, where Chromium's sandbox does not start; the pages are our own.
        instance = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", *quiet])
        yield instance
        instance.close()


@pytest.fixture(scope="module")
def site():
    """Serve the book on a free port of 127.0.0.1 and yield its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def send_error(self, code, *_):
            """Answer as a host of static pages does: with 404.html."""
            page = (HTML / "404.html").read_bytes()
            self.send_response(code)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=HTML)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def context(browser):
    """One visitor for all pages, whose cache keeps what the pages share."""
    with browser.new_context(viewport=DESK) as visitor:
        yield visitor


@pytest.fixture
def visit(context, site):
    """Return a function that opens a page and collects what went wrong and which hosts were asked."""
    pages = []

    def open_page(path, size=DESK, scheme="light", motion="no-preference"):
        page = context.new_page()
        pages.append(page)
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=scheme, reduced_motion=motion)
        page.errors, page.hosts = [], set()
        page.on("console", lambda message: page.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("response", lambda answer: page.errors.append(answer.url) if answer.status >= 400 else None)
        page.on("request", lambda request: page.hosts.add(urlsplit(request.url).netloc))
        page.goto(f"{site}/{path}", wait_until="load")
        page.evaluate("() => window.MathJax && MathJax.startup ? MathJax.startup.promise : null")
        return page

    yield open_page
    for page in pages:
        page.close()


def test_there_are_chapters(browser):
    assert len(CHAPTERS) >= 5


@pytest.mark.parametrize("path", PAGES)
def test_page(visit, site, path):
    page = visit(path)
    main = page.locator("main").first
    prose = main.evaluate(
        """node => {
            const copy = node.cloneNode(true);
            copy.querySelectorAll('pre, code, mjx-container, script, style').forEach(part => part.remove());
            return copy.textContent;
        }"""
    )
    assert RAW.findall(prose) == [], "a directive, a role or maths shown raw"
    assert page.locator("mjx-merror, [data-mjx-error]").count() == 0, "maths that MathJax does not understand"
    assert main.locator("mjx-container").count() >= main.locator(".math").count(), "maths that was not set"
    images = main.locator("img").evaluate_all("all => all.map(i => [i.getAttribute('alt') || '', i.clientWidth])")
    assert [alt for alt, _ in images if not alt or alt.endswith((".png", ".svg"))] == [], "a picture without alt text"
    assert max((width for _, width in images), default=0) <= 720
    cells = main.locator(".cell_input pre, .cell_output pre")
    cut = (
        "all => all.filter(p => p.clientWidth && p.scrollWidth > p.clientWidth + 1).map(p => p.innerText.slice(0, 200))"
    )
    assert cells.evaluate_all(cut) == [], "code, or what it prints, is cut off on a laptop"

    page.set_viewport_size(PHONE)
    wide = page.evaluate(
        """() => document.documentElement.scrollWidth <= window.innerWidth ? [] :
            ['the page: ' + document.documentElement.scrollWidth].concat([...document.querySelectorAll('main *')]
                .filter(node => node.getBoundingClientRect().right > window.innerWidth)
                .map(node => node.outerHTML.slice(0, 100)).slice(0, 3))"""
    )
    assert wide == [], "on a phone the page scrolls sideways"
    assert page.errors == []
    assert page.hosts - {""} == {urlsplit(site).netloc}, "the page asks another host"


def test_chapter_menu_works_on_a_phone(visit):
    page = visit(CHAPTERS[0], PHONE)
    link = page.locator(f".bd-sidebar-primary a[href$='{Path(CHAPTERS[1]).name}']").first
    assert not link.is_visible() or link.bounding_box()["x"] < 0
    page.locator(".primary-toggle:visible").first.click()
    link.wait_for(state="visible")
    page.wait_for_function("node => node.getBoundingClientRect().left >= 0", arg=link.element_handle())
    link.click()
    page.wait_for_url(f"**/{CHAPTERS[1]}")
    assert page.errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_figures_stand_out(visit, scheme):
    """Contrast of the running text at least 7 to 1, and of the ground under a figure with black ink too."""
    page = visit(CHAPTERS[0], scheme=scheme)
    assert page.locator("html").get_attribute("data-theme") == scheme
    ink = colour(page.locator("article p").first, "color")
    ground = colour(page.locator("body"), "backgroundColor")
    assert contrast(ink, ground) >= 7
    image = page.locator("article .cell_output img, article figure img").first
    card = colour(image, "backgroundColor")
    assert contrast((0, 0, 0), card or ground) >= 7


def test_the_figure_that_plays_moves_by_keys_mouse_and_button(visit):
    page = visit("book/index.html")
    figure = page.locator(".gan-scrubber")
    slider, said, button = (figure.locator(name) for name in ("input", "output", "button"))
    slider.press("Home")  # which also stops it: it plays by itself here
    assert button.get_attribute("aria-label") == "Play"
    first = said.inner_text()
    slider.press("ArrowRight")
    assert first.startswith("1 of ") and said.inner_text().startswith("2 of ")
    box = slider.bounding_box()
    page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + box["height"] / 2)
    assert int(said.inner_text().split()[0]) > 8
    slider.press("Home")
    button.click()
    assert button.get_attribute("aria-label") == "Pause"
    page.wait_for_function("node => !node.textContent.startsWith('1 of')", arg=said.element_handle())
    assert not figure.locator("img").is_visible()
    page.emulate_media(media="print")
    assert figure.locator("img").is_visible() and not slider.is_visible()
    assert page.errors == []


def test_a_figure_that_plays_stands_still_for_who_wants_less_motion(visit):
    page = visit("book/index.html", motion="reduce")
    assert page.locator(".gan-scrubber button").get_attribute("aria-label") == "Play"


@pytest.mark.parametrize("query", QUERIES)
def test_the_search_finds(visit, query):
    page = visit(f"search.html?q={quote(query)}")
    page.wait_for_function("() => /found|did not match/.test(document.querySelector('.search-summary')?.textContent)")
    found = page.locator("ul.search > li > a").evaluate_all("all => all.map(link => link.getAttribute('href'))")
    assert QUERIES[query] in [re.sub(r"\?[^#]*", "", link) for link in found[:3]]
    if query == "WGAN-GP":
        assert any("13-tame-the-critic" in link for link in found[:5])
    assert page.errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "path", ["index", "symptoms", "glossary", "exercises", "references", "api", "search", "404", "chapter", "found"]
)
def test_axe_finds_nothing_new(visit, path, scheme):
    places = {"chapter": CHAPTERS[0], "search": "search.html?q=mode+collapse", "404": "404.html"}
    places["found"] = f"{CHAPTERS[0]}?highlight=mode"  # as the search leads to it
    # A button of the theme fades into its colours for 0.15 s, unless the reader wants less motion: axe may be quicker.
    page = visit(places.get(path, f"book/{path}.html"), scheme=scheme, motion="reduce")
    page.wait_for_function("() => document.documentElement.dataset.settled")
    found = faults(page, rules={rule: {"enabled": False} for rule in OF_COLOUR}) if scheme == "light" else {}
    page.evaluate(THIN)
    found |= faults(page, runOnly=list(OF_COLOUR))
    assert {rule: where for rule, where in found.items() if rule not in OF_THE_THEME} == {}


def test_a_faint_word_at_the_end_of_a_long_page_is_found(visit):
    page = visit("book/symptoms.html", motion="reduce")
    page.add_style_tag(content=".faint { color: #ccc }")
    beside = page.locator("article section > p").last  # which has no class, and like which there are many
    beside.evaluate("node => node.insertAdjacentHTML('afterend', '<p class=\"faint\">words</p>')")
    page.evaluate(THIN)
    assert list(faults(page, runOnly=list(OF_COLOUR))) == ["color-contrast"]


def faults(page, **options):
    """Return what axe finds: a rule, and the first elements that break it."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options={"resultTypes": ["violations"], **options}).response["violations"]
    return {fault["id"]: [node["html"][:200] for node in fault["nodes"][:3]] for fault in found}


def test_a_broken_link_leads_to_three_doors(visit, site):
    page = visit("book/2-collapse/no-such-page.html")
    assert page.locator("main section h1").inner_text().startswith("This page has dropped out")
    doors = page.locator("main section a[href*='.html']").evaluate_all("all => all.map(link => link.href)")
    assert [door.removeprefix(f"{site}/") for door in doors] == [
        "book/index.html#the-path",
        "book/symptoms.html",
        "book/api.html",
        "search.html",
    ]
    assert [error for error in page.errors if "no-such-page" not in error and "404" not in error] == []


def test_the_list_of_exercises_leads_to_an_exercise(visit):
    page = visit("book/exercises.html")
    page.locator("a[href*='exercise-1-']").first.click()
    page.wait_for_url(f"**/{CHAPTERS[0]}#exercise-1-*")
    assert page.locator(":target").count() == 1


def colour(locator, name):
    """Return the computed colour as (red, green, blue), or None if it is transparent."""
    red, green, blue, *alpha = map(
        float, re.findall(r"[\d.]+", locator.evaluate(f"node => getComputedStyle(node).{name}"))
    )
    return None if alpha == [0] else (red, green, blue)


def contrast(one, other):
    """Contrast ratio of two sRGB colours, from 1 to 21 (WCAG 2.2)."""

    def luminance(rgb):
        linear = [c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in rgb]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted([luminance(one), luminance(other)])
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_of_its_own_weighs_at_most_a_megabyte(path):
    file = HTML / path
    source = file.read_text("utf-8")
    own = {(file.parent / unquote(name)).resolve() for name in re.findall(r'src="([^":]+)"', source)}
    own = {
        part
        for part in own
        if part.is_file() and not {"_static", "mathjax"} & set(part.relative_to(HTML.resolve()).parts)
    }
    assert file.stat().st_size + sum(part.stat().st_size for part in own) <= 1_000_000


@pytest.mark.parametrize("path", PAGES)
def test_links_within_the_book_lead_somewhere(path):
    source = (HTML / path).read_text("utf-8")
    lost = []
    for link in set(re.findall(r'<a\b[^>]*\bhref="([^"]+)"', source)):
        parts = urlsplit(html.unescape(link))
        start = HTML if parts.path.startswith("/") else (HTML / path).parent  # 404.html counts from the site's root
        target = start / unquote(parts.path).lstrip("/") if parts.path else HTML / path
        if parts.scheme or parts.netloc:
            continue
        if not target.is_file() or (parts.fragment and not has_anchor(target.resolve(), unquote(parts.fragment))):
            lost.append(link)
    assert lost == []


class Parts(HTMLParser):
    """Splits a page into what is written, what a cell printed, and the code (solutions, folded, count as code)."""

    def __init__(self, page):
        super().__init__()
        self.open = [("", "around")]
        self.text = {"around": "", "prose": "", "output": "", "code": ""}
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        classes, part = (dict(attributes).get("class") or "").split(), self.open[-1][1]
        if "cell_output" in classes:
            part = "output"
        elif "cell_input" in classes or tag in ("code", "details"):
            part = "code"
        elif tag in ("script", "style") or "math" in classes:
            part = "around"
        elif tag == "article":
            part = "prose"
        if tag not in VOID:
            self.open.append((tag, part))

    def handle_endtag(self, tag):
        tags = [name for name, _ in self.open]
        if tag in tags:  # what was left open within it ends here too
            del self.open[len(tags) - 1 - tags[::-1].index(tag) :]

    def handle_data(self, data):
        self.text[self.open[-1][1]] += data + " "


def typed(page):
    """Return the numbers (with a decimal point, or in per cent) that were written by hand where a cell computes them."""
    number = re.compile(r"(?<![\d.])(?:\d+\.\d+|\d+(?:\.\d+)?(?=\s?%))(?![\d.])")
    found = {part: set(number.findall(text)) for part, text in Parts(page).text.items()}
    set_in_code = set(re.findall(r"\d*\.?\d+", Parts(page).text["code"]))  # a setting, which text may name
    return sorted((found["prose"] & found["output"]) - set_in_code - {"95"})  # per cent: the level of our intervals


@pytest.mark.parametrize("path", CHAPTERS)
def test_no_number_is_typed_where_a_cell_computes_it(path):
    assert typed((HTML / path).read_text("utf-8")) == []


def test_a_typed_number_is_found():
    cell = '<div class="cell_input">x = 0.3</div><div class="cell_output"><pre>0.71, 0.3, 12 %</pre></div>'
    assert typed(f"<article><p>It is 0.71<br>or 12 %, at 0.3. So 0.5.</p>{cell}</article>0.71") == ["0.71", "12"]
    assert typed(f"<article><p>It is less.</p>{cell}</article>") == []


@pytest.mark.parametrize("path", CHAPTERS)
def test_colab_opens_this_chapter_if_the_book_is_published(path):
    """scripts/publish.py adds the button; a build of the repository itself has none, as it knows no address."""
    links = set(re.findall(r'href="https://colab\.research\.google\.com/([^"]+)"', (HTML / path).read_text("utf-8")))
    published = "launch_buttons:" in (HTML.parents[1] / "_config.yml").read_text("utf-8")
    assert len(links) == published
    for link in links:
        assert re.fullmatch(r"github/[^/]+/[^/]+/blob/[^/]+/(.+)", link)[1] == str(Path(path).with_suffix(".ipynb"))


@functools.cache
def anchors(target):
    return {html.unescape(name) for name in re.findall(r'\bid="([^"]+)"', target.read_text("utf-8"))}


def has_anchor(target, name):
    return target.suffix != ".html" or name in anchors(target)
