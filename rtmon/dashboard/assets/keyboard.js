// Keyboard shortcuts: "/" searches, "?" lists the shortcuts, a digit opens a page.
const KEYS = [["/", "Search"], ["?", "These keys"], ["1 … 6", "The pages, in their order"], ["l", "Live: the last minutes, moving on"], ["p", "Pause and go on"], [", .", "A recording: a second back, a second forth"], ["Shift , .", "A minute back, a minute forth"], ["b n", "The event before, the event after"], ["e", "Jump to the end"], ["t", "Light or dark"], ["c", "Copy a link to this view"], ["← →", "On a chart: the moment whose values all charts show"], ["Shift ← →", "On a chart: choose a range; Enter shows it, Esc goes back"], ["Esc", "Leave the search field or this list"]]
const OF_A_PAGE = ["t", "c"]  // keys that work only in a browser tab, not in a notebook

// Adds the keyboard listener; returns the dialog that lists the shortcuts.
function listenToKeys(app) {
  const dialog = element("dialog", {"aria-label": "Keys"}, element("h2", {}, "Keys"), element("dl", {class: "keys"}, ...KEYS.filter(([key]) => !(host.embedded && OF_A_PAGE.includes(key))).flatMap(([key, does]) => [element("dt", {}, element("kbd", {}, key)), element("dd", {}, does)])), element("form", {method: "dialog"}, element("button", {}, "Close")))
  host.keys.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const writing = event.target.closest?.("input, select, textarea, [contenteditable]")
    if (event.key === "Escape" && writing) event.target.blur()
    if (writing || dialog.open) return
    const page = Number(event.key)
    if (event.key === "/") {
      const search = () => host.root.querySelector("#search")
      if (search() === null) go({page: "connections"}, {fresh: true})
      search().focus()
    } else if (event.key === "?") dialog.showModal()
    else if (page >= 1 && page <= RAIL.length) go(pageChanges(RAIL[page - 1][0]), {fresh: true})
    else if (event.key === "l") app.axis.back()
    else if (event.key === "p") app.replay.shown ? app.replay.toggle() : app.pause()
    else if (app.replay.shown && (event.code === "Comma" || event.code === "Period")) app.replay.step((event.code === "Comma" ? -1 : 1) * (event.shiftKey ? 60 : 1))
    else if (app.replay.shown && (event.key === "b" || event.key === "n")) app.replay.jump(event.key === "b" ? -1 : 1)
    else if (app.replay.shown && event.key === "e") app.replay.toEnd()
    else if (event.key === "t" && !host.embedded) host.toggleTheme()
    else if (event.key === "c" && !host.embedded) host.copy()
    else return
    event.preventDefault()
  })
  return dialog
}
