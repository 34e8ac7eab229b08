// A table in a picture. The kernel sends the rows that match the table's query.
const TYPING = 200  // milliseconds after the last keystroke before the filter is sent

class PictureTable {
  #layout
  #table
  #states = []
  #ask
  query

  // layout: a TableLayout of rtmon/display/notebook_picture.py. ask() is called when the query has
  // changed, save() when the user downloads all rows of the query.
  constructor(layout, {ask, save}) {
    this.#layout = layout
    this.#ask = ask
    this.query = layout.query
    const {heading, columns, states} = layout
    const described = columns.map(({sortable, ...column}) => ({...column, fixed: !sortable, help: sortable ? `Sort by ${column.title.toLowerCase()}` : ""}))
    this.#table = new Table(described, {
      heading,
      ask: (changes) => this.#change(changes),
      count: ({note}) => note,
      empty: ({empty}) => empty,
    })
    this.node = this.#table.node
    if (states.length > 0) this.#table.tools.append(this.#filter(), this.#choices(states))
    const csv = element("button", {type: "button", class: "csv", title: `Download ${heading.toLowerCase()} as CSV`}, "CSV")
    csv.onclick = save
    this.#table.tools.append(csv)
  }

  show(page) {
    const {columns, page_size: size} = this.#layout
    const rows = page.rows.map((cells) => ({cells}))
    const total = size > 0 ? page.total : rows.length
    this.#table.draw({...page, rows, total, size, columns: columns.map(({key}) => key), sort: this.query.sort ?? "", forgotten: ""})
    for (const [state, button] of this.#states) button.setAttribute("aria-pressed", String(state === this.query.state))
  }

  #change(changes) {
    this.query = {...this.query, offset: 0, ...changes}
    this.query.offset ??= 0
    this.#ask()
  }

  #filter() {
    const input = element("input", {type: "search", placeholder: "Filter", title: "Name, address or path", "aria-label": "Filter by name, address or path", spellcheck: "false"})
    input.value = this.query.contains
    let timer
    input.oninput = () => {
      clearTimeout(timer)
      timer = setTimeout(() => this.#change({contains: input.value}), TYPING)
    }
    return input
  }

  #choices(states) {
    this.#states = states.map(([state, label]) => {
      const button = element("button", {type: "button"}, label)
      button.onclick = () => this.#change({state})
      return [state, button]
    })
    return element("div", {class: "group", role: "group", "aria-label": "Which connections"}, ...this.#states.map(([, button]) => button))
  }
}
