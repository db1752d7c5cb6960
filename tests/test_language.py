"""The page's translations: complete, with the same places, and by the visitor's language."""

import json
import re
from types import SimpleNamespace

import pytest
import sentences

from barbershop_core.compositing.expression import CONTROLS
from barbershop_core.editing.regions import REGIONS
from page import examples, language, ready, words
from page.language import LANGUAGES

KOREAN = LANGUAGES["ko"]
SAME = {"# Barbershop", "GIF", "MP4"}
"""What is the same in every language."""


@pytest.fixture(scope="module")
def standing():
    """The paragraphs that stand on the page when it opens, and the captions of its pictures."""
    import app

    found = set()
    for block in language.visible(app.demo):
        for text in language.texts(block):
            for paragraph in text.split("\n"):
                found |= set(sentences.pieces(paragraph)) if "<" in paragraph else {paragraph.strip()}
    found |= {row["title"] for row in examples.examples()} | {row["prompt"] for row in words.SUGGESTIONS}
    found |= {row["name"] for kind in ("style", "colour") for row in ready.rows(kind)}
    found |= {*REGIONS, *(name.replace("_", " ").capitalize() for name in CONTROLS)}
    return {text for text in found if sentences.says_something(text)} - SAME


def places(text: str) -> set[str]:
    return set(sentences.PLACE.findall(text))


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_text_of_the_page_is_translated(code, standing):
    missing = standing - set(LANGUAGES[code].texts)
    assert not missing, f"without a translation: {sorted(missing)}"


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_sentence_that_may_be_said_is_translated(code):
    said = sentences.sentences()
    assert len(said) > 250  # the collection itself works: sentences of errors, notices and progress are in it
    assert {"The file is empty.", "Photo {0} of {1}", "The photo shows {0} faces; {1} is used."} <= set(said)
    missing = set(said) - set(LANGUAGES[code].texts)
    assert not missing, f"without a translation: {sorted(missing)}"


@pytest.mark.parametrize("code", LANGUAGES)
def test_no_translation_is_of_a_text_that_is_gone(code, standing):
    lower = {text[:1].lower() + text[1:] for text in standing}
    stale = set(LANGUAGES[code].texts) - sentences.known() - set(sentences.sentences()) - standing - lower
    assert not stale, f"said nowhere: {sorted(stale)}"


@pytest.mark.parametrize("code", LANGUAGES)
def test_places_agree(code):
    grammar = sentences.sentences()
    for english, translation in LANGUAGES[code].texts.items():
        may_go = {f"{{{number}}}" for number in grammar.get(english, ())} | grammar_of(english)
        assert places(translation) <= places(english), english
        assert places(english) - may_go <= places(translation), english


def grammar_of(english: str) -> set[str]:
    """Places of fragments that are written in the middle of a sentence."""
    return {"{1}"} if english == "{0} channel{1} move" else set()


def test_every_translation_is_korean():
    for english, translation in KOREAN.texts.items():
        assert re.search("[가-힣]", translation) or not re.search("[A-Za-z]{2}", re.sub(r"\{\w+\}", "", english)), (
            english
        )
    polite = [text for text in KOREAN.texts.values() if re.search(r"다\.(\s|$)", text)]
    assert not polite, "one style of speech throughout: 해요"


@pytest.mark.parametrize("code", LANGUAGES)
def test_each_sentence_finds_its_own_translation(code):
    """Places filled with words that are nowhere else: no other template takes the sentence."""
    found = LANGUAGES[code]
    for english in sentences.sentences():
        filled = re.sub(r"\{(\w+)\}", lambda place: f"x{place[1]}y", english)
        expected = re.sub(r"\{(\w+)\}", lambda place: f"x{place[1]}y", found.texts[english])
        said = found.plain(filled)
        assert said[1:] == language.particles(expected)[1:] and said[0].lower() == expected[0].lower(), english


