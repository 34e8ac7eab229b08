// What is shown as a file: a table's rows come from the server, a chart's points from the page.
const FORMATS = ["csv", "json"]

// Two buttons; save: is given the format, and says what went wrong.
function savers(label, save) {
  const buttons = FORMATS.map((format) => {
    const button = element("button", {type: "button", title: `${label} as ${format.toUpperCase()}`, "aria-label": `${label} as ${format.toUpperCase()}`}, format.toUpperCase())
    button.onclick = async () => {
      button.disabled = true
      try { await save(format) } catch (error) { alert(`This could not be saved: ${error.message}`) } finally { button.disabled = false }
    }
    return button
  })
  return element("div", {class: "group savers", role: "group", "aria-label": label}, ...buttons)
}

function saveBlob(name, blob) {
  const url = URL.createObjectURL(blob)
  element("a", {href: url, download: name}).click()
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}

// All rows of the query that a table shows, in its columns and order.
async function saveRows(pane, format) {
  if (pane === undefined) throw new Error("there are no rows yet.")
  const {table, query: where, sort, columns = [], by = null} = pane
  saveBlob(...await host.file({format, table, where, sort, columns, by, at: app.replay.at}))
}

// The points of some charts that are in sight, as they are drawn: numbers and times, no texts.
function savePoints(layouts, {axis, store}, format) {
  if (store.frame === null) throw new Error("there are no points yet.")
  const {begin, end, points} = axis
  const series = layouts.flatMap(({title, unit, series}) => series.map(({key, label}) => ({key, title, label, unit})))
  const at = points.time.map((time, index) => [time, index]).filter(([time]) => time >= begin && time <= end).map(([, index]) => index)
  const iso = (time) => new Date(time).toISOString()
  let text
  if (format === "csv") {
    const lines = at.map((index) => [iso(points.time[index]), ...series.map(({key}) => points[key][index] ?? "")])
    text = [["time", ...series.map(({key}) => key)], ...lines].map((cells) => `${cells.join(",")}\r\n`).join("")
  } else {
    const {node, epoch} = store.frame
    const values = Object.fromEntries(series.map(({key}) => [key, at.map((index) => points[key][index])]))
    text = JSON.stringify({node, epoch, from: begin / 1e3, to: end / 1e3, series, time: at.map((index) => points.time[index] / 1e3), points: values})
  }
  const name = ["rtmon", store.frame.node.replace(/[^A-Za-z0-9]+/g, "-"), layouts.length === 1 ? layouts[0].key : "charts", iso(end).slice(0, 19).replace(/[-:]/g, "")].filter(Boolean)
  saveBlob(`${name.join("-")}Z.${format}`, new Blob([text], {type: format === "csv" ? "text/csv;charset=utf-8" : "application/json"}))
}
