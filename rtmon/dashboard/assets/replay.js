// The time bar of a recording: slider, playback controls, and marks for events.
const SPEEDS = [1, 5, 20, 60]  // playback speeds, the same as in rtmon/dashboard/replay_clock.py
const LAST = ["connections", "connection", "channels"]  // pages whose numbers a recording contains only in their last state
const SIGNS = {play: "M3 1.5L13 8L3 14.5Z", halt: "M3 2H6.5V14H3ZM9.5 2H13V14H9.5Z", before: "M13 2L5.5 8L13 14ZM3 2H5V14H3Z", after: "M3 2L10.5 8L3 14ZM11 2H13V14H11Z"}

class TimeBar {
  #app
  #state = null
  #at = null  // the replay position in the URL, Unix seconds; null for the end
  #turn = 0  // number of the last seek request
  #next  // position to seek to after the last seek request has been answered
  #dragging = false
  #marks = null  // null before the server has sent the marks
  #jumps  // the buttons for the previous and the next mark
  #marked = null  // end of the recording at the last request for marks
  #speed = 1
  #play = element("button", {type: "button", class: "play", "aria-keyshortcuts": "p"})
  #slider = element("input", {type: "range", step: "1", "aria-label": "Time of the recording"})
  #track = element("div", {class: "marks", "aria-hidden": "true"})
  #shown = element("span", {class: "moment"})
  #ends = [element("small", {}), element("small", {})]
  #end = element("button", {type: "button", class: "end", "aria-keyshortcuts": "e"}, "Jump to the end")
  #caveat = element("p", {class: "caveat"}, "Who was there is as of this moment; what each connection or channel has counted is the last that was recorded.")
  #speeds

