// The page of connections: rows that match a query, or groups of connections with totals.
const HELD = 40  // maximum number of values in a row's sparkline
const EXAMPLE = 'path:/chat rtt>200ms waiting>64KB user:ada code:1006 cause:"ping timeout"'
const GROUP_COLUMNS = [["open", "Open"], ["closed", "Closed"], ["messages_in", "Msgs in"], ["messages_out", "Msgs out"], ["bytes_in", "Bytes in"], ["bytes_out", "Bytes out"], ["errors", "Errors"], ["dropped", "Dropped"], ["send_queue", "Waiting"], ["rtt_p99", "Greatest RTT p99"], ["queue_age", "Oldest waits"]]
  .map(([key, title]) => ({key, title, help: "", align: "right"}))

class Connections {
  #app
  #rows
  #columns = null
  #traffic = new Map()

  constructor(app, params) {
    this.#app = app
    const by = GROUP_KEYS.find((key) => key === params.get("by"))
    const kind = by === undefined ? {
      heading: "Connections",
      link: ({id, epoch}) => addressOf({page: "connection", id, epoch}, {fresh: true}),
      spark: params.get("state") === "closed" ? undefined : (row) => this.#spark(row),
    } : {
      heading: `Connections by ${by}`,
      link: ({where}) => where ? addressOf({by: null, sort: null, where: [this.params.get("where"), where].filter(Boolean).join(" ")}) : null,
    }
    const columns = by === undefined ? COLUMNS.connections : [{key: "key", title: by[0].toUpperCase() + by.slice(1), help: "", align: "left"}, ...GROUP_COLUMNS]
    this.#rows = new AppTable(columns, {
      ...kind,
      empty: () => this.params.get("where") ? "No connection matches this query." : (this.#app.store.frame?.tiles[0]?.total === "0 opened in all" ? "Nothing has connected yet. Connections appear here as soon as a client opens your server's WebSocket port." : "No such connections now."),
    })
    this.#rows.tools.append(choices("Which connections", "state", params.get("state") ?? "open", [["open", "Open"], ["closed", "Closed"], ["all", "All"]], "open"), choices("Group by", "by", params.get("by") ?? "", [["", "Rows"], ...GROUP_KEYS.map((key) => [key, key === GROUP_KEYS[0] ? `By ${key}` : key])], ""))
    if (by === undefined) {
      this.#columns = new ColumnMenu(COLUMNS.connections)
      this.#rows.tools.append(this.#columns.node, sizeChooser(params))
    }
    this.node = element("div", {class: "page"}, searchField(params, EXAMPLE), this.#rows.node)
    this.params = params
  }

  close() {}
  frame() {}

  pane(pane) {
    if (pane.groups === undefined) {
      this.#rows.draw(pane)
      this.#columns?.show(pane.columns ?? [])
    } else this.#rows.draw({...pane, rows: pane.groups, columns: ["key", ...GROUP_COLUMNS.map(({key}) => key)], offset: 0, total: pane.groups.length, forgotten: ""})
  }

  // Sparkline values of a connection: its number of messages between two answers.
  #spark({id, epoch, messages, open}) {
    if (!open || !known(messages)) return null
    const key = `${epoch} ${id}`
    const held = this.#traffic.get(key) ?? {last: messages, values: []}
    this.#traffic.set(key, held)
    held.values.push(Math.max(0, messages - held.last))
    held.last = messages
    if (held.values.length > HELD) held.values.shift()
    if (this.#traffic.size > 1000) this.#traffic.delete(this.#traffic.keys().next().value)
    return held.values
  }
}

// Returns a page's search field. The URL parameter "where" contains the field's text.
function searchField(params, example) {
  const input = element("input", {type: "search", id: "search", value: params.get("where") ?? "", placeholder: `Search, such as ${example}`, "aria-label": "Search with the query language", spellcheck: "false", autocomplete: "off", "aria-keyshortcuts": "/"})
  let timer
  input.oninput = () => {
    clearTimeout(timer)
    timer = setTimeout(() => go({where: input.value.trim() || null, offset: null}, {keep: true}), 250)
  }
  return element("div", {class: "search"}, input, element("kbd", {"aria-hidden": "true"}, "/"))
}

// Returns a row of links of which one is selected.
function choices(label, name, chosen, options, standard) {
  const links = options.map(([value, text]) => {
    const link = element("a", {href: addressOf({[name]: value === standard ? null : value, offset: null, ...(name === "by" ? {sort: null} : {})})}, text)
    if (value === chosen) link.setAttribute("aria-current", "true")
    return link
  })
  return element("div", {class: "group", role: "group", "aria-label": label}, ...links)
}

function sizeChooser(params) {
  const select = element("select", {"aria-label": "Rows on a page"}, ...["25", "50", "100", "250"].map((size) => element("option", {value: size}, `${size} rows`)))
  select.value = params.get("size") ?? "25"
  select.onchange = () => go({size: select.value === "25" ? null : select.value, offset: null})
  return select
}
