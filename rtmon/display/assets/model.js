// The values of a part, which tell their listeners when they change.
class Model {
  #listeners = new Map()

  constructor(values, send = () => {}) {
    this.send_msg = send
    for (const [name, first] of Object.entries(values)) {
      let value = first
      Object.defineProperty(this, name, {
        get: () => value,
        set: (next) => { value = next; this.tell(name) },
      })
    }
  }

  on(name, listener) {
    if (!this.#listeners.has(name)) this.#listeners.set(name, [])
    this.#listeners.get(name).push(listener)
  }

  tell(name, ...said) {
    for (const listener of this.#listeners.get(name) ?? []) listener(...said)
  }
}

// An element with styles of its own, that the page around it does not reach.
function part(sheet, name = "") {
  const host = element("div", {class: name})
  const style = element("style", {}, SHEETS[sheet])
  const inside = element("div", {})
  host.attachShadow({mode: "open"}).append(style, inside)
  return [host, inside]
}
