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