  constructor(app) {
    this.#app = app
    this.#play.onclick = () => this.toggle()
    this.#end.onclick = () => this.#go(null)
    this.#slider.oninput = () => this.#go(Number(this.#slider.value))
    this.#slider.addEventListener("pointerdown", () => { this.#dragging = true })
    for (const done of ["pointerup", "pointercancel", "change"]) this.#slider.addEventListener(done, () => { this.#dragging = false })
    this.#speeds = SPEEDS.map((speed) => {
      const button = element("button", {type: "button", title: `${speed} s of the recording in a second`}, `${speed}×`)
      button.onclick = () => this.#choose(speed)
      return button
    })
    const jump = (by, sign, label, key) => {
      const button = element("button", {type: "button", title: `${label} (${key})`, "aria-label": label, "aria-keyshortcuts": key})
      button.innerHTML = signOf(sign)
      button.onclick = () => this.jump(by)
      button.disabled = true
      return button
    }
    this.#jumps = [jump(-1, "before", "The event before", "b"), jump(1, "after", "The event after", "n")]
    this.node = element("section", {class: "replay", "aria-label": "Time of the recording"},
      element("div", {class: "group"}, this.#jumps[0], this.#play, this.#jumps[1]),
      element("div", {class: "group speeds", role: "group", "aria-label": "Speed"}, ...this.#speeds),
      element("div", {class: "track"}, this.#track, this.#slider, element("div", {class: "ends"}, ...this.#ends)),
      this.#shown, this.#end, this.#caveat)
    this.node.hidden = true
  }

  get at() { return this.#at }
  get shown() { return this.#state !== null }
  get playing() { return (this.#state?.speed ?? 0) > 0 }

  // Seek to the position in the URL, if it has changed.
  arrive(params) {
    const at = momentOf(params.get("at"))
    if (at === this.#at) return
    this.#at = at
    this.#seek()
  }

  // After a reconnect, the server's replay position is the end. Seek to the present position again.
  reopen() {
    this.#turn = 0
    if (this.#at !== null) this.#seek()
  }

  // Handle an update's replay state; returns false if the update is older than the last seek.
  take({replay}) {
    if (replay === undefined) return true
    if (replay.turn < this.#turn) return false
    this.#state = replay
    if (this.#next !== undefined) this.#seek()
    else if (replay.at !== this.#at) this.#name(replay.at)
    if (this.playing) this.#speed = replay.speed
    this.#mark()
    this.#draw()
    return true
  }

  toggle() {
    if (this.#state === null) return
    this.#say(this.playing ? 0 : this.#speed)
  }

  step(seconds) {
    if (this.#state === null) return
    const {begin, end} = this.#state
    this.#go(Math.min(end, Math.max(begin, (this.#at ?? end) + seconds)))
  }

  // Seek to the previous mark (by < 0) or the next mark.
  jump(by) {
    if (this.#state === null || this.#marks === null) return
    const now = this.#at ?? this.#state.end
    const found = by < 0 ? this.#marks.findLast(({time}) => time < now - 0.5) : this.#marks.find(({time}) => time > now + 0.5)
    if (found !== undefined) this.#go(Math.ceil(found.time))
    else this.#go(by < 0 ? this.#state.begin : null)
  }

  toEnd() { if (this.#state !== null) this.#go(null) }

  #choose(speed) {
    this.#speed = speed
    if (this.playing) this.#say(speed)
    this.#draw()
  }

  #say(speed) {
    this.#app.link.say({do: "play", speed})
    this.#state = {...this.#state, speed}
    this.#draw()
  }

  #go(at) {
    this.#name(at)
    if (this.#state.turn < this.#turn) this.#next = at
    else this.#seek()
    this.#draw()
  }

  #seek() {
    this.#next = undefined
    this.#turn += 1
    this.#app.link.say({do: "seek", at: this.#at, id: this.#turn})
  }

  // Write the position into the URL. If it is outside the charts' time range, remove the range.
  #name(at) {
    this.#at = at
    const {axis} = this.#app
    const outside = !axis.live && at !== null && (at * 1e3 < axis.begin || at * 1e3 > axis.end)
    host.visit(addressOf({at, ...(outside ? {from: null, to: null} : {})}), {keep: true})
    if (outside) axis.follow(axis.window)
  }

  // Request the marks, and again each time the recording has grown noticeably.
  async #mark() {
    const {begin, end} = this.#state
    if (this.#marked !== null && end - this.#marked < Math.max(10, (end - begin) / 60)) return
    this.#marked = end
    const {moments} = await this.#app.link.ask("moments", {})
    this.#marks = moments ?? []
    for (const button of this.#jumps) button.disabled = false
    this.#track.replaceChildren(...this.#marks.map(({time, kind, text, others}) => {
      const more = others > 0 ? ` (and ${number(others)} more)` : ""
      const link = element("a", {href: addressOf({at: Math.ceil(time)}), "data-at": time, tabindex: "-1", class: kind === "restart" ? "bad restart" : LOUD.test(kind) ? "bad" : "", title: `${clockText(time * 1e3)} ${kind} ${text}${more}`})
      link.style.left = `${(time - begin) / (end - begin || 1) * 100}%`
      return link
    }))
  }

  #draw() {
    const {begin, end, speed, limits} = this.#state
    const at = this.#at ?? end
    this.node.hidden = false
    if (!this.#dragging) {
      this.#slider.min = String(Math.floor(begin))
      this.#slider.max = String(Math.ceil(end))
      this.#slider.value = String(at)
    }
    this.#slider.setAttribute("aria-valuetext", clockText(at * 1e3))
    fill(this.#shown, moment(at * 1e3))
    this.#ends[0].textContent = clockText(begin * 1e3)
    this.#ends[1].textContent = clockText(end * 1e3)
    this.#end.disabled = this.#at === null
    this.#caveat.hidden = this.#at === null || !LAST.includes(paramsNow().get("page"))
    const sign = speed > 0 ? "halt" : "play"
    if (this.#play.dataset.sign !== sign) {
      this.#play.dataset.sign = sign
      this.#play.innerHTML = `${signOf(sign)}<span>${speed > 0 ? "Pause" : "Play"}</span>`
    }
    this.#speeds.forEach((button, index) => button.setAttribute("aria-pressed", String(SPEEDS[index] === this.#speed)))
    this.node.title = `Not in a recording: ${limits.join("; ")}.`
  }
}

const LOUD = /^(error|rejected|restart)$/  // kinds of Events whose marks are highlighted

const signOf = (name) => `<svg width="13" height="13" viewBox="0 0 16 16" fill="currentColor" aria-hidden="true"><path d="${SIGNS[name]}"/></svg>`

// Parses a position in a URL: Unix seconds, or a time such as 2026-11-30T14:05:00Z; null if invalid.
function momentOf(text) {
  if (!text) return null
  const seconds = Number.isFinite(Number(text)) ? Number(text) : Date.parse(text) / 1e3
  return Number.isFinite(seconds) ? seconds : null
}
