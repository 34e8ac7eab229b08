// The dashboard's app: shows the page in the URL, with navigation, a toolbar, and a banner that warns
// when the data is not live.
const RAIL = [["overview", "Overview"], ["connections", "Connections"], ["channels", "Channels"], ["latency", "Latency"], ["events", "Events"], ["socketio", "Socket.IO"]]
const MADE = {overview: Overview, chart: OneChart, connections: Connections, connection: Connection, channels: Channels, channel: OneChannel, latency: Latency, events: Events, socketio: SocketIO}

class App {
  #pill = element("span", {class: "pill", role: "status"})
  #banner = element("div", {class: "banner", role: "status", "aria-live": "polite"})
  #asOf = element("p", {class: "as-of"})  // message if the rows are from another tick than the rest
  #rows = null  // the tick of the shown rows
  #main = element("main", {id: "main", tabindex: "-1"})
  #foot = element("div", {class: "about"})
  #rail = new Map()
  #keys
  #clock
  #ranges = []
  #window  // links that choose the charts' time span
  #pause = element("button", {type: "button", class: "pause"})
  #save = savers("Save the charts' points", (format) => savePoints(this.#charts, this, format))
  #view = null
  #page = ""
  #asked = ""
  #held = null
  #focused = ""  // name of the control that had the focus before the page was rebuilt
  #lostAt = null
  stale = false  // true if the shown numbers are outdated

