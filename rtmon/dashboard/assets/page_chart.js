// A chart on a dashboard page. Its title links to a page with this chart only, its marks link to
// events, and a time range selected in the chart is written to the URL.
const AROUND = 5  // a mark's link shows events this many seconds before and after the mark

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
