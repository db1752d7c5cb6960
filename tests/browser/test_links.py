"""Links that open a setting or an example."""

from visitor import WAIT


def opened(chromium, app, query: str):
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(WAIT)
    page.goto(f"{app.url}/?{query}")
    page.wait_for_selector("#task")
    return page


def test_a_link_fills_the_words(chromium, app):
    page = opened(chromium, app, "words=curly+hair&instead=straight+hair&preset=paper")
    page.wait_for_function("document.querySelector('#prompt textarea, #prompt input')?.value === 'curly hair'")
    page.wait_for_function("document.querySelector('#neutral textarea, #neutral input').value === 'straight hair'")
    assert page.get_by_role("tab", name="Words", exact=True).get_attribute("aria-selected") == "true"
    page.get_by_role("tab", name="Hair", exact=True).click()
    assert page.locator("#preset").get_by_label("As published").is_checked()
    page.close()


def test_a_link_chooses_hair_and_an_example(chromium, app):
    page = opened(chromium, app, "style=bob&colour=%233050a0")
    page.locator("#hair_shape img").first.wait_for()
    page.locator("#hair_color img").first.wait_for()
    page.close()
    page = opened(chromium, app, "example=2")
    page.locator("#status", has_text="Stored example: Lady Agnew").wait_for()
    page.close()


def test_nonsense_in_a_link_is_left_alone(chromium, app):
    page = opened(chromium, app, "tab=kitchen&example=-1&preset=slow&colour=%23zz&style=none&face=/etc/passwd")
    page.wait_for_selector("#run")
    page.wait_for_timeout(2000)
    assert page.get_by_role("tab", name="Hair", exact=True).get_attribute("aria-selected") == "true"
    assert page.locator("#face img").count() == 0 and "result will appear" in page.locator("#status").inner_text()
    page.close()
