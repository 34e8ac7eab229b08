// Settings of the chat page in the browser's storage: name, rooms and theme in localStorage, and the user
// id of this tab in sessionStorage.

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
    // The browser may block its storage. The settings are then lost at a reload.
  }
}

const texts = (value, most) =>
  Array.isArray(value) ? value.filter((each) => typeof each === "string").slice(-most) : [];

/** Return the user name and the rooms that are saved in this browser. */
export function browser() {
  const { name, rooms } = read("localStorage");
  return { name: typeof name === "string" ? name : "", rooms: texts(rooms, 50) };
}

/** Save settings for all tabs of this browser, such as `{name}` or `{rooms}`. */
export function rememberBrowser(changes) {
  write("localStorage", { ...read("localStorage"), ...changes });
}

/**
 * Return the saved state of this browser tab. `user` is the user id for all connections of the tab. `ids`
 * are its earlier client ids, by which the tab recognizes its own messages after a reload. `opened` is the
 * key of the last open conversation.
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

/** Save settings for this browser tab, such as `{ids}` or `{opened}`. */
export function rememberTab(changes) {
  write("sessionStorage", { ...read("sessionStorage"), ...changes });
}

/** Save the theme, `light` or `dark`, for all rtmon pages of this server in this browser. */
export function rememberTheme(theme) {
  try {
    localStorage.setItem("rtmon-theme", theme);
  } catch {
    // The browser may block its storage. The theme is then lost at a reload.
  }
}
