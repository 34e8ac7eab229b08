// A table; the server decides rows, order and paging. Texts are never markup.
export function render({model, el}) {
  const ask = (change) => { model.query = {...model.query, ...change} }
  const number = (value) => value.toLocaleString("en")

  const count = element("small", {})
  const head = element("div", {class: "head"}, element("h2", {}, model.heading, count))
  const states = []
  if (model.states.length > 0) {
    const search = element("input", {type: "search", placeholder: "Filter", title: "Name, address or path", "aria-label": "Filter by name, address or path", spellcheck: "false"})
    search.value = model.query.contains
    let timer
    search.oninput = () => {
      clearTimeout(timer)
      timer = setTimeout(() => ask({contains: search.value, offset: 0}), 200)
    }
    const group = element("div", {class: "group", role: "group", "aria-label": "Which connections"})
    for (const [state, label] of model.states) {
      const button = element("button", {type: "button"}, label)
      button.onclick = () => ask({state, offset: 0})
      states.push([state, button])
      group.append(button)
    }
    head.append(search, group)
  }
  const csv = element("button", {type: "button", class: "tool csv", title: `Download ${model.heading.toLowerCase()} as CSV`}, "CSV")
  csv.onclick = () => model.send_msg("csv")
  head.append(csv)

  const headers = model.columns.map(({key, title, align, sortable}) => {
    const th = element("th", {scope: "col", class: align})
    if (sortable) {
      const button = element("button", {type: "button", title: `Sort by ${title.toLowerCase()}`}, title)
      button.onclick = () => {
        const {sort, descending} = model.query
        ask({sort: key, descending: sort === key ? !descending : align === "right", offset: 0})
      }
      th.append(button)
    } else {
      th.append(title)
    }
    return [key, th]
  })
  const body = element("tbody", {})
  const table = element("table", {"aria-label": model.heading}, element("thead", {}, element("tr", {}, ...headers.map(([, th]) => th))), body)
  const empty = element("div", {class: "nothing"})
  const scroll = element("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": model.heading}, table, empty)
  const card = element("section", {class: "card"}, head, scroll)

  const range = element("span", {})
  const step = (label, title, by) => {
    const button = element("button", {type: "button", class: "tool", title}, label)
    // From what was asked for last: the answer to a click before may still be under way.
    button.onclick = () => {
      const last = Math.floor(Math.max(0, model.page.total - 1) / model.page_size) * model.page_size
      const from = Math.min(model.query.offset, last)
      ask({offset: Math.min(last, Math.max(0, from + by * model.page_size))})
    }
    return button
  }
  const previous = step("‹ Prev", "Previous page", -1)
  const next = step("Next ›", "Next page", 1)
  if (model.paged) card.append(element("div", {class: "foot"}, range, previous, next))
  el.append(card)

  const drawRows = () => {
    const {rows, total, offset} = model.page
    while (body.rows.length > rows.length) body.deleteRow(-1)
    rows.forEach((cells, index) => {
      const row = body.rows[index] ?? body.insertRow()
      cells.forEach((cell, at) => {
        const [text, look] = Array.isArray(cell) ? cell : [cell, ""]
        const td = row.cells[at] ?? row.insertCell()
        if (td.textContent !== text) {
          td.textContent = text
          td.title = text
        }
        const className = `${model.columns[at].align} ${look}`.trim()
        if (td.className !== className) td.className = className
      })
    })
    count.textContent = model.page.note
    range.textContent = rows.length > 0 ? `${number(offset + 1)}–${number(offset + rows.length)} of ${number(total)}` : ""
    previous.disabled = offset <= 0
    next.disabled = offset + rows.length >= total
    empty.hidden = rows.length > 0
    empty.textContent = model.page.empty
    table.hidden = rows.length === 0 && total === 0 && !model.query.contains
  }
  const drawQuery = () => {
    const {sort, descending, state} = model.query
    for (const [key, th] of headers) {
      if (key === sort) th.setAttribute("aria-sort", descending ? "descending" : "ascending")
      else th.removeAttribute("aria-sort")
    }
    for (const [key, button] of states) button.setAttribute("aria-pressed", String(key === state))
  }
  model.on("page", drawRows)
  model.on("query", drawQuery)
  model.on("msg:custom", download)
  drawRows(); drawQuery()
}
