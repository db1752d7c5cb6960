"""The page in other languages.

A language is one file, ``assets/text/<code>.json``: English text -> translation, with the same numbered places ("Photo
{0} of {1}").  The program speaks English throughout, and so do the endpoints for programs; only what leaves for a
visitor's browser is translated, by the first language that the browser asks for:

- what stands on the page when it opens: by Gradio's code in the browser (``gr.I18n``), which needs no request for it;
- what is said later (progress, notices, errors): by the server, which looks up each sentence on its way out.

Both are the work of :class:`Page`, so that no other module knows of languages.

A text without a translation stays English.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from contextvars import ContextVar
from functools import cached_property
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.i18n import I18nData

from .files import ASSETS

ENGLISH = "en"
WORDED = ("label", "info", "placeholder", "description", "title")
"""Properties of components that are words.  So is the value of those that visitors cannot change."""
SHOWN = (gr.HTML, gr.Markdown, gr.Button)
LONGEST = 2000
"""Most characters of a sentence that is looked up."""
_PLACE = re.compile(r"\{(\w+)\}")
_MARKS = re.compile(r"(<[^>]*>|\n(?:- )?|^- |\*\*)")
_SENTENCES = re.compile(r"(?<=[.!?”)]) (?=\S)")
_SPOKEN = re.compile(r'((?:alt|title|aria-label)=")([^"]+)')
_QUOTES = ("'", '"', "“", "‘")


class Language:
    """One language.  texts: English -> translation; "{0}", "{1}", ... stand for what changes."""

    def __init__(self, texts: dict[str, str]):
        self.texts = texts

    @cached_property
    def _patterns(self) -> list[tuple[list[str], list[str], str]]:
        """Literal parts, names of the places and translation; what says most comes first."""
        found = []
        for english, translation in self.texts.items():
            parts = _PLACE.split(english)
            if len(parts) > 1:
                found.append((parts[::2], parts[1::2], translation))
        return sorted(found, key=lambda pattern: -sum(map(len, pattern[0])))

    def page(self, text: str) -> str:
        """HTML or Markdown: as a whole, else by paragraphs, else between its tags."""
        return "\n".join(self._paragraph(paragraph) for paragraph in text.split("\n"))

    def _paragraph(self, text: str) -> str:
        if text in self.texts:
            return self.texts[text]
        pieces = _MARKS.split(text)
        for place, piece in enumerate(pieces):
            if _MARKS.fullmatch(piece):
                pieces[place] = _SPOKEN.sub(lambda found: found[1] + self._escaped(found[2]), piece)
            else:
                pieces[place] = self._escaped(piece)
        return "".join(pieces)

    def _escaped(self, text: str) -> str:
        plain = html.unescape(text)
        translation = self.plain(plain)
        return text if translation == plain else html.escape(translation)

    def plain(self, text: str) -> str:
        """One sentence or several.  Those that are not known stay as they are."""
        stripped = text.strip()
        if not stripped or len(text) > LONGEST:
            return text
        pieces, said, at = _SENTENCES.split(stripped), [], 0
        while at < len(pieces):
            for end in range(at + 1, min(len(pieces), at + 6) + 1):
                if (found := self._sentence(" ".join(pieces[at:end]))) is not None:
                    said.append(found)
                    break
            else:
                end = at + 1
                said.append(pieces[at])
            at = end
        return text.replace(stripped, " ".join(said))

    def _sentence(self, text: str) -> str | None:
        """The translation of a text, whichever case it begins with; None where there is none."""
        found = self._found(text)
        return found[:1].upper() + found[1:] if found and text[:1].isupper() else found

    def _found(self, text: str) -> str | None:
        for form in (text, text[:1].lower() + text[1:], text[:1].upper() + text[1:]):
            if form in self.texts:
                return self.texts[form]
        for form in (text, text[:1].lower() + text[1:]):
            for parts, places, translation in self._patterns:
                values = _between(parts, form)
                if values is not None:
                    return self._filled(translation, dict(zip(places, values)), parts, places)
        word, _, number = text.rpartition(" ")  # "hair 0.93"
        if word and number[0] in "0123456789+-" and (found := self._sentence(word)) is not None:
            return f"{found} {number}"
        return None

    def _filled(self, translation: str, values: dict[str, str], parts: list[str], places: list[str]) -> str:
        quoted = {place for part, place in zip(parts, places) if part.endswith(_QUOTES)}  # somebody's own words
        said = {place: value if place in quoted else self.words(value) for place, value in values.items()}
        return particles(_PLACE.sub(lambda place: said[place[1]], translation))

    def words(self, text: str) -> str:
        """What stands in a place: a word, a list of words, or a sentence."""
        if (found := self._sentence(text)) is not None:
            return found
        words = re.split(r", | and ", text)
        if len(words) > 1:
            said = [word if not word[:1].isalnum() else self._sentence(word) for word in words]
            if None not in said:
                return ", ".join(said)
        return self.plain(text)


def _between(parts: list[str], text: str) -> list[str] | None:
    """What stands between the parts of a pattern in a text; None where it does not fit.  Takes linear time, as texts
    may be a visitor's."""
    first, *middle, last = parts
    if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
        return None
    values, at, until = [], len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, at, until)
        if found < 0:
            return None
        values.append(text[at:found])
        at = found + len(part)
    return [*values, text[at:until]]


