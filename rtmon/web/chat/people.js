// Presence: the people who are online on the server and in each joined room. No I/O, no DOM.

/** Maximum number of offline people whose names are stored for the messages that they have sent. */
const REMEMBERED = 2_000;

/** Maximum number of people in the list of a room; additional people are only counted. */
const LISTED = 200;

/** Key of the member list of the whole server; the other keys are room names. */
export const SERVER = "";

/** Compares names, with numbers in numeric order: "guest 2" comes before "guest 10". */
const inOrder = new Intl.Collator(undefined, { numeric: true }).compare;

/**
 * Stores which people are online. A person is `{id, name, user}`: `id` is the client id of a connection,
 * and `user` is the user id.
 *
 * A client may send any user id, even that of another user. So the first connection with a user id owns it
 * until the connection ends. Later connections with the same user id are shown as other people.
 */
export class People {
  /** By room name or SERVER: `members`, which maps client ids to people, and their total `count`. */
  #places = new Map([[SERVER, { members: new Map(), count: 0 }]]);
  /** By user id: the connection that owns the user id. */
  #holders = new Map();
  #known = new Map();
  #lists = new Map();

  /** Set the people of a room or of the server, from the server's answer to `presence`. */
  present(place, { members, count }) {
    const people = members.map((member) => this.#learn(member));
    this.#places.set(place, { members: new Map(people.map((each) => [each.id, each])), count });
    if (place === SERVER) {
      for (const [user, id] of this.#holders) if (!this.isHere(id)) this.#holders.delete(user);
      for (const person of people) this.#hold(person);
    }
    this.#lists.clear();
  }

  /** Handle `user_joined`: add people. Returns true if the message does not name all of them. */
  came({ room = SERVER, users, count, user_count: total }) {
    const { members } = this.#counted(room, total);
    for (const user of users) {
      const person = this.#learn(user);
      members.set(person.id, person);
      if (room === SERVER) this.#hold(person);
    }
    return count > users.length;
  }

  /** Handle `user_left`: remove people. Returns true if the message does not name all of them. */
  went({ room = SERVER, users, count, user_count: total }) {
    const { members } = this.#counted(room, total);
    for (const { client_id: id } of users) {
      const user = members.get(id)?.user;
      members.delete(id);
      if (room !== SERVER || this.#holders.get(user) !== id) continue;
      this.#holders.delete(user);
      const next = [...members.values()].find((each) => each.user === user);
      if (next) this.#hold(next);
    }
    return count > users.length;
  }

  /**
   * Store the author of a message. `now` is true for a live message. It is false for a message from the
   * history, whose name may be outdated: a name that is already known is then kept.
   */
  heard(id, name, { now = true } = {}) {
    const person = this.#known.get(id) ?? this.#learn({ client_id: id, name });
    if (!now || person.name === name) return;
    person.name = name;
    this.#lists.clear();
  }

  /** Store the sender of a private message as online, even if the list of people is incomplete. */
  met(id, name) {
    this.heard(id, name);
    this.#places.get(SERVER).members.set(id, this.#known.get(id));
    this.#hold(this.#known.get(id));
    this.#lists.clear();
  }

  /** Delete the list of people of a room that the user has left. */
  forget(place) {
    this.#places.delete(place);
    this.#lists.clear();
  }

  /**
   * Return the key of a client's person. It is made from the user id if this connection owns the user id,
   * so the key stays the same after a reconnect. Otherwise it is the client id.
   */
  key(id) {
    const user = this.#known.get(id)?.user;
    const holder = this.#holders.get(user);
    return user !== undefined && (holder === undefined || holder === id) ? `user ${user}` : id;
  }

  name(id) {
    return this.#known.get(id)?.name ?? "somebody";
  }

  isHere(id) {
    return this.#places.get(SERVER).members.has(id);
  }

  /** Return the client id to which messages for a person are sent; undefined if offline. */
  reach(key) {
    const id = this.#holders.get(key.replace(/^user /, "")) ?? key;
    return this.isHere(id) && this.key(id) === key ? id : undefined;
  }

  /**
   * Return the people of a room or of the server as `{key, id, name}` sorted by name, their total number,
   * and the number of people who are not listed.
   */
  list(place) {
    if (!this.#lists.has(place)) this.#lists.set(place, this.#list(place));
    return this.#lists.get(place);
  }

  #list(place) {
    const { members, count } = this.#places.get(place) ?? { members: new Map(), count: 0 };
    const people = [...members.values()].sort((one, two) => inOrder(one.name, two.name));
    const listed = people.slice(0, LISTED).map(({ id, name }) => ({ key: this.key(id), id, name }));
    return { people: listed, count, more: Math.max(0, count - listed.length) };
  }

  #counted(room, count) {
    const place = this.#places.get(room) ?? { members: new Map() };
    place.count = count;
    this.#places.set(room, place);
    this.#lists.clear();
    return place;
  }

  #hold({ id, user }) {
    if (user !== undefined && !this.#holders.has(user)) this.#holders.set(user, id);
  }

  #learn({ client_id: id, name, user }) {
    const person = { id, name, user };
    this.#known.delete(id);
    this.#known.set(id, person);
    if (this.#known.size > REMEMBERED) this.#known.delete(this.#known.keys().next().value);
    return person;
  }
}
