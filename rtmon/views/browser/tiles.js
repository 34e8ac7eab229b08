// Draws tiles: each shows a number, its change or its alert, and its total.
const ARROWS = {1: ["▲ ", "up"], "-1": ["▼ ", "down"], 0: ["", ""]}
const EMPTY = "\u00a0"  // keeps the height of a line while there is no earlier minute to compare with

class Tiles {
  node = element("div", {class: "tiles"})
  #line

  // line(key) returns color and values of the sparkline on the tile with this key, or null.
  constructor(line = () => null) { this.#line = line }

  // tiles: JSON of the Tile objects of rtmon/views/number_tiles.py.
  draw(tiles) {
    const {children} = this.node
    while (children.length > tiles.length) this.node.lastChild.remove()
    tiles.forEach((tile, at) => this.#fill(children[at] ?? this.node.appendChild(this.#make(tile)), tile))
  }

  #make({key, label}) {
    const parts = {value: element("span", {}), unit: element("small", {}), foot: element("p", {}), total: element("p", {class: "total", "data-total": key}), line: element("div", {})}
    const node = element("section", {"data-tile": key}, element("h3", {}, label), element("p", {class: "value"}, parts.value, " ", parts.unit), parts.foot, parts.total, parts.line)
    node.parts = parts
    return node
  }

  #fill(node, tile) {
    const {value, unit, foot, total, line} = node.parts
    node.className = `card tile ${tile.alert}`
    node.setAttribute("aria-label", [tile.label, tile.value, tile.unit, tile.reason].filter(Boolean).join(" "))
    write(value, tile.value)
    write(unit, tile.unit)
    write(total, tile.total)
    foot.className = tile.alert ? "foot reason" : `foot ${tile.mood}`
    fill(foot, ...(tile.alert ? this.#reason(tile) : this.#change(tile)))
    foot.title = tile.alert ? tile.reason : foot.textContent
    const drawn = this.#line(tile.key)
    if (drawn !== null) line.innerHTML = sparkline(drawn.values, drawn.color, {width: 160, height: 26})
  }

  #reason({alert, reason}) {
    return [element("span", {class: `sign ${alert === "critical" ? "bad" : ""}`, "aria-hidden": "true"}, "!"), ` ${reason}`]
  }

  #change({change, sign}) {
    const [arrow, spoken] = ARROWS[sign]
    return [element("span", {"aria-hidden": "true"}, arrow), element("span", {class: "spoken"}, spoken), change ? `${change}${sign ? " in 1 min" : ""}` : EMPTY]
  }
}
