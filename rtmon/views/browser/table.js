// A table of any columns. The server decides rows, order and paging; texts are never markup.
class Table {
  #columns
  #options
  #head
  #body
  #foot
  #count
  #note
  #empty
  #error
  #scroll
  #shown = ""
  #lines = []  // the table's rows but for what is shown below them

  // columns: each with key, title, align, help, and fixed if the server does not sort by it; in no
  // order. options: heading; ask(changes) gets another order or place from the server;
  // address(changes) → where a link leads that does the same, if it has an address; link(row) →
  // address or null, linked: key of the column that carries the link, else the first; spark(row) →
  // values or null; folds: has(row), node(row) → what is shown below the row or null, toggle(row);
  // empty(pane) → why there are no rows; count(pane) → a text beside the heading.
  constructor(columns, options) {
    this.#columns = new Map(columns.map((column) => [column.key, column]))
    this.#options = options
    this.#count = element("small", {})
    this.tools = element("div", {class: "tools"})
    this.#head = element("tr", {})
    this.#body = element("tbody", {})
    this.#empty = element("p", {class: "nothing"})
    this.#error = element("p", {class: "problem", role: "alert"})
    this.#error.hidden = true
    this.#note = element("span", {class: "note"})
    this.table = element("table", {"aria-label": options.heading}, element("thead", {}, this.#head), this.#body)
    this.#scroll = element("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": options.heading}, this.table, this.#empty)
    this.range = element("span", {})
    const step = (label, by) => {
      const button = element("button", {type: "button"}, label)
      button.onclick = () => this.#turn(by)
      return button
    }
    this.previous = step("‹ Previous", -1)
    this.next = step("Next ›", 1)
    this.#foot = element("div", {class: "foot"}, this.#note, this.range, this.previous, this.next)
    this.#foot.hidden = this.table.hidden = true
    this.#empty.textContent = "Waiting for the first rows …"
    this.head = element("header", {}, element("h2", {}, options.heading, this.#count), this.tools)
    this.node = element("section", {class: "card rows"}, this.head, this.#error, this.#scroll, this.#foot)
  }

  draw(pane) {
    this.#error.hidden = pane.error === undefined
    // Rows that another query found are not to be taken for this one's.
    this.#scroll.hidden = pane.error !== undefined && this.pane === undefined
    this.#scroll.classList.toggle("old", pane.error !== undefined)
    if (pane.error !== undefined) {
      write(this.#error, pane.error)
      return
    }
    this.pane = pane
    this.#headers(pane)
    const {rows, total, offset} = pane
    while (this.#lines.length > rows.length) this.#lines.pop().remove()
    rows.forEach((row, index) => this.#row(this.#lines[index] ??= this.#body.insertRow(), row))
    if (this.#options.folds) {
      const below = rows.map((row, index) => this.#fold(this.#lines[index], row))
      for (const tr of this.#body.querySelectorAll("tr.below")) if (!below.includes(tr)) tr.remove()
    }
    this.#count.textContent = this.#options.count?.(pane) ?? ""
    this.range.textContent = rows.length > 0 ? `${number(offset + 1)}–${number(offset + rows.length)} of ${number(total)}` : ""
    this.previous.disabled = offset <= 0
    this.next.disabled = offset + rows.length >= total
    this.#note.textContent = pane.forgotten
    this.#empty.hidden = rows.length > 0
    this.#empty.textContent = this.#options.empty?.(pane) ?? "No rows."
    this.table.hidden = rows.length === 0
    this.#foot.hidden = total <= rows.length && pane.forgotten === ""
  }

  // The number of columns and their order change seldom; then the whole table is made anew.
  #headers(pane) {
    const shown = JSON.stringify([pane.columns, pane.sort])
    if (shown === this.#shown) return
    this.#shown = shown
    const sorted = pane.sort.replace(/^-/, "")
    this.#body.replaceChildren()
    this.#lines = []
    const headers = pane.columns.map((key) => {
      const {title, align, help, fixed} = this.#columns.get(key)
      const th = element("th", {scope: "col", class: align})
      if (key === sorted) th.setAttribute("aria-sort", pane.sort.startsWith("-") ? "descending" : "ascending")
      if (fixed) { th.title = help; th.append(title); return th }  // the server does not sort by it
      const down = key === sorted ? !pane.sort.startsWith("-") : align === "right"
      const sort = (down ? "-" : "") + key
      th.append(this.#sorter({sort, offset: null}, {title, help}))
      return th
    })
    if (this.#options.folds) headers.push(element("th", {scope: "col"}, element("span", {class: "spoken"}, "Details")))
    if (this.#options.spark) headers.push(element("th", {scope: "col", class: "traffic"}, "Traffic"))
    this.#head.replaceChildren(...headers)
  }

  // What changes the order: a link if it has an address, else a button.
  #sorter(changes, {title, help}) {
    const {address, ask} = this.#options
    if (address) return element("a", {href: address(changes), title: help}, title)
    const button = element("button", {type: "button", title: help}, title)
    button.onclick = () => ask(changes)
    return button
  }

  #row(tr, row) {
    row.cells.forEach((cell, at) => {
      const [text, look] = Array.isArray(cell) ? cell : [cell, ""]
      const td = tr.cells[at] ?? tr.insertCell()
      const {align, title} = this.#columns.get(this.pane.columns[at])
      td.dataset.title = title
      const className = `${align} ${look} ${text === UNKNOWN ? "unknown" : ""}`.trim()
      if (td.className !== className) td.className = className
      const linked = this.#options.linked === undefined ? at === 0 : this.#options.linked === this.pane.columns[at]
      const address = linked ? this.#options.link?.(row) ?? null : null
      const shown = `${look}|${text}|${address ?? ""}`
      if (td.dataset.shown === shown) return
      td.dataset.shown = shown
      const inside = look === "time" ? moment(Number(text) * 1e3) : text
      td.title = look === "time" ? "" : text
      td.replaceChildren(address === null ? inside : element("a", {href: address}, inside))
    })
    if (!this.#options.spark) return
    const td = tr.cells[row.cells.length] ?? tr.insertCell()
    td.className = "traffic"
    td.dataset.title = "Traffic"
    const values = this.#options.spark(row)
    td.innerHTML = values === null ? "" : sparkline(values, "var(--rt-accent)", {width: 72, height: 18})
  }

  // The last cell opens and closes what is shown below the row; returns that, or null. It keeps
  // the focus and the place in a scrolled text: it is moved only if need be, and as a whole.
  #fold(tr, row) {
    const {has, node, toggle, label} = this.#options.folds
    const td = tr.cells[row.cells.length] ?? tr.insertCell()
    td.className = "fold"
    const below = node(row)
    if (!has(row)) td.replaceChildren()
    else {
      const open = td.firstElementChild ?? td.appendChild(element("button", {type: "button"}))
      open.textContent = below === null ? "▸" : "▾"
      open.setAttribute("aria-label", label)
      open.title = label
      open.setAttribute("aria-expanded", String(below !== null))
      open.onclick = () => toggle(row)
    }
    if (below === null) return null
    const line = below.closest("tr.below") ?? element("tr", {class: "below"}, element("td", {}, below))
    line.cells[0].colSpan = row.cells.length + 1
    if (tr.nextElementSibling === line) return line
    if (line.isConnected && this.#body.moveBefore) this.#body.moveBefore(line, tr.nextSibling)
    else tr.after(line)
    return line
  }

  // Another click may come before the answer: it goes on from here.
  #turn(by) {
    const {offset, size, total} = this.pane
    const last = Math.max(0, Math.ceil(total / size) - 1) * size
    this.pane = {...this.pane, offset: Math.min(last, Math.max(0, offset + by * size))}
    this.#options.ask({offset: this.pane.offset || null})
  }
}
