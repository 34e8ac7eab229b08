// Two dashboard pages: the table of a hub's channels and rooms, and the page of one channel.
const CHANNELS_KEPT = 500  // maximum number of channels with a time series
const CHANNEL_POINTS = 320  // maximum number of points in each time series
const RATE = {unit: "/s", prefixed: true}

const styleOf = (key) => {
  const {color, width, dash} = CHARTS.flatMap(({series}) => series).find((series) => series.key === key)
  return {color, width, dash}
}

const CHANNEL_CHARTS = [
  {key: "channel_messages", title: "Messages", unit: "/s", form: "line", whole: false, prefixed: true, series: [{key: "published", label: "published", ...styleOf("messages_in")}, {key: "delivered", label: "delivered", ...styleOf("messages_out")}]},
  {key: "channel_subscribers", title: "Subscribers", unit: "", form: "step", whole: true, prefixed: false, series: [{key: "subscribers", label: "subscribers", ...styleOf("open")}]},
  {key: "channel_delivery", title: "Delivery time, mean", unit: "ms", form: "line", whole: false, prefixed: false, series: [{key: "delivery", label: "mean", ...styleOf("fanout_p50")}]},
  {key: "channel_dropped", title: "Dropped messages", unit: "/s", form: "step", whole: false, prefixed: true, series: [{key: "dropped", label: "dropped", ...styleOf("dropped")}]},
]

// Columns that the browser computes from the feed's columns.
const WORKED_OUT = [
  ["published_rate", "Published/s", "Messages published a second, since the tick before."],
  ["delivered_rate", "Delivered/s", "Messages handed to transports a second, since the tick before."],
  ["ratio", "Fan-out", "Deliveries for each message published, in all."],
  ["mean", "Delivery, mean", "Mean time from publishing until the last transport had it, in all."],
  ["p99", "Delivery p99", "99th percentile of the delivery times in the last minute."],
].map(([key, title, help]) => ({key, title, help, align: "right", fixed: true}))

// Time series of channels, computed as differences of successive totals.
class ChannelHistory {
  #epoch = ""
  #channels = new Map()

