// Numbers and times as rtmon/views/numbers.py writes them.
const UNKNOWN = "–"
const PREFIXES = ["", "k", "M", "G", "T", "P"]

function scaled(value) {
  let step = 0
  while (Math.abs(value) >= 1000 && step < PREFIXES.length - 1) { value /= 1000; step += 1 }
  return [value, PREFIXES[step]]
}

function number(value, digits = 2) {
  return value.toLocaleString("en", {maximumFractionDigits: digits})
}

// A value in the unit of a chart: "1.86 kB/s", "1,860 ms".
function valueText(chart, value) {
  if (value === null || value === undefined) return UNKNOWN
  const [size, prefix] = chart.prefixed ? scaled(value) : [value, ""]
  return `${Number(size.toPrecision(3)).toLocaleString("en")} ${prefix}${chart.unit.split(" ")[0]}`.trimEnd()
}

// A point of the time axis; a clock shows UTC, as everything else in a view does.
function timeText(axis, time, step = 1) {
  if (axis === "seconds") return `${number(time)} s`
  return new Date(time).toISOString().slice(11, step % 60 === 0 ? 16 : 19)
}

// A moment of today by its time, any other by its date, too.
function momentText(seconds) {
  const [date, time] = new Date(seconds * 1000).toISOString().slice(0, 19).split("T")
  return date === new Date().toISOString().slice(0, 10) ? `${time} UTC` : `${date} ${time} UTC`
}
