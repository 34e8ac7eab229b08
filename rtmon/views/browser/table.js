// A table with any columns. The server filters, sorts and pages the rows. Cell texts are inserted
// as text nodes, never as HTML.
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
  #lines = []  // the <tr> elements of the rows, without those of unfolded details

  // columns: all columns that the table can show, in any order, each with key, title, align, help,
  // and `fixed: true` if the server cannot sort by it.
  // options:
  //   heading: title of the table.
  //   ask(changes): requests rows with another sort order or offset from the server.
  //   address(changes): returns the URL that does the same as ask(); if absent, headers are buttons.
  //   link(row): returns the URL that a row links to, or null.
  //   linked: key of the column with that link; the first column by default.
  //   spark(row): returns the values of the row's sparkline, or null.
  //   folds: has(row) tells if a row has details, node(row) returns the DOM node of the details that
  //     are shown below the row, or null, and toggle(row) shows or hides the details.
  //   empty(pane): returns the text that is shown if there are no rows.
  //   count(pane): returns a text that is shown beside the heading.
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
    // After an error, rows of the previous query stay visible, but grey.
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

  // Create the header row. Columns and sort order change rarely; then all rows are created again.
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
      if (fixed) { th.title = help; th.append(title); return th }  // the server cannot sort by this column
      const down = key === sorted ? !pane.sort.startsWith("-") : align === "right"
      const sort = (down ? "-" : "") + key
      th.append(this.#sorter({sort, offset: null}, {title, help}))
      return th
    })
    if (this.#options.folds) headers.push(element("th", {scope: "col"}, element("span", {class: "spoken"}, "Details")))
    if (this.#options.spark) headers.push(element("th", {scope: "col", class: "traffic"}, "Traffic"))
    this.#head.replaceChildren(...headers)
  }

  // Create the control in a header that changes the sort order: a link if options.address is
  // defined, else a button.
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

  // Update the button in the last cell that shows and hides the row's details. Return the <tr> of
  // the details, or null if they are hidden. An existing <tr> is moved only if it is at the wrong
  // place, because moving can lose the focus and the scroll position of the details.
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

  // Request the page that is `by` pages further. The offset is changed at once, so that a second
  // click before the server's answer moves on by another page.
  #turn(by) {
    const {offset, size, total} = this.pane
    const last = Math.max(0, Math.ceil(total / size) - 1) * size
    this.pane = {...this.pane, offset: Math.min(last, Math.max(0, offset + by * size))}
    this.#options.ask({offset: this.pane.offset || null})
  }
}
