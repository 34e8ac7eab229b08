// A chart over time: title, legend with the values at one moment, and plot. Charts that share a
// TimeAxis show the same time range. While the pointer is on one of them, the legends of all show
// the values at the moment under the pointer.
const SHORTEST = 2000  // shortest time range that a viewer can select, milliseconds
const NAMED = 6  // maximum number of series in a legend; the others are shown as one sum

class Chart {
  #layout
  #axis
  #options
  #plot
  #values
  #told
  #others = element("span", {})  // legend entry for the series that have no entry of their own
  #time = element("time", {})
  #quiet = element("p", {class: "quiet"})
  #drag = null  // [start, end] of the time range that the viewer is selecting, or null
  #says = true
  #leave
  onsilent = null  // called with true when the chart folds to one line, with false when it unfolds

  // layout: a ChartLayout of rtmon/views/chart_json.py. axis: a TimeAxis. options, all optional:
  // address: link of the title; choose(begin, end): called when the viewer has selected a time
  // range, in milliseconds; marks(): returns the events to mark, each with time, kind and text;
  // open(time): called when the viewer clicks a mark; folds: true if the chart shrinks to one line
  // while all its values are 0 or unknown.
  constructor(layout, axis, options = {}) {
    this.#layout = layout
    this.#axis = axis
    this.#options = options
    this.#values = layout.series.map(() => element("b", {}))
    this.legend = layout.series.map((series, at) => {
      const line = element("i", {"aria-hidden": "true"})
      line.innerHTML = `<svg width="14" height="8"><path d="M0 4H14" stroke="${series.color}" stroke-width="2.4" stroke-dasharray="${series.dash}"/></svg>`
      return element("span", {}, line, layout.series.length > 1 ? series.label : "", this.#values[at])
    })
    const title = element("h2", {}, options.address ? element("a", {href: options.address, title: "This chart alone"}, layout.title) : layout.title)
    if (layout.unit) title.append(" ", element("small", {}, layout.unit))
    this.#plot = element("div", {class: "plot", role: "img"})
    this.#told = element("header", {"aria-atomic": "true"}, title, this.#time, element("div", {class: "legend"}, ...this.legend, this.#others))
    this.node = element("section", {class: "card chart", "data-chart": layout.key}, this.#told, this.#plot, this.#quiet)
    this.#plot.addEventListener("pointermove", (event) => this.#move(event))
    this.#plot.addEventListener("pointerleave", () => { if (this.#drag === null) axis.point(null) })
    if (options.choose) this.#listen()
    this.#leave = axis.onchange(() => this.draw())
    this.resized = new ResizeObserver(() => this.draw())
    this.resized.observe(this.#plot)
  }

  close() {
    this.#leave()
    this.resized.disconnect()
  }

  get tall() { return this.node.classList.contains("tall") }

  draw() {
    const {pointer, live} = this.#axis
    const points = pointsIn(this.#axis, this.#layout.series)
    const {time, lines, spread} = points
    const at = pointer === null ? time.length - 1 : nearest(time, pointer)
    this.#legend(time, lines, at)
    this.#plot.dataset.points = time.length
    this.#plot.setAttribute("aria-label", `${this.#layout.title}, as a chart over time. ${lines.map((values, index) => this.#inWords(values, spread[index], index)).join("; ")}.`)
    const unknown = lines.every((values) => values.every((value) => !known(value)))
    const note = time.length > 0 ? "not measured in this time" : live ? "no numbers yet" : "no numbers of this time"
    const says = this.#hasToSay(points, unknown)
    if (this.node.classList.toggle("silent", !says) === this.#says) {
      this.#says = says
      this.onsilent?.(!says)
    }
    this.#quiet.textContent = unknown ? note : "nothing in this time"
    if (!says || this.#plot.clientWidth === 0) return
    const plot = new Plot(this.#layout, this.#axis, points, {width: this.#plot.clientWidth, height: this.#plot.clientHeight})
    this.#plot.innerHTML = plot.svg({at: pointer === null ? null : at, range: this.#drag, marks: this.#options.marks?.(), note})
  }

  // Return false if the chart shall fold to one line: all its values are 0 or unknown.
  #hasToSay({time, lines}, unknown) {
    const silent = time.length > 0 && lines.every((values) => values.every((value) => !value))
    return !this.#options.folds || !silent || this.tall || (this.#layout.always && !unknown) || ["open", "messages", "bandwidth"].includes(this.#layout.key)
  }

  // Describe a series for a screen reader: its last value, and its range in the time shown.
  #inWords(values, [lows, highs], index) {
    const all = [...values, ...lows, ...highs].filter(known)
    const {label} = this.#layout.series[index]
    if (all.length === 0) return `${label} not known`
    const [low, high] = [Math.min(...all), Math.max(...all)].map((value) => valueText(this.#layout, value))
    return `${label} ${valueText(this.#layout, values.at(-1))}${low === high ? "" : `, from ${low} to ${high}`}`
  }

  #legend(time, lines, at) {
    const pointed = this.#axis.pointer !== null && time.length > 0
    write(this.#time, pointed ? timeText(this.#axis, time[at]) : "")
    if (!this.#axis.elapsed) this.#time.title = pointed ? utcText(time[at]) : ""
    lines.forEach((values, index) => write(this.#values[index], shortText(this.#layout, values[at])))
    this.#shorten(lines, at)
  }

  // Of many series, the legend lists those with the largest sums in the time shown, as many as fit
  // on one line. The others get one entry with the sum of their values.
  #shorten(lines, at) {
    this.#others.hidden = true
    if (lines.length <= NAMED) return
    const totals = lines.map((values) => values.reduce((sum, value) => sum + (value ?? 0), 0))
    const ranked = lines.map((_, index) => index).filter((index) => totals[index] > 0).sort((a, b) => totals[b] - totals[a])
    const ends = []  // right edge of each entry, pixels
    for (const index of ranked) ends.push((ends.at(-1) ?? 0) + (this.#layout.series[index].label.length + 5) * LETTER + 26)
    const room = this.#plot.clientWidth - 80
    const fit = this.tall ? ends.length : Math.max(1, Math.min(NAMED, ends.filter((end) => end <= room).length))
    const named = ranked.slice(0, fit), others = ranked.slice(fit)
    this.legend.forEach((node, index) => { node.hidden = !named.includes(index) })
    if (others.length === 0) return
    this.#others.hidden = false
    fill(this.#others, `${others.length} other `, element("b", {}, shortText(this.#layout, others.reduce((sum, index) => sum + (lines[index][at] ?? 0), 0))))
    this.#others.title = others.map((index) => `${this.#layout.series[index].label} ${shortText(this.#layout, lines[index][at])}`).join(", ")
  }

  // Let the viewer select a time range by mouse, touch or keyboard. If a touch turns out to scroll
  // the page, the browser sends "pointercancel", which cancels the selection.
  #listen() {
    const plot = this.#plot
    plot.tabIndex = 0
    plot.addEventListener("pointerdown", (event) => this.#grab(event))
    plot.addEventListener("pointerup", (event) => this.#release(event))
    plot.addEventListener("pointercancel", () => this.#giveUp())
    plot.addEventListener("dblclick", () => this.#axis.back())
    plot.addEventListener("keydown", (event) => this.#step(event))
    plot.addEventListener("blur", () => { this.#told.removeAttribute("aria-live"); this.#giveUp() })
  }

  #giveUp() {
    this.#drag = null
    this.#axis.point(null)
  }

  #moment({offsetX}) {
    const {begin, end} = this.#axis
    return begin + (Math.min(Math.max(offsetX, LEFT), this.#plot.clientWidth - RIGHT) - LEFT) / (this.#plot.clientWidth - LEFT - RIGHT) * (end - begin)
  }

  #move(event) {
    if (this.#drag !== null) this.#drag[1] = this.#moment(event)
    this.#axis.point(this.#moment(event))
  }

  #grab(event) {
    if (event.button !== 0 || event.target.closest(".mark")) return
    this.#plot.setPointerCapture(event.pointerId)
    this.#drag = [this.#moment(event), this.#moment(event)]
  }

  #release({target}) {
    const mark = this.#drag === null ? target.closest(".mark") : null
    if (mark !== null) this.#options.open?.(Number(mark.dataset.time))
    else this.#choose((this.#axis.end - this.#axis.begin) / 50)  // a shorter drag is a click with a shaky hand
  }

  // Pass the selected time range to options.choose(), unless the range is shorter than `least` ms.
  #choose(least) {
    const drag = this.#drag
    this.#drag = null
    if (drag === null) return
    const [begin, end] = drag.sort((a, b) => a - b)
    if (end - begin >= Math.max(SHORTEST, least)) this.#options.choose(begin, end)
    else this.draw()
  }

  // Keyboard control. Left and right arrow move the moment whose values the legends show; with
  // shift they select a time range. Enter shows the selected range, Escape cancels the selection.
  // Escape without a selection goes back from a past range.
  #step(event) {
    const by = {ArrowLeft: -1, ArrowRight: 1}[event.key]
    if (event.key === "Enter") this.#choose(0)
    else if (event.key === "Escape" && this.#drag === null && !this.#axis.live) this.#axis.back()
    else if (event.key === "Escape") { this.#drag = null; this.draw() }
    else if (by === undefined) return
    event.preventDefault()
    if (by === undefined) return
    this.#told.setAttribute("aria-live", "polite")
    const {begin, end, pointer} = this.#axis
    const from = pointer ?? end
    const moved = Math.min(end, Math.max(begin, from + by * (end - begin) / 60))
    this.#drag = event.shiftKey ? [this.#drag?.[0] ?? from, moved] : null
    this.#axis.point(moved)
  }
}
