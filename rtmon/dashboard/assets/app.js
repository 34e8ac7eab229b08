// The app: one page at a time, chosen by the address; the frame around it; what keeps it true.
const RAIL = [["overview", "Overview"], ["connections", "Connections"], ["channels", "Channels"], ["latency", "Latency"], ["events", "Events"], ["socketio", "Socket.IO"]]
const MADE = {overview: Overview, chart: OneChart, connections: Connections, connection: Connection, channels: Channels, channel: OneChannel, latency: Latency, events: Events, socketio: SocketIO}
const SHARED = ["range", "from", "to", "at"]  // parameters that a change of page keeps

const paramsNow = () => new URLSearchParams(location.search)

// The address of a view: this one with changes, or a fresh one that keeps only what all pages share.
function addressOf(changes, {fresh = false} = {}) {
  const now = paramsNow()
  const params = new URLSearchParams()
  for (const [name, value] of now) if (!fresh || SHARED.includes(name)) params.set(name, value)
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "") params.delete(name)
    else params.set(name, String(value))
  }
  if (params.get("page") === "overview") params.delete("page")
  const text = params.toString()
  return text === "" ? location.pathname : `?${text}`
}

let app

// Go to a view. keep: the view stays as it is, only what it asks for changes.
function go(changes, {fresh = false, keep = false} = {}) {
  const address = addressOf(changes, {fresh})
  if (keep) history.replaceState(null, "", address)
  else history.pushState(null, "", address)
  app.arrive({keep})
}

class App {
  #pill = element("span", {class: "pill", role: "status"})
  #banner = element("div", {class: "banner", role: "status", "aria-live": "polite"})
  #main = element("main", {id: "main", tabindex: "-1"})
  #foot = element("div", {class: "about"})
  #rail = new Map()
  #ranges = []
  #pause = element("button", {type: "button", class: "pause"})
  #save = savers("Save the charts' points", (format) => savePoints(this.#charts, this, format))
  #view = null
  #page = ""
  #asked = ""
  #held = null
  #focused = ""  // name of what had the focus in a view that was made anew
  #lostAt = null

