// The head of a view: its source, how fresh its numbers are, and the buttons.
const MARK = '<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d="M2 13h4l3-8 5 15 3.2-9 1.4 2H22"/></svg>'
const SUN = '<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" aria-hidden="true"><circle cx="12" cy="12" r="4"/><path d="M12 2v2m0 16v2M2 12h2m16 0h2M5 5l1.4 1.4m11.2 11.2L19 19M5 19l1.4-1.4M17.6 6.4L19 5"/></svg>'
const MOON = '<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linejoin="round" aria-hidden="true"><path d="M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z"/></svg>'

export function render({model, el}) {
  const brand = element("div", {class: "brand"})
  brand.innerHTML = MARK
  brand.append("rtmon")
  const pill = element("span", {class: "pill"})
  const source = element("span", {class: "source"})
  const banner = element("div", {class: "banner", role: "status", "aria-live": "polite"})
  const tools = element("div", {class: "tools"})

  const group = element("div", {class: "group", role: "group", "aria-label": "Time shown on the charts"})
  const spans = model.windows.map(([seconds, label]) => {
    const button = element("button", {type: "button", title: `Show the last ${label}`}, label)
    button.onclick = () => { model.window = seconds }
    group.append(button)
    return [seconds, button]
  })

  const pause = element("button", {type: "button", class: "pause"})
  pause.onclick = () => { model.paused = !model.paused }
  const csv = element("button", {type: "button", class: "csv", title: "Download the samples as CSV"}, "CSV")
  csv.onclick = () => model.send_msg("csv")
  if (model.windows.length > 1) tools.append(group)
  if (model.pausable) tools.append(pause)
  if (model.csv) tools.append(csv)

  if (model.themed) {
    const theme = element("button", {type: "button", class: "theme"})
    const show = () => {
      const dark = document.documentElement.dataset.theme === "dark"
      theme.innerHTML = dark ? SUN : MOON
      const label = dark ? "Change to light colours" : "Change to dark colours"
      theme.setAttribute("aria-label", label)
      theme.title = label
    }
    theme.onclick = () => window.rtmonTheme.toggle()
    window.addEventListener("rtmon-theme", show)
    model.on("remove", () => window.removeEventListener("rtmon-theme", show))
    show()
    tools.append(theme)
  }

  el.append(element("header", {}, brand, pill, source, tools), banner)

  const drawFreshness = () => {
    const {kind, pill: text, banner: sentence} = model.freshness
    pill.className = `pill ${kind}`
    pill.textContent = text
    banner.className = `banner ${kind}`
    if (banner.textContent !== sentence) banner.textContent = sentence
  }
  const drawSource = () => { source.textContent = model.source; source.title = model.source }
  const drawPaused = () => {
    pause.textContent = model.paused ? "Resume" : "Pause"
    pause.setAttribute("aria-pressed", String(model.paused))
    pause.title = model.paused ? "Go on and catch up" : "Hold what is shown; nothing is lost"
  }
  const drawWindow = () => {
    for (const [seconds, button] of spans) button.setAttribute("aria-pressed", String(seconds === model.window))
  }
  model.on("freshness", drawFreshness)
  model.on("source", drawSource)
  model.on("paused", drawPaused)
  model.on("window", drawWindow)
  model.on("msg:custom", download)
  drawFreshness(); drawSource(); drawPaused(); drawWindow()
}