@pytest.mark.parametrize("code", LANGUAGES)
def test_values_of_controls_are_no_words_of_the_page(code):
    """Gradio looks up values, too: one that is a text of the page would become another value."""
    import app

    known = app.demo.words.translations[code]
    for block in language.visible(app.demo):
        if not isinstance(block, language.SHOWN) and isinstance(getattr(block, "value", None), str):
            assert block.value not in known, block.elem_id


@pytest.mark.parametrize(
    ("english", "korean"),
    [
        ("The person photo is missing. Give one.", "인물 사진이 없어요. 하나를 주세요."),
        (
            "The face looks 50 degrees down. Use a photo that looks straight into the camera.",
            "얼굴이 아래로 50도 향하고 있어요. 카메라를 똑바로 보는 사진을 쓰세요.",
        ),
        ("There is no region 'hair. And more'.", "'hair. And more' 부위는 없어요."),
        ("Download photo (640 × 480)", "사진 내려받기 (640 × 480)"),
        ("1 other is waiting already.", "이미 1명이 기다리고 있어요."),
        (
            "Person photo: Faces were not detected (there is no face landmark file); the middle of the photo was cut "
            "out. For a better result crop the photo to a square around the head.",
            "인물 사진: 얼굴을 찾지 않고(얼굴 기준점 파일이 없음) 사진의 가운데를 잘라 썼어요. "
            "머리 둘레를 정사각형으로 잘라서 올리면 결과가 더 좋아요.",
        ),
        ("What nobody has ever said. The file is empty.", "What nobody has ever said. 파일이 비어 있어요."),
    ],
)
def test_sentences_with_values(english, korean):
    assert KOREAN.plain(english) == korean


def test_html_keeps_its_tags_and_escapes():
    assert KOREAN.page("<p>Done in 3.2 s.</p>") == "<p>3.2초 만에 끝났어요.</p>"
    shown = KOREAN.page("<p>There is no region &#x27;&lt;b&gt;&#x27;.</p>")
    assert shown == "<p>&#x27;&lt;b&gt;&#x27; 부위는 없어요.</p>"
    picture = f'<img src="data:,{"A" * 100_000}" alt="a ball under this light">'
    assert KOREAN.page(picture) == picture.replace("a ball under this light", "이 조명을 받은 공")
    assert KOREAN.page("<p>my &lt;own&gt; words</p>") == "<p>my &lt;own&gt; words</p>"


def test_a_long_text_takes_no_time():
    KOREAN.page("<p>" + "There is no ' of photo: " * 4000 + "</p>")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("사진을(를)", "사진을"),
        ("머리을(를)", "머리를"),
        ("'물'(으)로", "'물'로"),
        ("눈(으)로", "눈으로"),
        ("x을(를)", "x을(를)"),
    ],
)
def test_particles(text, expected):
    assert language.particles(text) == expected


@pytest.mark.parametrize(
    ("asked", "code"),
    [("ko-KR,ko;q=0.9,en;q=0.8", "ko"), ("ko", "ko"), ("en-US,ko;q=0.5", "en"), ("xx", "en"), ("", "en"), (None, "en")],
)
def test_the_first_language_that_is_asked_for(asked, code):
    headers = {} if asked is None else {"accept-language": asked}
    assert language.of(SimpleNamespace(headers=headers)) == code
    assert language.of(None) == "en"


def test_a_malformed_request_is_still_told_from_a_fault_of_the_page():
    import app
    from page.api import refusals

    endpoint = next(fn for fn in app.demo.fns.values() if fn.api_name == "embed")
    with pytest.raises(Exception) as caught:
        app.demo.process_api(block_fn=endpoint, inputs=[]).send(None)  # it is refused before it waits for anything
    assert refusals.sentence(caught.value) == refusals.FORM


def test_the_files_are_plain_text():
    for path in (sentences.ROOT / "assets" / "text").glob("[a-z][a-z].json"):
        texts = json.loads(path.read_text(encoding="utf-8"))
        assert all(isinstance(text, str) and text.strip() for pair in texts.items() for text in pair)