  constructor(root, channel) {
    this.store = new Store()
    this.link = new Link(channel, {receive: (message) => this.#receive(message), changed: (back) => this.#changed(back)})
    this.axis = new Axis(this.store, this.link)
    this.replay = new TimeBar(this)
    this.#build(root)
    addEventListener("popstate", () => this.arrive())
    document.addEventListener("click", (event) => this.#follow(event))
    this.#freshness()
    setInterval(() => this.#freshness(), 500)
  }

  #build(root) {
    const links = RAIL.map(([page, label]) => {
      const count = element("span", {class: "count"})
      const link = element("a", {href: addressOf({page}, {fresh: true})}, element("span", {}, label), count)
      this.#rail.set(page, {link, count})
      return link
    })
    const brand = element("a", {class: "brand", href: location.pathname})
    brand.innerHTML = '<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d="M2 13h4l3-8 5 15 3.2-9 1.4 2H22"/></svg>'
    brand.append("rtmon")
    const rail = element("nav", {class: "rail", "aria-label": "Pages"}, brand, element("div", {class: "links"}, ...links), this.#foot)
    this.#ranges = WINDOWS.map(([seconds, label]) => [seconds, element("a", {}, label)])
    this.chosen = element("a", {class: "chosen"})
    this.chosen.hidden = true
    const ranges = element("div", {class: "group", role: "group", "aria-label": "Time shown on the charts"}, ...this.#ranges.map(([, link]) => link), this.chosen)
    this.#pause.onclick = () => this.pause()
    const copy = element("button", {type: "button", class: "copy", title: "Copy a link that opens this view"}, "Copy link")
    copy.onclick = () => this.copy()
    this.copied = copy
    const theme = element("button", {type: "button", class: "theme", "aria-label": "Light or dark", title: "Light or dark"}, "◐")
    theme.onclick = () => window.rtmonTheme.toggle()
    const keys = element("button", {type: "button", class: "help", "aria-label": "Keys", title: "Keys (?)"}, "?")
    keys.onclick = () => document.querySelector("dialog").showModal()
    const bar = element("header", {class: "bar"}, this.#pill, element("div", {class: "tools"}, ranges, this.#pause, this.#save, copy, theme, keys))
    root.replaceChildren(element("a", {class: "skip", href: "#main"}, "Skip to the numbers"), rail, element("div", {class: "side"}, bar, this.replay.node, this.#banner, this.#main))
    root.classList.add("rtmon")
  }

  // Show what the address says.
  arrive({keep = false} = {}) {
    const params = paramsNow()
    const page = params.get("page") in MADE ? params.get("page") : "overview"
    this.replay.arrive(params)
    const asked = Object.fromEntries([...params].filter(([name]) => name !== "page" && !SHARED.includes(name)))
    const changed = page !== this.#page || (!keep && JSON.stringify(asked) !== this.#asked)
    this.#asked = JSON.stringify(asked)
    if (changed || this.#view === null) {
      const active = document.activeElement
      this.#focused = this.#main.contains(active) ? nameOf(active) : ""
      this.#view?.close()
      if (page !== this.#page) scrollTo(0, 0)
      this.#page = page
      this.#view = new MADE[page](this, params)
      if (this.#view.node.querySelector("h1") === null) this.#view.node.prepend(element("h1", {class: "spoken"}, this.#label))
      this.#main.replaceChildren(this.#view.node)
      if (this.#focused) this.#main.focus({preventScroll: true})
      this.#refocus()
      if (this.store.frame !== null) this.#view.frame(this.store.frame)
    } else if (keep && this.#view.params !== undefined) {
      this.#view.params = params
    }
    this.#range(params)
    for (const [each, {link}] of this.#rail) {
      link.href = addressOf({page: each}, {fresh: true})
      const here = each === page || (page === "connection" && each === "connections") || (page === "channel" && each === "channels") || (page === "chart" && each === "overview")
      if (here) {
        link.setAttribute("aria-current", "page")
        link.parentNode.scrollLeft = link.offsetLeft - link.parentNode.offsetLeft - 40  // a strip on a phone
      } else link.removeAttribute("aria-current")
    }
    this.link.say({do: "show", page, asked})
    this.#title()
  }

  #range(params) {
    const from = Number(params.get("from")), to = Number(params.get("to"))
    const window = WINDOWS.find(([seconds]) => String(seconds) === params.get("range"))?.[0] ?? 300
    const fixed = to > from && from > 0
    if (fixed && (this.axis.live || this.axis.begin !== from * 1e3 || this.axis.end !== to * 1e3)) this.axis.show(from * 1e3, to * 1e3)
    else if (!fixed && (!this.axis.live || this.axis.window !== window)) this.axis.follow(window)
    for (const [seconds, link] of this.#ranges) {
      link.href = addressOf({range: seconds === 300 ? null : seconds, from: null, to: null})
      if (!fixed && seconds === window) link.setAttribute("aria-current", "true")
      else link.removeAttribute("aria-current")
    }
    this.chosen.hidden = !fixed
    if (fixed) {
      this.chosen.href = addressOf({})
      this.chosen.setAttribute("aria-current", "true")
      this.chosen.textContent = `${clockText(from * 1e3)} – ${clockText(to * 1e3)}`
    }
  }

  // Links within the app change the view without loading the page again.
  #follow(event) {
    const link = event.target.closest?.("a")
    if (!link || event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || link.target || link.hash) return
    if (link.origin !== location.origin || link.pathname !== location.pathname) return
    event.preventDefault()
    history.pushState(null, "", link.href)
    // While a recording is played, a link drawn before would lead back to the moment of then.
    if (this.replay.shown && link.dataset.at === undefined) history.replaceState(null, "", addressOf({at: this.replay.at}))
    this.arrive()
  }

  #receive({frame, pane, attention}) {
    if (frame !== undefined) {
      if (!this.replay.take(frame)) return
      if (!this.store.take(frame)) { this.link.say({do: "see"}); return }
      if (this.axis.live) this.axis.refresh(frame.replay !== undefined && (frame.anew || frame.replay.speed > 1))
    }
    if (attention !== undefined && this.store.frame !== null) this.store.frame.attention = attention
    this.#title()
    if (this.#held !== null) return
    if (frame !== undefined) this.#show(frame)
    if (pane !== undefined && this.#current(pane)) {
      this.#view.pane?.(pane)
      this.#refocus()
    }
  }

  // A view that is made anew, as by a sort, gives the focus to what had it before; a part of it is
  // there only with its first rows.
  #refocus() {
    if (this.#focused === "" || document.activeElement !== this.#main) return
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
    this.#rail.get("overview").count.classList.toggle("alert", frame.attention.matters.length > 0)
    this.#rail.get("socketio").link.hidden = !frame.counts.socketio
    this.#rail.get("channels").link.hidden = frame.counts.channels === 0
    this.#pause.hidden = this.replay.shown
    if (this.replay.shown) this.#ranges[0][1].textContent = "1 min"
    this.#save.hidden = this.#charts.length === 0
    this.#foot.textContent = frame.source
    this.#foot.title = frame.source
    this.#freshness()
  }

  // The charts of the page that is open.
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

  async copy() {
    try { await navigator.clipboard.writeText(location.href) } catch { prompt("The link to this view:", location.href); return }
    this.copied.textContent = "Copied"
    setTimeout(() => { this.copied.textContent = "Copy link" }, 1500)
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
      kind = frame === null ? "connecting" : "disconnected"
      pill = frame === null ? "Connecting" : "Not live"
      stale = frame !== null
      const since = known(frame?.time) && !this.replay.shown ? `Not live since ${clockText(frame.time * 1e3)}. ` : ""
      banner = this.link.lost === "connecting" ? "" : `${since}${this.link.lost} Trying again by itself.`
    } else {
      this.#lostAt = null
      if (this.#held !== null && !stale) {
        kind = "paused"
        pill = "Paused"
        banner = `Paused: this is how it was at ${clockText(this.#held.time * 1e3)}. Nothing is lost; resume to catch up.`
      }
    }
    this.#pill.className = `pill ${kind}`
    write(this.#pill, pill)
    this.#banner.className = `banner ${kind}`
    write(this.#banner, banner)
    this.#main.classList.toggle("stale", stale)
    this.#pause.textContent = this.#held === null ? "Pause" : "Resume"
    this.#pause.setAttribute("aria-pressed", String(this.#held !== null))
  }

  // The name of the view.
  get #label() {
    return RAIL.find(([page]) => page === this.#page)?.[1] ?? this.#view?.title ?? CHARTS.find(({key}) => key === paramsNow().get("chart"))?.title ?? ""
  }

  // The tab's title names the view, and says when something needs attention.
  #title() {
    const params = paramsNow()
    const where = params.get("where")
    const matters = this.store.frame?.attention.matters.length ?? 0
    const title = `${matters > 0 ? `(${matters}) ` : ""}${[params.get("title") ?? [this.#label, where].filter(Boolean).join(": "), this.store.frame?.node, "rtmon"].filter(Boolean).join(" · ")}`
    if (document.title !== title) document.title = title
  }
}

const nameOf = (node) => `${node.tagName} ${node.getAttribute("aria-label") ?? node.textContent}`

const sorted = (asked) => Object.fromEntries(Object.entries(asked).sort(([a], [b]) => a < b ? -1 : 1))

const root = document.getElementById("rtmon")
const channel = new URL(`rtmon/channel?ticket=${encodeURIComponent(TICKET["Rtmon-Ticket"])}`, location.href.replace(/[?#].*$/, ""))
app = new App(root, channel.href.replace(/^http/, "ws"))
listenToKeys(app)
app.arrive()
