// Format numbers and times like rtmon/views/number_format.py, but times in the viewer's time zone.
function scaled(value) {
  let step = 0
  while (Math.abs(value) >= 999.5 && step < PREFIXES.length - 1) { value /= 1000; step += 1 }
  return [value, PREFIXES[step]]
}

function number(value, digits = 2) {
  return value.toLocaleString("en", {maximumFractionDigits: digits})
}

const known = (value) => value !== null && value !== undefined

// Format a chart's value with its unit: "1.86 kB/s", "1,860 ms".
function valueText(chart, value) {
  if (!known(value)) return UNKNOWN
  const [size, prefix] = chart.prefixed ? scaled(value) : [value, ""]
  return `${Number(size.toPrecision(3)).toLocaleString("en")} ${prefix}${chart.unit.split(" ")[0]}`.trimEnd()
}

// Format a chart's value without its unit, which the chart's title contains.
function shortText(chart, value) {
  if (!known(value)) return UNKNOWN
  const [size, prefix] = chart.prefixed || Math.abs(value) >= 100_000 ? scaled(value) : [value, ""]
  return `${Number(size.toPrecision(3)).toLocaleString("en")}${prefix}`
}

const two = (value) => String(value).padStart(2, "0")

// Format a time of day in the viewer's time zone; with the date if it is not today.
function clockText(milliseconds, seconds = true) {
  const at = new Date(milliseconds)
  const day = at.toDateString() === new Date().toDateString() ? "" : `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} `
  return `${day}${two(at.getHours())}:${two(at.getMinutes())}${seconds ? `:${two(at.getSeconds())}` : ""}`
}

const utcText = (milliseconds) => `${new Date(milliseconds).toISOString().replace("T", " ").slice(0, 19)} UTC`

// Create a <time> element that shows the viewer's time zone, and UTC on hover.
function moment(milliseconds, seconds = true) {
  return element("time", {datetime: new Date(milliseconds).toISOString(), title: utcText(milliseconds)}, clockText(milliseconds, seconds))
}

function agoText(seconds) {
  const whole = Math.max(0, Math.round(seconds))
  if (whole < 90) return `${whole} s`
  if (whole < 5400) return `${Math.round(whole / 60)} min`
  return whole < 129_600 ? `${Math.round(whole / 3600)} h` : `${Math.round(whole / 86_400)} d`
}

// Return the status of a view that the viewer paused, like rtmon/views/data_freshness.py does.
function paused(milliseconds) {
  return {kind: "paused", pill: "Paused", stale: false, banner: `Paused: this is how it was at ${clockText(milliseconds)}. Nothing is lost; resume to catch up.`}
}

// Set the text of a DOM node. An equal text is not written again, so that screen readers do not
// read it again.
function write(node, text) { if (node.textContent !== text) node.textContent = text }

// Replace all children of a DOM node; null children are skipped.
function fill(node, ...children) { node.replaceChildren(...children.filter((child) => child !== null)) }