  constructor() {
    this.store = new Store()
    this.together = new OneTick((part) => this.#take(part))
    this.link = host.connect({receive: (message) => this.#receive(message), changed: (back) => this.#changed(back)})
    this.axis = new TimeRange(this.store, this.link)
    this.replay = new TimeBar(this)
    this.#keys = listenToKeys(this)
    this.#build()
    host.onreturn(() => this.arrive())
    host.root.addEventListener("click", (event) => this.#follow(event))
    this.#freshness()
    this.#clock = setInterval(() => this.#freshness(), 500)
  }

  // Stop timers, and close the page and the connection, because the host does not show the app.
  close() {
    clearInterval(this.#clock)
    this.together.close()
    this.#view?.close()
    this.link.close()
  }

  #build() {
    const links = RAIL.map(([page, label]) => {
      const count = element("span", {class: "count"})
      const link = element("a", {href: addressOf({page}, {fresh: true})}, element("span", {}, label), count)
      this.#rail.set(page, {link, count})
      return link
    })
    const rail = element("nav", {class: "rail", "aria-label": "Pages"}, host.head(), element("div", {class: "links"}, ...links), this.#foot)
    this.#ranges = WINDOWS.map(([seconds, label]) => [seconds, element("a", {}, label)])
    this.chosen = element("a", {class: "chosen"})
    this.chosen.hidden = true
    this.#window = element("div", {class: "group", role: "group", "aria-label": "Time shown on the charts"}, ...this.#ranges.map(([, link]) => link), this.chosen)
    this.#pause.onclick = () => this.pause()
    const bar = element("header", {class: "bar"}, this.#pill, element("div", {class: "tools"}, this.#window, this.#pause, this.#save, ...host.tools(() => this.#keys.showModal())))
    const skip = host.embedded ? [] : [element("a", {class: "skip", href: "#main"}, "Skip to the numbers")]
    host.root.replaceChildren(...skip, rail, element("div", {class: "side"}, bar, this.replay.node, this.#banner, this.#main), this.#keys)
    host.root.classList.add("rtmon")
  }

  // Show the page that the current URL names.
  arrive({keep = false} = {}) {
    const params = paramsNow()
    const page = params.get("page") in MADE ? params.get("page") : "overview"
    this.replay.arrive(params)
    const asked = Object.fromEntries([...params].filter(([name]) => name !== "page" && !SHARED.includes(name)))
    const changed = page !== this.#page || (!keep && JSON.stringify(asked) !== this.#asked)
    this.#asked = JSON.stringify(asked)
    if (changed || this.#view === null) {
      const {active} = host
      this.#focused = this.#main.contains(active) ? nameOf(active) : ""
      this.#view?.close()
      if (page !== this.#page) (host.scroller ?? this.#main).scrollTo(0, 0)
      this.together.flush()
      this.#page = page
      this.#rows = null
      this.#view = new MADE[page](this, params)
      if (this.#view.node.querySelector("h1") === null) this.#view.node.prepend(element("h1", {class: "spoken"}, this.#label))
      this.#main.replaceChildren(this.#asOf, this.#view.node)
      if (this.#focused) this.#main.focus({preventScroll: true})
      this.#refocus()
      if (this.store.frame !== null) this.#view.frame(this.store.frame)
    } else if (keep && this.#view.params !== undefined) {
      this.#view.params = params
    }
    this.#range(params)
    this.#window.hidden = this.#main.querySelector("[data-chart]") === null  // pages without charts have no time range
    for (const [each, {link}] of this.#rail) {
      link.href = addressOf(pageChanges(each), {fresh: true})
      const here = each === page || (page === "connection" && each === "connections") || (page === "channel" && each === "channels") || (page === "chart" && each === "overview")
      if (here) {
        link.setAttribute("aria-current", "page")
        link.parentNode.scrollLeft = link.offsetLeft - link.parentNode.offsetLeft - 40  // on phones, the links are in one scrolling row
      } else link.removeAttribute("aria-current")
    }
    this.link.say({do: "show", page, asked})
    this.#title()
  }

  #range(params) {
    const range = rangeOf(params)
    const window = WINDOWS.find(([seconds]) => String(seconds) === params.get("range"))?.[0] ?? 300
    const [begin, end] = range?.map((seconds) => seconds * 1e3) ?? []
    if (range !== null && (this.axis.live || this.axis.begin !== begin || this.axis.end !== end)) this.axis.show(begin, end)
    else if (range === null && (!this.axis.live || this.axis.window !== window)) this.axis.follow(window)
    for (const [seconds, link] of this.#ranges) {
      link.href = addressOf({range: seconds === 300 ? null : seconds, from: null, to: null})
      if (range === null && seconds === window) link.setAttribute("aria-current", "true")
      else link.removeAttribute("aria-current")
    }
    this.chosen.hidden = range === null
    if (range !== null) {
      this.chosen.href = addressOf({})
      this.chosen.setAttribute("aria-current", "true")
      this.chosen.textContent = `${clockText(begin)} – ${clockText(end)}`
    }
  }

  // Handle a click: a link within the app opens its page without reloading the document.
  #follow(event) {
    const link = event.target.closest?.("a")
    if (!link || event.defaultPrevented || !host.follows(link, event)) return
    event.preventDefault()
    host.visit(link.getAttribute("href"))
    // During playback, the link may contain the replay position of the time when it was drawn.
    if (this.replay.shown && link.dataset.at === undefined) host.visit(addressOf({at: this.replay.at}), {keep: true})
    this.arrive()
  }

  #receive({frame, pane, attention}) {
    if (attention !== undefined && this.store.frame !== null) {
      this.store.frame.attention = attention
      this.#title()
    }
    const current = pane !== undefined && this.#current(pane) ? pane : undefined
    this.together.take({frame, pane: current}, {rows: this.#view?.pane !== undefined})
  }

  // Show an update, the page's rows, or both.
  #take({frame, pane}) {
    if (frame !== undefined) {
      if (!this.replay.take(frame)) return
      if (!this.store.take(frame)) { this.link.say({do: "see"}); return }
      if (this.axis.live) this.axis.refresh(frame.replay !== undefined && (frame.anew || frame.replay.speed > 1))
      this.#title()
    }
    if (this.#held !== null) return
    if (frame !== undefined) this.#show(frame)
    if (pane !== undefined && this.#current(pane)) {
      this.#rows = pane.tick ?? null
      this.#view.pane?.(pane)
      this.#refocus()
    }
    this.#date()
  }

  // If the rows are from another tick than the update, show the time of the rows' tick.
  #date() {
    const {frame} = this.store
    const other = this.#rows !== null && frame !== null && this.#rows.time > 0 && !same(frame, this.#rows)
    write(this.#asOf, other ? `The rows are as of ${clockText(this.#rows.time * 1e3)}: they take longer to find than a tick.` : "")
  }

  // Return the focus to the control that had it before the page was rebuilt, for instance by a sort.
  // Some controls exist only after the page's first rows have arrived.
  #refocus() {
    if (this.#focused === "" || host.active !== this.#main) return
    const same = [...this.#main.querySelectorAll("a, button, input, select, summary")].find((node) => nameOf(node) === this.#focused)
    if (same === undefined) return
    this.#focused = ""
    same.focus({preventScroll: true})
  }

  #current(pane) { return pane.page === this.#page && JSON.stringify(pane.asked) === JSON.stringify(sorted(JSON.parse(this.#asked))) }

  #show(frame) {
    this.#view.frame(frame)
    for (const [page, {count}] of this.#rail) {
      const value = page === "overview" ? frame.attention.matters.length || null : frame.counts[page]
      count.textContent = known(value) ? number(value) : ""
    }
    this.#rail.get("socketio").link.hidden = !frame.counts.socketio
    this.#rail.get("channels").link.hidden = frame.counts.channels === 0
    this.#pause.hidden = this.replay.shown
    if (this.replay.shown) this.#ranges[0][1].textContent = "1 min"
    this.#save.hidden = this.#charts.length === 0
    this.#foot.textContent = frame.source
    this.#foot.title = frame.source
    this.#freshness()
  }

  // Layouts of the charts on the open page.
  get #charts() {
    const keys = [...this.#main.querySelectorAll("[data-chart]")].map(({dataset}) => dataset.chart)
    return CHARTS.filter(({key}) => keys.includes(key))
  }

  pause() {
    this.#held = this.#held === null ? this.store.frame : null
    this.store.hold(this.#held !== null)
    if (this.#held === null && this.store.frame !== null) this.#show(this.store.frame)
    this.#freshness()
  }

  #changed(back) {
    if (back) {
      this.replay.reopen()
      const {page, ...asked} = Object.fromEntries([...paramsNow()].filter(([name]) => !SHARED.includes(name)))
      this.link.say({do: "show", page: page ?? "overview", asked})
      this.axis.refresh(true)
    } else if (this.#lostAt === null) {
      this.#lostAt = this.store.frame?.time ?? null
    }
    this.#freshness()
  }

  #freshness() {
    const {frame} = this.store
    let {kind, pill, banner, stale} = frame?.status ?? {kind: "connecting", pill: "Connecting", banner: "", stale: false}
    if (!this.link.alive) {
      const connecting = this.link.lost === "connecting"
      kind = connecting || frame === null ? "connecting" : "disconnected"
      pill = connecting || frame === null ? "Connecting" : "Not live"
      stale = frame !== null
      const since = known(frame?.time) && !this.replay.shown ? `Not live since ${clockText(frame.time * 1e3)}. ` : ""
      banner = connecting ? "" : `${since}${this.link.lost}${this.link.trying ? " Trying again by itself." : ""}`
    } else {
      this.#lostAt = null
      if (this.#held !== null && !stale) ({kind, pill, banner} = paused(this.#held.time * 1e3))
    }
    this.#pill.className = `pill ${kind}`
    write(this.#pill, pill)
    this.#banner.className = `banner ${kind}`
    write(this.#banner, banner)
    this.#main.classList.toggle("stale", stale)
    this.#rail.get("overview").count.classList.toggle("alert", !stale && frame?.attention.matters.length > 0)
    if (stale !== this.stale) {
      this.stale = stale
      this.#view?.frame(this.#held ?? frame)
      this.#title()
    }
    this.#pause.textContent = this.#held === null ? "Pause" : "Resume"
    this.#pause.setAttribute("aria-pressed", String(this.#held !== null))
  }

  // The open page's title.
  get #label() {
    return RAIL.find(([page]) => page === this.#page)?.[1] ?? this.#view?.title ?? CHARTS.find(({key}) => key === paramsNow().get("chart"))?.title ?? ""
  }

  // Set the browser tab's title: the number of alerts, the page's title, and the node's name.
  #title() {
    const params = paramsNow()
    const where = params.get("where")
    const matters = this.stale ? 0 : this.store.frame?.attention.matters.length ?? 0
    host.title = `${matters > 0 ? `(${matters}) ` : ""}${[params.get("title") ?? [this.#label, where].filter(Boolean).join(": "), this.store.frame?.node, "rtmon"].filter(Boolean).join(" · ")}`
  }
}

const nameOf = (node) => `${node.tagName} ${node.getAttribute("aria-label") ?? node.textContent}`

const sorted = (asked) => Object.fromEntries(Object.entries(asked).sort(([a], [b]) => a < b ? -1 : 1))

app = new App()
app.arrive()
