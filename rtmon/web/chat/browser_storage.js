// Stored settings: of this browser (name, rooms, theme), and of this tab (user id).

const KEY = "rtmon-chat";

function read(storage) {
  try {
    const found = JSON.parse(globalThis[storage].getItem(KEY));
    return found && typeof found === "object" && !Array.isArray(found) ? found : {};
  } catch {
    return {};
  }
}

function write(storage, values) {
  try {
    globalThis[storage].setItem(KEY, JSON.stringify(values));
  } catch {
    // Without storage, nothing is remembered.
  }
}

const texts = (value, most) =>
  Array.isArray(value) ? value.filter((each) => typeof each === "string").slice(-most) : [];

/** The name and the rooms that were chosen in this browser. */
export function browser() {
  const { name, rooms } = read("localStorage");
  return { name: typeof name === "string" ? name : "", rooms: texts(rooms, 50) };
}

export function rememberBrowser(changes) {
  write("localStorage", { ...read("localStorage"), ...changes });
}

/**
 * The user of this tab. `user` is the user id for all its connections; `ids` are its earlier client
 * ids, by which it recognizes its own messages after a reload; `opened` is the last conversation.
 */
export function tab() {
  let { user, ids, opened } = read("sessionStorage");
  if (typeof user !== "string" || !user) {
    const random = crypto.getRandomValues(new Uint8Array(8));
    user = "tab-" + [...random].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    write("sessionStorage", { user, ids: [] });
  }
  return { user, ids: texts(ids, 100), opened };
}

export function rememberTab(changes) {
  write("sessionStorage", { ...read("sessionStorage"), ...changes });
}

/** Choose light or dark for this browser, its dashboards included. */
export function rememberTheme(theme) {
  try {
    localStorage.setItem("rtmon-theme", theme);
  } catch {
    // As above.
  }
}