_PARTICLES = {"은(는)": "은는", "이(가)": "이가", "을(를)": "을를", "과(와)": "과와", "(으)로": ("으로", "로")}
_PARTICLE = re.compile(r"([가-힣])(['”\"]?)(은\(는\)|이\(가\)|을\(를\)|과\(와\)|\(으\)로)")


def particles(text: str) -> str:
    """Korean: the form of a particle that fits the syllable before it, which may end in a consonant or not."""

    def chosen(found: re.Match) -> str:
        syllable, quote, particle = found.groups()
        ending = (ord(syllable) - ord("가")) % 28
        closed = ending not in (0, 8) if particle == "(으)로" else ending != 0
        return syllable + quote + _PARTICLES[particle][0 if closed else 1]

    return _PARTICLE.sub(chosen, text)


LANGUAGES = {
    path.stem: Language(json.loads(path.read_text(encoding="utf-8")))
    for path in sorted((ASSETS / "text").glob("[a-z][a-z].json"))
}


def of(request: Any) -> str:
    """The language of a visitor, by the rule of Gradio in the browser: the first that is asked for, or English."""
    headers = getattr(request, "headers", None)
    asked = (headers.get("accept-language") or "") if headers is not None else ""
    code = re.split("[,;-]", asked.strip())[0].lower()
    return code if code in LANGUAGES else ENGLISH


# --- the page as it opens ---------------------------------------------------------------------


def properties(block: Block) -> Iterator[tuple[str, str]]:
    """Names and English texts of a component's properties that are words."""
    for name in (*WORDED, *(["value"] if isinstance(block, SHOWN) else [])):
        text = getattr(block, name, None)
        text = text.key if isinstance(text, I18nData) else text
        if isinstance(text, str) and text.strip():
            yield name, text


def texts(block: Block) -> set[str]:
    """What a component says when the page opens, in English."""
    choices = {choice[0] for choice in getattr(block, "choices", None) or ()}
    return choices | {text for _, text in properties(block)}


def on_the_page(page: gr.Blocks) -> gr.I18n:
    """The translations of everything that stands on a page."""
    said = sorted(set().union(*(texts(block) for block in visible(page))))
    found = {code: {text: language.page(text) for text in said} for code, language in LANGUAGES.items()}
    return gr.I18n(**{code: {k: v for k, v in known.items() if k != v} for code, known in found.items()})


def visible(page: gr.Blocks) -> list[Block]:
    """The components of a page, without those of the endpoints for programs."""
    named = [fn for fn in page.fns.values() if fn.api_visibility == "public"]
    hidden = {block._id for fn in named for block in (*fn.inputs, *fn.outputs)}
    return [block for block in page.blocks.values() if block._id not in hidden]


def script() -> str:
    """Tells the browser which language the page is in, for its voice and its fonts."""
    return f"""() => {{
  const code = navigator.language.split('-')[0].toLowerCase();
  document.documentElement.lang = {json.dumps(list(LANGUAGES))}.includes(code) ? code : '{ENGLISH}';
}}"""


# --- what is said later -----------------------------------------------------------------------

_spoken: ContextVar[str] = ContextVar("language", default=ENGLISH)


class Page(gr.Blocks):
    """Blocks in the visitor's language; the named endpoints stay English.

    words: translations of what stands on the page, for ``launch(i18n=...)``.
    """

    words: gr.I18n

    def __exit__(self, *error):
        """The page is complete: its English texts are the keys of their translations."""
        self.words = on_the_page(self)
        keys = set().union(*self.words.translations.values())
        for block in visible(self):
            for name, text in properties(block):
                if text in keys:
                    setattr(block, name, self.words(text))
        return super().__exit__(*error)

    async def process_api(self, block_fn, *args, request=None, **more):
        """An event: Gradio's one way from a request to an answer."""
        listener = self.fns[block_fn] if isinstance(block_fn, int) else block_fn
        spoken = _spoken.set(of(request) if listener.api_visibility == "private" else ENGLISH)
        try:
            return await super().process_api(block_fn, *args, request=request, **more)
        except gr.Error as error:
            if _spoken.get() in LANGUAGES:
                error.message = LANGUAGES[_spoken.get()].plain(str(error.message))
            raise
        finally:
            _spoken.reset(spoken)

    async def postprocess_data(self, block_fn, predictions, state):
        """An answer, before Gradio sends what has changed since the last."""
        data = await super().postprocess_data(block_fn, predictions, state)
        if _spoken.get() not in LANGUAGES:
            return data
        language = LANGUAGES[_spoken.get()]
        return [_translated(language, block, value) for block, value in zip(block_fn.outputs, data)]


def _translated(language: Language, block: Block, data: Any) -> Any:
    """What a component is sent: a value, or an update of its properties."""
    if isinstance(data, dict) and data.get("__type__") == "update":
        said = {name: language.plain(data[name]) for name in WORDED if isinstance(data.get(name), str)}
        if isinstance(data.get("sample_labels"), list):
            said["sample_labels"] = [language.plain(label) for label in data["sample_labels"]]
        if "value" in data:
            said["value"] = _translated(language, block, data["value"])
        return {**data, **said}
    if isinstance(data, str) and isinstance(block, SHOWN):
        return language.page(data)
    if isinstance(data, list) and isinstance(block, gr.Gallery):
        return [{**item, "caption": item.get("caption") and language.words(item["caption"])} for item in data]
    return data
