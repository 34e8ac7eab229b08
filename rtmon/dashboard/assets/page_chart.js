// A chart of the app: its title leads to it alone, its marks to events, and a range that is chosen
// on it stands in the address.
const AROUND = 5  // seconds before and after a mark whose events it leads to

function pageChart(layout, axis, marks) {
  return new Chart(layout, axis, {
    address: layout.address ?? addressOf({page: "chart", chart: layout.key}),
    marks,
    folds: true,
    choose: (begin, end) => go({from: Math.round(begin / 1e3), to: Math.round(end / 1e3), range: null}),
    open: (time) => {
      const at = Math.round(time / 1e3)
      go({page: "events", since: at - AROUND, until: at + AROUND}, {fresh: true})
    },
  })
}
