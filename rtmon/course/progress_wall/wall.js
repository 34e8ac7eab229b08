// Draws the progress wall. The server sends the complete content over a WebSocket after each change.
// Learner names are inserted as text and never as HTML.

const byId = (id) => document.getElementById(id);
const shown = new Map(); // [learner, exercise] → text of the cell, to highlight cells that change

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Isolate a name in a <bdi> element, so that right-to-left text does not reorder its surroundings. */
const name = (text) => element("bdi", {}, text);

const time = (seconds) =>
  new Date(seconds * 1e3).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

function head(state, exercises) {
  const right = (exercise) =>
    state.learners.filter(({ results }) => results[exercise.name]?.[0]).length;
  return [
    element("tr", {},
      element("th", { class: "first", scope: "col", rowspan: 2 }, `${state.learners.length} learners`),
      ...state.notebooks.map((notebook) =>
        element("th", { class: "notebook", scope: "colgroup", colspan: notebook.exercises.length,
                        title: notebook.title }, `${notebook.name} ${notebook.title}`)),
      element("th", { class: "last", scope: "col", rowspan: 2 }, "points")),
    element("tr", {},
      ...exercises.map((exercise) =>
        element("th", { scope: "col", title: `${exercise.name}: ${exercise.claim}` },
                exercise.name.split("-").at(-1)))),
    element("tr", {},
      element("th", { scope: "row" }, "have it right"),
      ...exercises.map((exercise) => element("th", {}, String(right(exercise)))),
      element("th", {})),
  ];
}

function cell(learner, exercise) {
  const result = learner.results[exercise.name];
  const [right, tries, note] = result ?? [false, 0, ""];
  const kind = right ? "right" : tries ? "tried" : "none";
  const text = right ? "✓" : tries ? String(tries) : "·";
  const many = tries === 1 ? "1 try" : `${tries} tries`;
  const words = right ? `right after ${many}` : tries ? `not yet, ${many}. ${note}` : "not tried";
  const key = JSON.stringify([learner.name, exercise.name]);
  const news = shown.has(key) && shown.get(key) !== text;
  shown.set(key, text);
  return element("td", {
    class: news ? `${kind} news` : kind,
    "aria-label": words,
    title: `${learner.name}, ${exercise.name} (${exercise.claim}): ${words}`,
  }, text);
}

function row(learner, exercises, points) {
  return element("tr", {},
    element("th", { class: "name", scope: "row",
                    title: `${learner.name}, last check at ${time(learner.seen)}` },
            name(learner.name)),
    ...exercises.map((exercise) => cell(learner, exercise)),
    element("td", { class: "total" }, String(learner.points), element("small", {}, ` / ${points}`)));
}

function draw(state) {
  const exercises = state.notebooks.flatMap((notebook) => notebook.exercises);
  const points = exercises.reduce((sum, exercise) => sum + exercise.points, 0);
  const [thead, tbody] = [byId("wall").tHead, byId("wall").tBodies[0]];
  document.documentElement.style.setProperty("--rows", Math.max(10, state.learners.length));
  thead.replaceChildren(...head(state, exercises));
  tbody.replaceChildren(...state.learners.map((learner) => row(learner, exercises, points)));
  byId("wall").hidden = !state.learners.length;
  byId("empty").hidden = Boolean(state.learners.length);
  byId("how").textContent = `%env RTMON_CLASS=${state.server.url}\n%env RTMON_LEARNER=your name`;
  byId("more").hidden = !state.more;
  byId("more").textContent = `${state.more} more learners do not fit on this wall.`;
  byId("source").textContent = state.server.url;
  if (state.server.live) pill("live", "Live");
  else pill("away", `Class server away since ${time(state.server.since)}`);
}

function pill(kind, text) {
  byId("pill").className = `pill ${kind}`;
  if (byId("pill").textContent !== text) byId("pill").textContent = text;
}

let waits = 0.5; // seconds until the next attempt to connect

function listen() {
  const socket = new WebSocket(new URL("feed", location.href.replace(/^http/, "ws")));
  let since = Date.now() / 1e3;
  let open = false;
  socket.addEventListener("message", ({ data }) => {
    open = true;
    waits = 0.5;
    since = Date.now() / 1e3;
    draw(JSON.parse(data));
  });
  socket.addEventListener("close", () => {
    if (open) pill("away", `Not live since ${time(since)}`);
    setTimeout(listen, waits * 1e3);
    waits = Math.min(waits * 2, 10);
  });
}

function choose(theme) {
  document.documentElement.dataset.theme = theme;
  localStorage.setItem("rtmon-theme", theme);
}

byId("theme").addEventListener("click", () => {
  const dark = getComputedStyle(document.documentElement).colorScheme === "dark" ||
    (document.documentElement.dataset.theme ?? "") === "" &&
      matchMedia("(prefers-color-scheme: dark)").matches;
  choose(dark ? "light" : "dark");
});
if (localStorage.getItem("rtmon-theme")) choose(localStorage.getItem("rtmon-theme"));
listen();
