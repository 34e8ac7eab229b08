// A picture's sliders, switches, menus and buttons. User actions are sent to the kernel.
const HANDS_OFF = 1500  // milliseconds after a user action in which updates do not change the control

class Controls {
  #show = []
  #inputs = []

  constructor(controls, act) {
    this.node = element("div", {class: "controls"}, ...controls.map((control) => this.#make(control, act)))
  }

  draw({values, hidden}, live) {
    for (const show of this.#show) show(values)
    for (const input of this.#inputs) {
      input.disabled = !live
      input.hidden = hidden.includes(input.dataset.control)
    }
  }

  #make({kind, name, label, low, high, step, options = []}, act) {
    if (kind === "button" || kind === "toggle") {
      const button = this.#input(element("button", {type: "button", "data-control": name}, label))
      button.onclick = () => act(name, kind === "toggle" ? button.getAttribute("aria-pressed") !== "true" : null)
      if (kind === "toggle") this.#show.push((values) => button.setAttribute("aria-pressed", String(Boolean(values[name]))))
      return button
    }
    const input = this.#input(kind === "slider"
      ? element("input", {type: "range", min: low, max: high, step, "aria-label": label, "data-control": name})
      : element("select", {"aria-label": label, "data-control": name}, ...options.map((option) => element("option", {}, option))))
    const value = element("b", {"aria-hidden": "true"})
    let moved = -Infinity
    const said = () => { value.textContent = kind === "slider" ? number(Number(input.value)) : "" }
    input.oninput = () => {
      moved = performance.now()
      said()
      act(name, kind === "slider" ? Number(input.value) : input.value)
    }
    this.#show.push((values) => {
      if (performance.now() - moved < HANDS_OFF) return
      input.value = values[name]
      said()
    })
    return element("label", {class: kind}, element("span", {}, label, " ", value), input)
  }

  #input(node) {
    this.#inputs.push(node)
    return node
  }
}
