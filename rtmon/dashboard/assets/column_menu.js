// A menu that shows, hides and moves a table's columns. The menu changes at once, the table changes
// when the server has answered. If no column is chosen, the server returns the default columns.
class ColumnMenu {
  #columns
  #shown = []
  #list = element("ul", {})

  constructor(columns) {
    this.#columns = columns
    this.node = element("details", {class: "menu"}, element("summary", {}, "Columns"), this.#list)
    this.node.addEventListener("keydown", ({key}) => { if (key === "Escape") { this.node.open = false; this.node.firstChild.focus() } })
    this.node.addEventListener("toggle", () => { if (this.node.open) this.#draw() })
  }

  // Set the columns that the table shows, in their order.
  show(keys) {
    const known = keys.filter((key) => this.#columns.some((column) => column.key === key))
    if (known.join() === this.#shown.join()) return
    this.#shown = known
    if (this.node.open) this.#draw()
  }

  #choose(keys) {
    this.show(keys)
    go({columns: keys.join(",")}, {keep: true})
  }

  #draw() {
    const focused = this.#list.contains(host.active) ? nameOf(host.active) : ""
    const chosen = this.#shown.map((key) => this.#columns.find((column) => column.key === key))
    const others = this.#columns.filter((column) => !chosen.includes(column))
    this.#list.replaceChildren(...chosen.map((column, at) => this.#item(column, at)), ...others.map((column) => this.#item(column, -1)))
    if (focused) [...this.#list.querySelectorAll("input, button")].find((node) => nameOf(node) === focused)?.focus()
  }

  // at: index of the column in the table; -1 if the column is hidden.
  #item({key, title, help}, at) {
    const box = element("input", {type: "checkbox", "aria-label": title})
    box.checked = at >= 0
    box.onchange = () => this.#choose(at >= 0 ? this.#shown.filter((each) => each !== key) : [...this.#shown, key])
    const up = element("button", {type: "button", title: "Move to the left", "aria-label": `Move ${title} to the left`}, "↑")
    up.disabled = at <= 0
    up.onclick = () => {
      const moved = this.#shown.filter((each) => each !== key)
      moved.splice(at - 1, 0, key)
      this.#choose(moved)
    }
    return element("li", {}, element("label", {title: help}, box, ` ${title}`), at >= 0 ? up : "")
  }
}
