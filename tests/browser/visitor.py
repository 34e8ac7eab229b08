"""Actions of a user on the chat page, for tests."""

from __future__ import annotations

from playwright.async_api import Page, expect

from .conftest import Tab

CONTRAST = """() => {
  const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = color;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data].map((part) => part / 255);
  };
  const over = ([r, g, b, a], behind) => [r, g, b].map((part, i) => part * a + behind[i] * (1 - a));
  const behind = (element) =>
    element ? over(rgba(getComputedStyle(element).backgroundColor), behind(element.parentElement))
            : [1, 1, 1];
  const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes].filter((node) => node.nodeType === 3 && node.data.trim());
    if (!text.length || !element.checkVisibility({ visibilityProperty: true })) continue;
    const ground = behind(element);
    const ink = over(rgba(getComputedStyle(element).color), ground);
    const [one, other] = [light(ink), light(ground)];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (contrast < 4.5) found.push(`${contrast.toFixed(2)} ${element.className} ${text[0].data}`);
  }
  return found;
}"""


class Visitor:
    """A user of the chat page in a browser tab."""

    def __init__(self, tab: Tab) -> None:
        self.tab = tab
        self.page: Page = tab.page
        self.rows = self.page.locator("#rows .words")

    async def enters(self, name: str, room: str | None = None) -> Visitor:
        """Choose a name, and join a room if one is given."""
        await self.page.fill("#hello-field", name)
        await self.page.keyboard.press("Enter")
        await expect(self.page.locator("#pill-state")).to_have_text("Live")
        if room is not None:
            await self.page.click("#open-join")
            await self.page.fill("#join-field", room)
            await self.page.keyboard.press("Enter")
            await expect(self.page.locator("#talk-title")).to_have_text(room)
            await expect(self.page.locator("#crowd .you")).to_be_visible()
        return self

    async def says(self, text: str) -> None:
        """Type a message, and press Enter."""
        await self.page.fill("#field", text)
        await self.page.locator("#field").press("Enter")

    async def is_(self, state: str) -> None:
        """Wait until the page's connection state has this text, such as "Live"."""
        await expect(self.page.locator("#pill-state")).to_have_text(state)

    async def tries_now(self) -> None:
        """Click the reconnect button by script, since the page hides it when it reconnects by
        itself.
        """
        await self.page.evaluate("document.getElementById('again').click()")

    async def faint(self) -> list[str]:
        """Return the texts whose contrast to their background is below 4.5 (WCAG 2.2, 1.4.3)."""
        found: list[str] = await self.page.evaluate(CONTRAST)
        return found

    def forgive(self) -> None:
        """Ignore the errors that Chromium logs while a server is unreachable."""
        self.tab.console[:] = [
            line for line in self.tab.console if not line.startswith("WebSocket connection to")
        ]
