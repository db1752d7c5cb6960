"""The page in the visitor's language, from upload to download."""

import re

import pytest
from visitor import WAIT, download, photo, tab, upload

HANGUL = re.compile("[가-힣]")


def opened(chromium, app, locale: str, **more):
    context = chromium.new_context(locale=locale, viewport={"width": 1280, "height": 900}, **more)
    page = context.new_page()
    page.set_default_timeout(WAIT)
    page.goto(app.url)
    page.wait_for_selector("#run")
    return page


def test_korean_from_upload_to_download(chromium, app, tmp_path):
    page = opened(chromium, app, "ko-KR", accept_downloads=True)
    page.locator("#run", has_text="실행").wait_for()
    page.wait_for_function("document.documentElement.lang === 'ko'")
    assert page.get_by_role("tab").all_inner_texts() == ["헤어", "얼굴 바꾸기", "글로 편집", "포즈와 조명"]
    for shown in ("결과가 여기에", "인물 사진부터", "또는 내 사진에서", "동의한 사람의 사진만"):
        page.get_by_text(shown).first.wait_for()
    page.locator("#preset").get_by_text("꼼꼼하게").wait_for()
    page.locator("#styles").get_by_text("짧은 웨이브").wait_for()
    page.locator("#examples").get_by_text("고개를 돌리는 소녀").wait_for()
    assert page.locator("#before_after img").first.get_attribute("alt") == "모나리자"

    # an error: in the status and as a toast
    page.click("#run")
    page.locator("#status .problem", has_text="인물 사진이 없어요. 첫 번째 칸에 올려 주세요.").wait_for()
    page.locator(".toast-body", has_text="인물 사진이 없어요.").wait_for()
    empty = tmp_path / "empty.png"
    empty.write_bytes(b"\x89PNG\r\n\x1a\n")
    page.set_input_files("#face input[type=file]", empty)
    page.locator(".note .problem", has_text="손상").first.wait_for()

    upload(page, "face", photo(tmp_path / "me.png", 90))
    page.locator(".note", has_text="가운데를 잘라").first.wait_for()
    page.evaluate(
        """() => { window.said = new Set();
        new MutationObserver(() => said.add(document.querySelector('#status').innerText)).observe(
          document.querySelector('#status'), {childList: true, subtree: true, characterData: true}) }"""
    )
    upload(page, "hair_shape", photo(tmp_path / "shape.png", 91))
    page.click("#run")
    page.locator("#status", has_text=re.compile(r"[\d.]+초 만에 끝났어요")).wait_for()
    said = "\n".join(page.evaluate("[...said]"))
    assert re.search("사진 2장 중 [12]번째", said)
    assert not re.search("Photo|left|Starting|about", said)
    page.locator("#chain", has_text="편집 기록").wait_for()
    page.locator("#result", has_text="편집 전").wait_for()
    page.locator("#history").get_by_text("머리 모양").wait_for()
    page.locator("#chain_note", has_text="1단계, 머리 모양").wait_for()
    page.locator("#download_photo", has_text=re.compile(r"사진 내려받기 \(\d+ × \d+\)")).wait_for()
    page.locator("#details button.label-wrap").click()
    page.locator("#scores", has_text="얼굴 사진 복원").wait_for()
    download(page, tmp_path / "new.png", "transfer")

    # programs are answered in English
    asked = {"accept-language": "ko-KR", "content-type": "application/json"}
    call = page.request.post(f"{app.url}/gradio_api/call/embed", data='{"data": [null]}', headers=asked).json()
    answer = page.request.get(f"{app.url}/gradio_api/call/embed/{call['event_id']}", headers=asked).text()
    assert "The person photo is missing. Give one." in answer and not HANGUL.search(answer)

    # the regions' names choose the brush's colour, and choices keep their values
    page.locator("#paint button.label-wrap").first.click()
    page.locator("#legend button", has_text="머리카락").click()
    assert page.locator("#legend button[aria-pressed=true]").inner_text() == "머리카락"
    tab(page, "글로 편집")
    page.locator("#suggestions").get_by_text("곱슬머리").click()  # what is written is English, as the network reads it
    page.wait_for_function("document.querySelector('#prompt textarea, #prompt input').value === 'curly hair'")
    page.locator("#slot_0").wait_for()
    page.locator("#status", has_text="슬라이더를 움직여 보세요").wait_for()
    page.context.close()


def test_french(chromium, app):
    page = opened(chromium, app, "fr-CA")
    page.locator("#styles").get_by_text("Ondulés courts").wait_for()
    assert page.get_by_role("tab").all_inner_texts() == ["Cheveux", "Visage", "Mots", "Pose et lumière"]
    page.click("#run")
    page.locator("#status .problem", has_text="La photo de la personne manque.").wait_for()
    page.context.close()


@pytest.mark.parametrize("locale", ["en-US", "sw-KE"])
def test_english_for_everybody_else(chromium, app, tmp_path, locale):
    page = opened(chromium, app, locale)
    page.locator("#styles").get_by_text("Short waves").wait_for()
    assert page.get_by_role("tab").all_inner_texts() == ["Hair", "Face swap", "Words", "Pose & light"]
    assert page.evaluate("document.documentElement.lang") == "en"
    page.click("#run")
    page.locator("#status .problem", has_text="The photo of the person is missing.").wait_for()
    assert not HANGUL.search(page.locator("body").inner_text())
    page.context.close()


def test_waiting_is_told_in_korean(chromium, impatient_app, tmp_path):
    from test_waiting import fill_the_line

    pages = []
    for seed in range(3):
        page = opened(chromium, impatient_app, "ko-KR" if seed else "en-US")
        upload(page, "face", photo(tmp_path / f"{seed}.png", 95 + seed))
        upload(page, "hair_color", photo(tmp_path / f"colour {seed}.png", 85 + seed))
        page.locator("#preview img").wait_for()
        pages.append(page)
    first, second, third = pages
    fill_the_line(first, second, "대기 중: 앞에 1명")
    third.click("#run")
    third.locator("#status .problem", has_text=re.compile(r"이미 1명이 기다리고 있어요\. .* 약 \d+분 뒤에")).wait_for()
    second.click("#stop")
    second.locator("#status", has_text="중지했어요.").wait_for()
    for page in pages:
        page.context.close()
