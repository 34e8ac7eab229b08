// A moment of today by its time, any other by its date, too.
function momentText(seconds) {
  const [date, time] = new Date(seconds * 1000).toISOString().slice(0, 19).split("T")
  return date === new Date().toISOString().slice(0, 10) ? `${time} UTC` : `${date} ${time} UTC`
}
