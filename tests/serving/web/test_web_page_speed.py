"""The page is quick: the first paint, and a stream of 200 tokens per second after 90,000 characters of thoughts."""

import pytest

from support.browser_pages import expect, until

pytestmark = pytest.mark.alone

WATCH = """() => {
    window.long = [];
    new PerformanceObserver((list) => window.long.push(...list.getEntries().map((one) => one.duration)))
        .observe({ type: "longtask", buffered: false });
    window.frames = 0;
    const count = () => { window.frames += 1; requestAnimationFrame(count); };
    count();
    window.begun = performance.now();
}"""


def test_the_first_paint_comes_within_half_a_second(page, address):
    page.goto(address)
    expect(page.get_by_role("heading", name="What should be planned?")).to_be_visible()
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    assert paint < 500
    page.reload()
    until(page, "performance.getEntriesByName('first-contentful-paint').length")
    loaded = page.evaluate("performance.getEntriesByType('resource').reduce((sum, one) => sum + one.transferSize, 0)")
    assert loaded < 50_000, "modules and style come from the cache"


@pytest.mark.parametrize("opened", [False, True], ids=["folded", "opened"])
def test_long_thoughts_do_not_block_the_page(ask, opened):
    page = ask("Think. [[longthought]]", wait=False)
    expect(page.locator(".thought .preview")).to_contain_text("word")
    if opened:
        page.locator(".thought summary").click()
    page.evaluate(WATCH)
    expect(page.locator(".answer-text")).to_contain_text("It is 1.")
    seconds = page.evaluate("(performance.now() - window.begun) / 1000")
    longest = max(page.evaluate("window.long"), default=0)
    frames = page.evaluate("window.frames") / seconds
    assert longest < 200, "milliseconds"
    assert frames > 30, "frames per second"
    if not opened:
        page.locator(".thought summary").click()
    expect(page.locator(".thought-text")).to_contain_text("word09999")
