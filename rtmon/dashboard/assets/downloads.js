// Downloads as CSV or JSON: the rows of a table, from the server, or the points of the page's charts.
const FORMATS = ["csv", "json"]

// Returns two download buttons. save(format) is called on a click; its exceptions are shown.
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

// Saves all rows that match a table's query, with the table's columns and order. If the page is
// paused or the table is not a table of the feed, saves only the shown rows.
async function saveRows(pane, format) {
  if (pane === undefined) throw new Error("there are no rows yet.")
  if (app.store.held !== null || COLUMNS[pane.table] === undefined) { saveShown(pane, format); return }
  const {table, query: where, sort, columns = [], by = null} = pane
  saveBlob(...await host.file({format, table, where, sort, columns, by, at: app.replay.at}))
}

// Saves the shown rows as formatted text, because the browser does not have the original numbers.
function saveShown(pane, format) {
  const {table, query: where, sort, columns, total, by = null} = pane
  const {node, epoch} = app.store.frame
  const at = app.store.held?.end ?? app.store.end
  const textOf = (cell) => {
    const [text, look] = Array.isArray(cell) ? cell : [cell, ""]
    if (text === UNKNOWN) return null
    return look === "time" ? isoText(Number(text) * 1e3) : String(text)
  }
  const rows = pane.rows.map(({cells}) => columns.map((_, index) => textOf(cells[index])))
  let text
  if (format === "csv") text = [columns, ...rows].map((cells) => `${cells.map(csvCell).join(",")}\r\n`).join("")
  else text = JSON.stringify({table, where, sort, by, node, epoch, time: at / 1e3, shown: true, total, rows: rows.map((cells) => Object.fromEntries(columns.map((key, index) => [key, cells[index]])))})
  saveText(["rtmon", node, table, by === null ? "" : `by-${by}`, "shown"], at, format, text)
}

// Escapes a CSV cell as rtmon/metrics/csv_text.py does, so that no spreadsheet runs it as a formula.
function csvCell(text) {
  if (text === null) return ""
  const safe = text === "" || /^[=+\-@\t\r']/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

function saveText(parts, time, format, text) {
  const name = [...parts.map((part) => part.replace(/[^A-Za-z0-9]+/g, "-")).filter(Boolean), isoText(time).slice(0, 19).replace(/[-:]/g, "")]
  saveBlob(`${name.join("-")}Z.${format}`, new Blob([text], {type: format === "csv" ? "text/csv;charset=utf-8" : "application/json"}))
}

const isoText = (time) => new Date(time).toISOString()

// Saves the visible points of charts, as numbers and times.
function savePoints(layouts, {axis, store}, format) {
  if (store.frame === null) throw new Error("there are no points yet.")
  const {begin, end, points} = axis
  const series = layouts.flatMap(({title, unit, series}) => series.map(({key, label}) => ({key, title, label, unit})))
  const at = points.time.map((time, index) => [time, index]).filter(([time]) => time >= begin && time <= end).map(([, index]) => index)
  let text
  if (format === "csv") {
    const lines = at.map((index) => [isoText(points.time[index]), ...series.map(({key}) => points[key][index] ?? "")])
    text = [["time", ...series.map(({key}) => key)], ...lines].map((cells) => `${cells.join(",")}\r\n`).join("")
  } else {
    const {node, epoch} = store.frame
    const values = Object.fromEntries(series.map(({key}) => [key, at.map((index) => points[key][index])]))
    text = JSON.stringify({node, epoch, from: begin / 1e3, to: end / 1e3, series, time: at.map((index) => points.time[index] / 1e3), points: values})
  }
  saveText(["rtmon", store.frame.node, layouts.length === 1 ? layouts[0].key : "charts"], end, format, text)
}
