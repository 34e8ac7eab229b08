// The browser's page as the host of the app: its address, its title, its link to the server.
// A notebook's cell is another host, with the same members: see notebook_host.js.
class BrowserHost {
  embedded = false  // the app has the page to itself
  root = document.getElementById("rtmon")
  keys = window  // hears the keyboard
  scroller = window  // is moved to the top for another page
  get active() { return document.activeElement }

  get search() { return location.search }
  get base() { return location.pathname }  // the address without parameters

  visit(address, {keep = false} = {}) {
    if (keep) history.replaceState(null, "", address)
    else history.pushState(null, "", address)
  }

  // Call a function when the address has changed in another way than by visit().
  onreturn(returned) { addEventListener("popstate", returned) }

  // True if a click on a link is to change the view; the others are the browser's.
  follows(link, event) {
    if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || link.target || link.hash) return false
    return link.origin === location.origin && link.pathname === location.pathname
  }

  set title(title) { if (document.title !== title) document.title = title }

  connect(listener) {
    const channel = new URL(`rtmon/channel?ticket=${encodeURIComponent(TICKET["Rtmon-Ticket"])}`, location.href.replace(/[?#].*$/, ""))
    return new Link(channel.href.replace(/^http/, "ws"), listener)
  }

  // A file of a table's rows: its name and content.
  async file(asked) {
    const answer = await fetchShown("rtmon/download", {method: "POST", headers: TICKET, body: JSON.stringify(asked)})
    if (!answer.ok) throw new Error((await answer.json()).error)
    return [/filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition"))[1], await answer.blob()]
  }

  // What stands before the links to the pages.
  head() {
    const brand = element("a", {class: "brand", href: this.base})
    brand.innerHTML = MARK
    brand.append("rtmon")
    return brand
  }

  // The buttons at the end of the bar.
  tools(showKeys) {
    const tool = (name, label, text, does) => {
      const button = element("button", {type: "button", class: name, title: label, ...(text.length < 2 ? {"aria-label": label.replace(/ \(.*/, "")} : {})}, text)
      button.onclick = does
      return button
    }
    this.#copy = tool("copy", "Copy a link that opens this view", "Copy link", () => this.copy())
    this.#nameCopy()
    return [this.#copy, tool("theme", "Light or dark", "◐", () => this.toggleTheme()), tool("help", "Keys (?)", "?", showKeys)]
  }

  toggleTheme() { window.rtmonTheme.toggle() }

  async copy() {
    try { await navigator.clipboard.writeText(location.href) } catch { prompt("The link to this view:", location.href); return }
    this.#copy.textContent = "Copied"
    setTimeout(() => this.#nameCopy(), 1500)
  }

  // A phone has no room for all of it.
  #nameCopy() { this.#copy.replaceChildren("Copy", element("span", {class: "rest"}, " link")) }

  #copy
}

const host = new BrowserHost()
