// The time that a view of a recording shows.
export function render({model, el}) {
  const label = element("label", {for: "rtmon-time"}, "Time")
  const slider = element("input", {id: "rtmon-time", type: "range", step: "1"})
  const shown = element("output", {for: "rtmon-time"})
  const end = element("button", {type: "button", title: "Show the end of the recording"}, "End")
  el.append(element("div", {class: "time"}, label, slider, shown, end))

  const text = (seconds) => new Date(seconds * 1000).toISOString().replace("T", " ").slice(0, 19)
  const show = (seconds) => {
    shown.textContent = `${text(seconds)} UTC`
    slider.setAttribute("aria-valuetext", shown.textContent)
  }
  const draw = () => {
    slider.min = Math.floor(model.begin)
    slider.max = Math.ceil(model.end)
    const at = model.at ?? model.end
    slider.value = at
    end.disabled = model.at === null
    show(at)
  }
  slider.oninput = () => show(Number(slider.value))
  slider.onchange = () => { model.at = Number(slider.value) }
  end.onclick = () => { model.at = null }
  for (const name of ["begin", "end", "at"]) model.on(name, draw)
  draw()
}