  // Add a channel's totals at a tick; returns the channel's points, column by column.
  take(totals, {epoch}, uptime, time) {
    if (epoch !== this.#epoch) { this.#epoch = epoch; this.#channels.clear() }
    const held = this.#channels.get(totals.channel) ?? {before: null, points: {time: [], published: [], delivered: [], dropped: [], subscribers: [], delivery: []}}
    this.#channels.delete(totals.channel)
    this.#channels.set(totals.channel, held)
    if (this.#channels.size > CHANNELS_KEPT) this.#channels.delete(this.#channels.keys().next().value)
    const {before, points} = held
    if (before !== null && uptime !== null && uptime > before.uptime) {
      const gained = (name) => totals[name] - before[name]
      const seconds = uptime - before.uptime
      const point = {time, subscribers: totals.subscribers, delivery: gained("published") > 0 ? gained("fanout") / gained("published") * 1e3 : null}
      for (const name of ["published", "delivered", "dropped"]) point[name] = gained(name) >= 0 ? gained(name) / seconds : null
      for (const [name, value] of Object.entries(point)) {
        points[name].push(value)
        if (points[name].length > CHANNEL_POINTS) points[name].shift()
      }
    }
    if (uptime !== null && uptime !== before?.uptime) held.before = {...totals, uptime}
    return points
  }

  // Replace a channel's points by the server's history if the history begins earlier; returns true
  // if so.
  recall(channel, {epoch, past}) {
    const [first] = this.#channels.get(channel)?.points.time ?? []
    if (epoch !== this.#epoch || past.length < 2 || past[1].time >= (first ?? Infinity)) return false
    this.#channels.delete(channel)
    for (const {totals, uptime, time} of past) this.take(totals, {epoch}, uptime, time)
    return true
  }
}

const channelHistory = new ChannelHistory()

class Channels {
  #app
  #rows
  #columns = new ColumnMenu(COLUMNS.channels)
  params

  constructor(app, params) {
    this.#app = app
    this.#rows = new AppTable([...COLUMNS.channels, ...WORKED_OUT], {
      heading: "Channels and rooms",
      link: ({totals}) => addressOf({page: "channel", channel: totals.channel}, {fresh: true}),
      spark: ({points}) => points.delivered.slice(-60),
      empty: ({tick}) => tick.seq === 0 ? "Not known yet: waiting for the server's first numbers." : this.params.get("where") ? "No channel matches this query." : "No channel and no room yet: a hub has them, once a client publishes, subscribes or joins.",
    })
    this.params = params
    this.#rows.tools.append(this.#columns.node, sizeChooser(params))
    this.node = element("div", {class: "page"}, searchField(params, "room: subscribers>10 dropped>0"), this.#rows.node)
  }

  close() {}
  frame() {}

  pane(pane) {
    if (pane.error !== undefined) { this.#rows.draw(pane); return }
    this.#columns.show(pane.columns)
    const time = (this.#app.store.frame?.time ?? 0) * 1e3
    const rows = pane.rows.map((row) => {
      const {totals, p99} = row
      const points = channelHistory.take(totals, pane.tick, pane.uptime, time)
      const rate = (name) => { const value = points[name].at(-1); return valueText(RATE, value) }
      return {...row, points, cells: [...row.cells, rate("published"), rate("delivered"), ratioText(totals), meanText(totals), p99]}
    })
    this.#rows.draw({...pane, rows, columns: [...pane.columns, ...WORKED_OUT.map(({key}) => key)], forgotten: pane.lacks})
  }
}

const ratioText = ({published, delivered}) => published > 0 ? `× ${number(Number((delivered / published).toPrecision(3)))}` : UNKNOWN
const meanText = ({published, fanout}) => published > 0 ? valueText({unit: "ms"}, fanout / published * 1e3) : UNKNOWN

// The page of one channel or room: its charts, its totals, and its member connections.
class OneChannel {
  #app
  #axis
  #charts
  #head = element("div", {class: "identity"})
  #known = element("dl", {class: "known"})
  #note = element("p", {class: "note"})
  #grid
  #members
  #body
  #recalled = null  // null before the server's history is requested; then true if it was added
  title

  constructor(app, params) {
    this.#app = app
    this.title = params.get("channel") ?? ""
    const alone = CHANNEL_CHARTS.filter(({key}) => key === params.get("chart"))
    this.#axis = new ConnectionTimeRange(app.axis, CHANNEL_CHARTS)
    this.#charts = (alone.length > 0 ? alone : CHANNEL_CHARTS).map((layout) => pageChart({...layout, always: true, address: addressOf({chart: alone.length > 0 ? null : layout.key})}, this.#axis, () => app.store.marks))
    if (alone.length > 0) this.#charts[0].node.classList.add("tall")
    this.#members = new AppTable(COLUMNS.connections.map((column) => ({...column, fixed: true})), {
      heading: "Members",
      link: ({id, epoch}) => addressOf({page: "connection", id, epoch}, {fresh: true}),
      empty: ({missing}) => missing ? `Not known: ${missing}.` : "It is empty now.",
    })
    this.#members.previous.hidden = this.#members.next.hidden = true
    this.#head.append(element("h1", {}, this.title))
    this.#grid = element("div", {class: "charts own"}, ...this.#charts.map(({node}) => node))
    this.#body = element("div", {class: "page"}, this.#note, this.#grid, element("div", {class: "sides members"}, this.#members.node, element("section", {class: "card"}, element("h2", {}, "Known"), this.#known)))
    this.#body.hidden = true
    this.node = element("div", {class: "page"}, element("header", {class: "subject"}, this.#head), this.#body)
  }

  close() { for (const chart of this.#charts) chart.close() }
  frame() { this.#draw() }
  #draw() { if (!this.#body.hidden) for (const chart of this.#charts) chart.draw() }

  // Show a note that explains at which time the charts begin.
  #explain() {
    const recorded = this.#app.replay.shown
    this.#grid.hidden = recorded
    if (recorded) { this.#note.textContent = "No charts: a recording has a channel's numbers as they were last."; return }
    if (this.#recalled === null) this.#recall()
    const began = this.#recalled ? "where the dashboard began to watch, at most five minutes back" : "where this page, or the table of channels, first showed it"
    this.#note.textContent = this.#axis.points.time.length > 0 ? `Its charts begin ${began}.` : "Its charts begin now."
  }

  // Request the channel's history. The dashboard's server keeps a history of the busiest channels.
  async #recall() {
    this.#recalled = false
    this.#recalled = channelHistory.recall(this.title, await this.#app.link.ask("channel-past", {channel: this.title}))
  }

  pane(pane) {
    const lost = pane.error ?? (pane.totals !== null ? "" : pane.tick.seq === 0 ? "Not known yet: waiting for the server's first numbers." : "There is no such channel or room now: it was never used here, or it is forgotten.")
    this.#body.hidden = lost !== ""
    fill(this.#head, element("h1", {}, this.title), lost ? element("p", {role: "alert"}, lost) : null, lost ? element("a", {class: "link", href: addressOf({page: "channels"}, {fresh: true})}, "All channels and rooms") : null)
    if (lost) return
    this.#axis.points = channelHistory.take(pane.totals, pane.tick, pane.uptime, pane.time)
    this.#explain()
    const rows = pane.known.map(([name, cell]) => [COLUMNS.channels.find(({key}) => key === name), cell])
    const worked = [[WORKED_OUT[2], ratioText(pane.totals)], [WORKED_OUT[3], meanText(pane.totals)], [WORKED_OUT[4], pane.p99]]
    fill(this.#known, ...[...rows, ...worked].flatMap(([{title, help}, cell]) => {
      const [text, look] = Array.isArray(cell) ? cell : [cell, ""]
      return [element("dt", {title: help}, title), element("dd", {class: look}, text)]
    }))
    this.#members.draw(pane.members)
    this.#draw()
  }
}
