/** The browser client of the rtmon hub. See rtmon.d.ts and docs/browser.md. */
