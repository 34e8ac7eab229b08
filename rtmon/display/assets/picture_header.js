// A picture's header: the data's source and freshness, and buttons.
class PictureHeader {
  #pill = element("span", {class: "pill"})
  #name = element("span", {})
  #time = element("time", {})
  #source = element("span", {class: "source"}, this.#name, " · ", this.#time)
  #banner = element("div", {class: "banner", role: "status", "aria-live": "polite"})
  #pause = element("button", {type: "button", class: "pause"})
  #windows

  // The first argument is the picture's layout. does: functions of the buttons. choose(seconds) sets
  // the charts' time span, hold() pauses or resumes, save() downloads the samples.
  constructor({windows, csv, charts}, does) {
    const brand = element("div", {class: "brand"})
    brand.innerHTML = MARK
    brand.append("rtmon")
    this.#windows = windows.map(([seconds, label]) => {
      const button = element("button", {type: "button", title: `Show the last ${label}`}, label)
      button.onclick = () => does.choose(seconds)
      return [seconds, button]
    })
    this.#pause.onclick = () => does.hold()
    const save = element("button", {type: "button", class: "csv", title: "Download the samples as CSV"}, "CSV")
    save.onclick = () => does.save()
    const tools = element("div", {class: "tools"})
    if (windows.length > 1) tools.append(element("div", {class: "group", role: "group", "aria-label": "Time shown on the charts"}, ...this.#windows.map(([, button]) => button)))
    if (charts.length > 0) tools.append(this.#pause)
    if (csv) tools.append(save)
    this.node = element("div", {class: "bar"}, element("header", {}, brand, this.#pill, this.#source, tools), this.#banner)
  }

  // time: time of the shown data in milliseconds. window: time span of the charts in seconds.
  draw({freshness: {kind, pill, banner}, source, time, window, held}) {
    this.#pill.className = `pill ${kind}`
    write(this.#pill, pill)
    this.#banner.className = `banner ${kind}`
    write(this.#banner, banner)
    write(this.#name, source)
    this.#name.title = source
    write(this.#time, clockText(time))
    this.#time.title = utcText(time)
    for (const [seconds, button] of this.#windows) button.setAttribute("aria-pressed", String(seconds === window))
    write(this.#pause, held ? "Resume" : "Pause")
    this.#pause.setAttribute("aria-pressed", String(held))
    this.#pause.title = held ? "Go on and catch up" : "Hold what is shown; nothing is lost"
  }
}
