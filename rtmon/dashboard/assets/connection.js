// One connection: everything that is known of it, and its story.
class Connection {
  #app
  #head = element("header", {class: "subject"})
  #known = element("dl", {class: "known"})
  #story = element("ol", {class: "story"})

  constructor(app, params) {
    this.#app = app
    this.node = element("div", {class: "page"}, this.#head, element("div", {class: "sides"}, element("section", {class: "card"}, element("h2", {}, "Story"), this.#story), element("section", {class: "card"}, element("h2", {}, "Known"), this.#known)))
  }

  close() {}
  frame() {}

  pane(pane) {
    if (pane.error !== undefined || pane.info === null) {
      this.#head.replaceChildren(element("h1", {}, pane.id), element("p", {role: "alert"}, pane.error ?? "This connection is not known: it may have been forgotten, or be of another epoch."))
      return
    }
    const {info} = pane
    this.#head.replaceChildren(element("h1", {}, info.name ?? info.id), element("span", {}, [info.id, info.user && `user ${info.user}`, info.path, info.remote].filter(Boolean).join(" · ")))
    this.#known.replaceChildren(...pane.known.flatMap(([name, cell, help]) => {
      const [text, look] = Array.isArray(cell) ? cell : [cell, ""]
      const title = COLUMNS.connections.find(({key}) => key === name)?.title ?? name
      return [element("dt", {title: help}, title), element("dd", {class: look}, look === "time" ? moment(Number(text) * 1e3) : text)]
    }))
    this.#story.replaceChildren(...[...pane.events].reverse().map(([time, cells]) => element("li", {}, moment(time * 1e3), " ", element("b", {}, cells[1][0]), " ", cells[3][0])))
  }
}
